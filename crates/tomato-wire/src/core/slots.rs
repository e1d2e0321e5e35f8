//! Things with a key and a place that stays.

use std::collections::BTreeMap;

/// Things with a key and a place that stays.
#[derive(Debug)]
pub(super) struct Slots<T> {
    places: Vec<Option<T>>,
    free: Vec<usize>,
    by_key: BTreeMap<String, usize>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new(), by_key: BTreeMap::new() }
    }
}

impl<T> Slots<T> {
    pub(super) fn keys(&self) -> Vec<String> {
        self.by_key.keys().cloned().collect()
    }

    pub(super) fn position(&self, key: &str) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    pub(super) fn find(&self, key: &str) -> Option<(usize, &T)> {
        let id = self.position(key)?;
        Some((id, self.get(id)?))
    }

    pub(super) fn get(&self, id: usize) -> Option<&T> {
        self.places.get(id)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: usize) -> Option<&mut T> {
        self.places.get_mut(id)?.as_mut()
    }

    pub(super) fn insert(&mut self, key: &str, value: T) -> usize {
        let id = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        self.places[id] = Some(value);
        self.by_key.insert(key.to_owned(), id);
        id
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<(usize, T)> {
        let id = self.by_key.remove(key)?;
        let value = self.places[id].take()?;
        self.free.push(id);
        Some((id, value))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, usize, &T)> {
        self.by_key.iter().filter_map(|(key, &id)| Some((key.as_str(), id, self.get(id)?)))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, usize, &mut T)> {
        let mut keys: Vec<Option<&str>> = vec![None; self.places.len()];
        for (key, &id) in &self.by_key {
            keys[id] = Some(key);
        }
        let places = self.places.iter_mut().enumerate();
        places.filter_map(move |(id, place)| Some((keys[id]?, id, place.as_mut()?)))
    }
}
