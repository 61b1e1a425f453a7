//! A persistent hash table by names in wire form and lower case, made for lookups from cold memory.
//!
//! Shards of open tables: a lookup hashes once, and reads a shard's place, a group of tags, a pointer, and the name behind it. A change
//! copies one shard, the pointers of all shards, and nothing that they point to: values are shared, and a copy of one is a count.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// How many shards there are, a power of two: a shard of a million names has a thousand.
const SHARDS: usize = 1024;

/// What stands under a name that it knows itself.
pub(super) trait Named: Clone {
    /// The name, in wire form and lower case.
    fn name(&self) -> &[u8];
}

/// Values by name; one for each.
#[derive(Debug)]
pub(super) struct Table<V> {
    shards: Arc<[Arc<HashTable<V>>]>,
    hasher: RandomState,
}

impl<V> Clone for Table<V> {
    fn clone(&self) -> Self {
        Self { shards: Arc::clone(&self.shards), hasher: self.hasher.clone() }
    }
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        let empty = Arc::new(HashTable::new());
        Self { shards: vec![empty; SHARDS].into(), hasher: RandomState::default() }
    }
}

impl<V: Named> Table<V> {
    /// What stands under a name.
    #[inline]
    pub(super) fn get(&self, name: &[u8]) -> Option<&V> {
        let hash = self.hasher.hash_one(name);
        self.shards[shard(hash)].find(hash, |value| value.name() == name)
    }

    /// A value takes the place of the one with its name, which is returned.
    pub(super) fn insert(&mut self, value: V) -> Option<V> {
        let hash = self.hasher.hash_one(value.name());
        let before = self.remove(value.name());
        let hasher = &self.hasher;
        let shard = Arc::make_mut(&mut Arc::make_mut(&mut self.shards)[shard(hash)]);
        shard.insert_unique(hash, value, |value| hasher.hash_one(value.name()));
        before
    }

    /// Nothing stands under a name any more; what did is returned.
    pub(super) fn remove(&mut self, name: &[u8]) -> Option<V> {
        let hash = self.hasher.hash_one(name);
        let place = shard(hash);
        self.shards[place].find(hash, |value| value.name() == name)?;
        let shard = Arc::make_mut(&mut Arc::make_mut(&mut self.shards)[place]);
        let found = shard.find_entry(hash, |value| value.name() == name).ok()?;
        Some(found.remove().0)
    }

    /// All values, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &V> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }
}

/// The bits that the shard's own table does not look at first.
fn shard(hash: u64) -> usize {
    usize::try_from(hash >> 32).unwrap_or(0) % SHARDS
}

#[cfg(test)]
impl<V: Named + PartialEq> PartialEq for Table<V> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().count() == other.iter().count()
            && self.iter().all(|value| other.get(value.name()) == Some(value))
    }
}
