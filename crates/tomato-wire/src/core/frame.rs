//! Frames and the memory they live in.
//!
//! A frame is shared by every queue it waits in; the last owner gives its buffer back to the pool, so nothing is
//! allocated per frame once warm. The pool counts what frames and their places in queues take and refuses
//! beyond [`limits::MAX_IN_FLIGHT_BYTES`]: that is what bounds a storm.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use crate::limits;

/// Buffer sizes; the last holds any frame.
const CLASSES: [usize; 3] = [256, 2048, limits::MAX_FRAME_BYTES];

/// Where frames are made.
#[derive(Debug, Clone, Default)]
pub struct FramePool {
    inner: Rc<Inner>,
}

#[derive(Debug)]
struct Inner {
    free: [RefCell<Vec<Rc<Vec<u8>>>>; CLASSES.len()],
    used_bytes: Cell<u64>,
    limit_bytes: u64,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            free: Default::default(),
            used_bytes: Cell::new(0),
            limit_bytes: limits::MAX_IN_FLIGHT_BYTES,
        }
    }
}

/// One Ethernet frame without check sequence. Cloning shares the bytes.
pub struct Frame {
    bytes: Rc<Vec<u8>>,
    class: usize,
    pool: Rc<Inner>,
}

impl FramePool {
    /// A pool that refuses beyond `limit_bytes`.
    #[must_use]
    pub fn with_limit(limit_bytes: u64) -> Self {
        Self { inner: Rc::new(Inner { limit_bytes, ..Inner::default() }) }
    }

    /// A frame of these bytes; none if they are too many or the pool is exhausted.
    #[must_use]
    pub fn frame(&self, bytes: &[u8]) -> Option<Frame> {
        Inner::frame(&self.inner, bytes)
    }

    /// What frames and their places take now.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.inner.used_bytes.get()
    }
}

impl Inner {
    fn frame(pool: &Rc<Inner>, bytes: &[u8]) -> Option<Frame> {
        let class = CLASSES.iter().position(|&size| bytes.len() <= size)?;
        let cost = class_bytes(class) + limits::QUEUE_ENTRY_BYTES;
        if pool.used_bytes.get() + cost > pool.limit_bytes {
            return None;
        }
        let mut buffer = pool.free[class]
            .borrow_mut()
            .pop()
            .unwrap_or_else(|| Rc::new(Vec::with_capacity(CLASSES[class])));
        let space = Rc::get_mut(&mut buffer).expect("a free buffer has no other owner");
        space.clear();
        space.extend_from_slice(bytes);
        pool.used_bytes.set(pool.used_bytes.get() + cost);
        Some(Frame { bytes: buffer, class, pool: Rc::clone(pool) })
    }
}

fn class_bytes(class: usize) -> u64 {
    u64::try_from(CLASSES[class]).expect("a class is far below 2^64")
}

impl Frame {
    /// The bytes from the destination address on.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        u64::try_from(self.bytes.len()).expect("a frame is far below 2^64 bytes")
    }

    /// Whether it has no bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether its pool has no room for another place in a queue.
    #[must_use]
    pub fn pool_is_full(&self) -> bool {
        self.pool.used_bytes.get() + limits::QUEUE_ENTRY_BYTES > self.pool.limit_bytes
    }

    /// The same frame with one bit flipped, counted from the first; none if the pool is exhausted.
    #[must_use]
    pub fn with_flipped_bit(&self, bit: u64) -> Option<Frame> {
        let mut frame = Inner::frame(&self.pool, &self.bytes)?;
        let space = Rc::get_mut(&mut frame.bytes).expect("the frame was just made");
        if let Some(byte) = usize::try_from(bit / 8).ok().and_then(|n| space.get_mut(n)) {
            *byte ^= 1 << (bit % 8);
        }
        Some(frame)
    }
}

impl Clone for Frame {
    fn clone(&self) -> Self {
        self.pool.used_bytes.set(self.pool.used_bytes.get() + limits::QUEUE_ENTRY_BYTES);
        Self { bytes: Rc::clone(&self.bytes), class: self.class, pool: Rc::clone(&self.pool) }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let mut freed = limits::QUEUE_ENTRY_BYTES;
        if Rc::strong_count(&self.bytes) == 1 {
            freed += class_bytes(self.class);
            let mut free = self.pool.free[self.class].borrow_mut();
            if free.len() * CLASSES[self.class] < limits::FREE_BUFFER_BYTES {
                free.push(Rc::clone(&self.bytes));
            }
        }
        self.pool.used_bytes.set(self.pool.used_bytes.get() - freed);
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_and_are_used_again() {
        let pool = FramePool::default();
        let frame = pool.frame(&[1; 100]).expect("room");
        let place = frame.bytes().as_ptr();
        let copy = frame.clone();
        assert_eq!(pool.used_bytes(), 256 + 2 * limits::QUEUE_ENTRY_BYTES);
        drop(frame);
        assert_eq!(copy.bytes(), [1; 100]);
        drop(copy);
        assert_eq!(pool.used_bytes(), 0);
        let again = pool.frame(&[2; 50]).expect("room");
        assert_eq!(again.bytes().as_ptr(), place);
        assert_eq!(again.bytes(), [2; 50]);
    }

    #[test]
    fn the_pool_refuses_beyond_its_limit() {
        let pool = FramePool::with_limit(1000);
        let frames: Vec<Frame> = std::iter::from_fn(|| pool.frame(&[0; 64])).take(10).collect();
        assert_eq!(frames.len(), 3);
        assert!(frames[0].pool_is_full());
        assert!(pool.frame(&vec![0; limits::MAX_FRAME_BYTES + 1]).is_none());
    }

    #[test]
    fn a_flip_changes_one_bit_of_a_copy() {
        let pool = FramePool::default();
        let frame = pool.frame(&[0; 20]).expect("room");
        let flipped = frame.with_flipped_bit(8 * 3 + 2).expect("room");
        assert_eq!(frame.bytes(), [0; 20]);
        assert_eq!(flipped.bytes()[3], 4);
        assert_eq!(flipped.bytes().iter().map(|b| b.count_ones()).sum::<u32>(), 1);
    }
}
