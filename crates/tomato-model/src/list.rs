//! A list whose copies share what they hold, so that copying a large topology to change one thing in it costs little.
//!
//! Invariant: what is shared is never changed; who changes a part of a copy gets that part alone copied.

use std::ops::{Index, IndexMut};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Things in their order; a copy shares them with the list it was made from.
#[derive(Debug, Clone)]
pub struct List<T>(Vec<Arc<T>>);

/// Goes through a [`List`].
pub type Iter<'a, T> = std::iter::Map<std::slice::Iter<'a, Arc<T>>, fn(&'a Arc<T>) -> &'a T>;

impl<T> List<T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The thing at that place.
    pub fn get(&self, at: usize) -> Option<&T> {
        self.0.get(at).map(Arc::as_ref)
    }

    /// The first thing.
    pub fn first(&self) -> Option<&T> {
        self.get(0)
    }

    /// The last thing.
    pub fn last(&self) -> Option<&T> {
        self.0.last().map(Arc::as_ref)
    }

    /// One after the other.
    pub fn iter(&self) -> Iter<'_, T> {
        self.0.iter().map(Arc::as_ref)
    }

    /// Adds a thing at the end.
    pub fn push(&mut self, thing: T) {
        self.0.push(Arc::new(thing));
    }

    /// Whether this and `other` hold, at that place, the same copy of a thing: surely equal, without a look at it. Equal things
    /// that were made apart are not shared.
    pub fn shares(&self, other: &Self, at: usize) -> bool {
        self.0.get(at).zip(other.0.get(at)).is_some_and(|(own, other)| Arc::ptr_eq(own, other))
    }

    /// Whether all of both is shared.
    pub fn shares_all(&self, other: &Self) -> bool {
        self.len() == other.len() && (0..self.len()).all(|at| self.shares(other, at))
    }
}

impl<T: Clone> List<T> {
    /// The first thing that `is_meant`, to change it.
    pub fn find_mut(&mut self, is_meant: impl Fn(&T) -> bool) -> Option<&mut T> {
        self.0.iter_mut().find(|thing| is_meant(thing)).map(Arc::make_mut)
    }

    /// One after the other; [`Arc::make_mut`] changes one.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Arc<T>> {
        self.0.iter_mut()
    }

    /// Takes out the thing at that place, which must exist.
    pub fn remove(&mut self, at: usize) -> T {
        Arc::unwrap_or_clone(self.0.remove(at))
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: PartialEq> PartialEq for List<T> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && (0..self.len()).all(|at| self.shares(other, at) || self.0[at] == other.0[at])
    }
}

impl<T> Index<usize> for List<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        &self.0[at]
    }
}

impl<T: Clone> IndexMut<usize> for List<T> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        Arc::make_mut(&mut self.0[at])
    }
}

impl<T> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(things: I) -> Self {
        Self(things.into_iter().map(Arc::new).collect())
    }
}

impl<'a, T> IntoIterator for &'a List<T> {
    type Item = &'a T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T: Clone> IntoIterator for List<T> {
    type Item = T;
    type IntoIter = std::iter::Map<std::vec::IntoIter<Arc<T>>, fn(Arc<T>) -> T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().map(Arc::unwrap_or_clone)
    }
}

impl<T: Serialize> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests;
