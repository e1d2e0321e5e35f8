//! Frames and the memory they live in.
//!
//! A frame is what was read at once: one wire packet, or a super-frame that stands for several (see
//! [`crate::core::split`]). It is shared by every queue it waits in; the last owner gives its buffer back to the
//! pool, so nothing is allocated per frame once warm. The pool counts what frames and their places in queues take
//! and refuses beyond [`limits::MAX_IN_FLIGHT_BYTES`]: that is what bounds a storm. Each topology has a share that leaves
//! room for those that hold little.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::core::split::{Offload, Shape};
use crate::limits;

/// Buffer sizes; the last holds any frame and the room in front of it.
const CLASSES: [usize; 4] =
    [256, 2048, 8192, limits::MAX_FRAME_BYTES + limits::FRAME_HEADROOM_BYTES];
const LARGEST: usize = CLASSES.len() - 1;

/// What the pools of several threads hold together, in bytes. Each tells it in steps of [`limits::HOLDINGS_STEP_BYTES`], so
/// that threads do not contend for it with every frame.
#[derive(Debug, Clone, Default)]
pub struct Holdings(Arc<AtomicU64>);

/// Where frames are made.
#[derive(Debug, Clone, Default)]
pub struct FramePool {
    inner: Rc<Inner>,
}

#[derive(Debug)]
struct Inner {
    free: Rc<[RefCell<Vec<Rc<Body>>>; CLASSES.len()]>,
    used_bytes: Cell<u64>,
    limit_bytes: u64,
    above: Above,
}

/// Who else must have room.
#[derive(Debug)]
enum Above {
    /// What this is a share of.
    Whole(Rc<Inner>),
    /// All pools of the process, which were told of this one that it holds `told_bytes`.
    Process { all: Holdings, told_bytes: Cell<u64> },
}

impl Default for Above {
    fn default() -> Self {
        Self::Process { all: Holdings::default(), told_bytes: Cell::new(0) }
    }
}

/// A buffer and what is in it.
struct Body {
    bytes: Box<[u8]>,
    start: usize,
    len: usize,
    class: usize,
    shape: Shape,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            free: Rc::default(),
            used_bytes: Cell::new(0),
            limit_bytes: limits::MAX_IN_FLIGHT_BYTES,
            above: Above::default(),
        }
    }
}

/// One Ethernet frame without check sequence, or a super-frame. Cloning shares the bytes.
pub struct Frame {
    body: Rc<Body>,
    pool: Rc<Inner>,
}

/// A buffer of the pool that a port reads into; large enough for any frame.
#[derive(Debug)]
pub struct Scratch {
    body: Rc<Body>,
}

impl Holdings {
    /// A pool that told of `told_bytes` holds `used_bytes` now.
    fn tell(&self, told_bytes: &Cell<u64>, used_bytes: u64) {
        let told = told_bytes.get();
        if used_bytes.abs_diff(told) < limits::HOLDINGS_STEP_BYTES {
            return;
        }
        if used_bytes > told {
            self.0.fetch_add(used_bytes - told, Ordering::Relaxed);
        } else {
            self.0.fetch_sub(told - used_bytes, Ordering::Relaxed);
        }
        told_bytes.set(used_bytes);
    }
}

impl FramePool {
    /// A pool that refuses beyond `limit_bytes`.
    #[must_use]
    pub fn with_limit(limit_bytes: u64) -> Self {
        Self { inner: Rc::new(Inner { limit_bytes, ..Inner::default() }) }
    }

    /// A pool for one of several threads, all of which hold at most [`limits::MAX_IN_FLIGHT_BYTES`] together.
    #[must_use]
    pub fn beside(all: Holdings) -> Self {
        let above = Above::Process { all, told_bytes: Cell::new(0) };
        Self { inner: Rc::new(Inner { above, ..Inner::default() }) }
    }

    /// A share of this pool, with a count of its own: once it holds [`limits::SMALL_SHARE_BYTES`], it leaves the last
    /// [`limits::RESERVED_BYTES`] (an eighth of a smaller pool) to those that hold less.
    #[must_use]
    pub fn share(&self) -> Self {
        let inner = Inner {
            free: Rc::clone(&self.inner.free),
            used_bytes: Cell::new(0),
            limit_bytes: self.inner.limit_bytes,
            above: Above::Whole(Rc::clone(&self.inner)),
        };
        Self { inner: Rc::new(inner) }
    }

    /// A frame of these bytes, one wire packet; none if they are too many or the pool is exhausted.
    #[must_use]
    pub fn frame(&self, bytes: &[u8]) -> Option<Frame> {
        Inner::frame(&self.inner, bytes, Shape::WHOLE)
    }

    /// A buffer to read into.
    #[must_use]
    pub fn scratch(&self) -> Scratch {
        Scratch { body: self.inner.take(LARGEST) }
    }

    /// The frame that was read into `scratch`, as `bytes` of it. A long one keeps the buffer, and `scratch` gets
    /// another. None if the offload does not fit the bytes, and as [`FramePool::frame`].
    ///
    /// # Errors
    /// Whether the frame is bad or the pool is exhausted.
    pub fn freeze(
        &self,
        scratch: &mut Scratch,
        bytes: std::ops::Range<usize>,
        offload: Offload,
    ) -> Result<Frame, Unfit> {
        let data = scratch.body.bytes.get(bytes.clone()).ok_or(Unfit::Malformed)?;
        if data.len() < limits::MIN_FRAME_BYTES || data.len() > limits::MAX_FRAME_BYTES {
            return Err(Unfit::Malformed);
        }
        let shape = Shape::of(data, offload).ok_or(Unfit::Malformed)?;
        if data.len() <= CLASSES[LARGEST - 1] {
            return Inner::frame(&self.inner, data, shape).ok_or(Unfit::Exhausted);
        }
        let len = data.len();
        let cost = class_bytes(LARGEST) + limits::QUEUE_ENTRY_BYTES;
        if !self.inner.has_room(cost) {
            return Err(Unfit::Exhausted);
        }
        let mut body = std::mem::replace(&mut scratch.body, self.inner.take(LARGEST));
        let space = Rc::get_mut(&mut body).expect("a scratch buffer has no other owner");
        (space.start, space.len, space.shape) = (bytes.start, len, shape);
        self.inner.use_bytes(cost);
        Ok(Frame { body, pool: Rc::clone(&self.inner) })
    }

    /// What frames and their places take now.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.inner.used_bytes.get()
    }
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// Too short, too long, or its offload does not fit its headers.
    Malformed,
    /// The pool has no room.
    Exhausted,
}

impl Scratch {
    /// All of the buffer.
    pub fn bytes(&mut self) -> &mut [u8] {
        &mut Rc::get_mut(&mut self.body).expect("a scratch buffer has no other owner").bytes
    }
}

impl Inner {
    fn has_room(&self, cost: u64) -> bool {
        let used = self.used_bytes.get() + cost;
        let whole = match &self.above {
            Above::Whole(whole) => whole,
            Above::Process { all, told_bytes } => {
                let others = all.0.load(Ordering::Relaxed).saturating_sub(told_bytes.get());
                return others + used <= self.limit_bytes;
            }
        };
        let is_small = used <= limits::SMALL_SHARE_BYTES;
        let reserved = limits::RESERVED_BYTES.min(whole.limit_bytes / 8);
        whole.has_room(cost + if is_small { 0 } else { reserved })
    }

    fn use_bytes(&self, cost: u64) {
        self.used_bytes.set(self.used_bytes.get() + cost);
        match &self.above {
            Above::Whole(whole) => whole.use_bytes(cost),
            Above::Process { all, told_bytes } => all.tell(told_bytes, self.used_bytes.get()),
        }
    }

    fn free_bytes(&self, cost: u64) {
        self.used_bytes.set(self.used_bytes.get() - cost);
        match &self.above {
            Above::Whole(whole) => whole.free_bytes(cost),
            Above::Process { all, told_bytes } => all.tell(told_bytes, self.used_bytes.get()),
        }
    }

    /// An unused buffer of a class.
    fn take(&self, class: usize) -> Rc<Body> {
        self.free[class].borrow_mut().pop().unwrap_or_else(|| {
            let bytes = vec![0; CLASSES[class]].into_boxed_slice();
            Rc::new(Body { bytes, start: 0, len: 0, class, shape: Shape::WHOLE })
        })
    }

    fn frame(pool: &Rc<Inner>, bytes: &[u8], shape: Shape) -> Option<Frame> {
        if bytes.len() > limits::MAX_FRAME_BYTES {
            return None;
        }
        let class = CLASSES.iter().position(|&size| bytes.len() <= size)?;
        let cost = class_bytes(class) + limits::QUEUE_ENTRY_BYTES;
        if !pool.has_room(cost) {
            return None;
        }
        let mut body = pool.take(class);
        let space = Rc::get_mut(&mut body).expect("a free buffer has no other owner");
        space.bytes[..bytes.len()].copy_from_slice(bytes);
        (space.start, space.len, space.shape) = (0, bytes.len(), shape);
        pool.use_bytes(cost);
        Some(Frame { body, pool: Rc::clone(pool) })
    }
}

fn class_bytes(class: usize) -> u64 {
    u64::try_from(CLASSES[class]).expect("a class is far below 2^64")
}

impl Frame {
    /// The bytes from the destination address on.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.body.bytes[self.body.start..self.body.start + self.body.len]
    }

    /// How the bytes are cut into wire packets.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.body.shape
    }

    /// Whether both are the same frame, not only equal.
    #[must_use]
    pub fn is_same(&self, other: &Frame) -> bool {
        Rc::ptr_eq(&self.body, &other.body)
    }

    /// Whether its pool has no room for another place in a queue.
    #[must_use]
    pub fn pool_is_full(&self) -> bool {
        !self.pool.has_room(limits::QUEUE_ENTRY_BYTES)
    }

    /// Another frame of the same pool, one wire packet; none if the pool is exhausted.
    #[must_use]
    pub fn sibling(&self, bytes: &[u8]) -> Option<Frame> {
        self.sibling_of(bytes, Shape::WHOLE)
    }

    /// The same of any shape.
    #[must_use]
    pub fn sibling_of(&self, bytes: &[u8], shape: Shape) -> Option<Frame> {
        Inner::frame(&self.pool, bytes, shape)
    }
}

impl Clone for Frame {
    fn clone(&self) -> Self {
        self.pool.use_bytes(limits::QUEUE_ENTRY_BYTES);
        Self { body: Rc::clone(&self.body), pool: Rc::clone(&self.pool) }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let mut freed = limits::QUEUE_ENTRY_BYTES;
        if Rc::strong_count(&self.body) == 1 {
            let class = self.body.class;
            freed += class_bytes(class);
            let mut free = self.pool.free[class].borrow_mut();
            if free.len() * CLASSES[class] < limits::FREE_BUFFER_BYTES {
                free.push(Rc::clone(&self.body));
            }
        }
        self.pool.free_bytes(freed);
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.body.len)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body(class {})", self.class)
    }
}

#[cfg(test)]
mod tests;
