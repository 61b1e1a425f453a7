//! A persistent hash map from the text of a host pattern to its route, made for millions of them.
//!
//! A tree of fixed height: 64 branches of 64 leaves, each leaf a hash table. A change copies one branch and one leaf (at a
//! million routes some 250 pointers); everything else is shared with the table before. A lookup hashes once and reaches the
//! leaf by two steps through memory that stays in the cache; the leaf costs nine octets an entry and its share of free room.
//! Measured with a million frontends: imbl's hash map took three times the memory and a cold lookup 1.6 times as long.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashTable;

use super::Route;
use super::index::text;

/// Branches of the tree, and leaves of a branch.
const FAN_OUT: usize = 64;

/// Routes by the text of their host pattern; one for each text.
#[derive(Debug, Clone)]
pub(super) struct Roots {
    branches: Box<[Option<Arc<Branch>>; FAN_OUT]>,
    hasher: RandomState,
}

type Branch = [Option<Arc<Leaf>>; FAN_OUT];
type Leaf = HashTable<Arc<Route>>;

impl Default for Roots {
    fn default() -> Self {
        Self { branches: Box::new([const { None }; FAN_OUT]), hasher: RandomState::default() }
    }
}

impl Roots {
    /// The route under `host`.
    #[inline]
    pub(super) fn get(&self, host: &str) -> Option<&Arc<Route>> {
        let hash = self.hasher.hash_one(host);
        let (branch, leaf) = place(hash);
        let leaf = self.branches[branch].as_deref()?[leaf].as_deref()?;
        leaf.find(hash, |route| name(route) == host)
    }

    /// The route takes the place of the one with the same text.
    pub(super) fn insert(&mut self, route: Arc<Route>) {
        let hasher = &self.hasher;
        let hash = hasher.hash_one(name(&route));
        let (branch, leaf) = place(hash);
        let empty = || Arc::new([const { None }; FAN_OUT]);
        let branch = Arc::make_mut(self.branches[branch].get_or_insert_with(empty));
        let leaf = Arc::make_mut(branch[leaf].get_or_insert_default());
        let entry =
            leaf.entry(hash, |other| name(other) == name(&route), |other| hasher.hash_one(name(other)));
        entry.insert(route);
    }

    /// No route is left under `host`.
    pub(super) fn remove(&mut self, host: &str) {
        let hasher = &self.hasher;
        let hash = hasher.hash_one(host);
        let (branch, leaf_at) = place(hash);
        let slot = &mut self.branches[branch];
        let Some(branch) = slot.as_mut().map(Arc::make_mut) else { return };
        let Some(leaf) = branch[leaf_at].as_mut().map(Arc::make_mut) else { return };
        if let Ok(entry) = leaf.find_entry(hash, |route| name(route) == host) {
            entry.remove();
        }
        if leaf.len() < leaf.capacity() / 8 {
            leaf.shrink_to_fit(|route| hasher.hash_one(name(route)));
        }
        if leaf.is_empty() {
            branch[leaf_at] = None;
            if branch.iter().all(Option::is_none) {
                *slot = None;
            }
        }
    }
}

/// Which branch and which of its leaves: bits that the leaf's own table does not choose its slots by (it uses the lowest
/// for the place and the highest seven for the tag).
fn place(hash: u64) -> (usize, usize) {
    let digit = |shift: u32| (hash >> shift) as usize % FAN_OUT;
    (digit(40), digit(46))
}

fn name(route: &Route) -> &str {
    text(&route.frontend().host)
}
