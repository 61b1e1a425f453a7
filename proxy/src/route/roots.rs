//! A persistent hash map from the text of a host pattern to its route, made for millions of them.
//!
//! A tree of fixed height: 32 branches of 32 twigs of 32 leaves; a leaf has its routes in no order and beside them an octet of each
//! one's hash. A change copies one branch, one twig and one leaf (at a million routes some 100 pointers and 30 routes); everything
//! else is shared with the table before. A lookup hashes once, reaches the leaf by steps through memory that stays in the cache, finds
//! the octet (with SIMD) and compares the text: nearly always of one route. A route takes 25 octets and little more: no room is kept free.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::RandomState;
use memchr::memchr_iter;

use super::Route;
use super::index::text;

/// Branches of the tree, twigs of a branch and leaves of a twig.
const FAN_OUT: usize = 32;

/// Routes by the text of their host pattern; one for each text.
#[derive(Debug, Clone, Default)]
pub(super) struct Roots {
    branches: Node<Node<Node<Leaf>>>,
    hasher: RandomState,
}

/// Shared by all tables in which it is the same.
#[derive(Debug)]
struct Node<T>([Option<Arc<T>>; FAN_OUT]);

/// Routes whose hashes lead here, and of each of these one octet that did not.
#[derive(Debug, Clone, Default)]
struct Leaf {
    tags: Box<[u8]>,
    routes: Box<[Route]>,
}

/// Where a text stands.
struct Place {
    branch: usize,
    twig: usize,
    leaf: usize,
    tag: u8,
}

impl Roots {
    /// The route under `host`.
    #[inline]
    pub(super) fn get(&self, host: &str) -> Option<&Route> {
        let place = self.place(host);
        self.branches.get(place.branch)?.get(place.twig)?.get(place.leaf)?.get(place.tag, host)
    }

    /// All routes, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Route> {
        let twigs = self.branches.children().flat_map(Node::children);
        twigs.flat_map(Node::children).flat_map(|leaf| &leaf.routes)
    }

    /// The route takes the place of the one with the same text.
    pub(super) fn insert(&mut self, route: Route) {
        let place = self.place(name(&route));
        let twig = self.branches.entry(place.branch).entry(place.twig);
        twig.entry(place.leaf).insert(place.tag, route);
    }

    /// No route is left under `host`.
    pub(super) fn remove(&mut self, host: &str) {
        let place = self.place(host);
        self.branches.change(place.branch, |branch| {
            branch.change(place.twig, |twig| {
                twig.change(place.leaf, |leaf| leaf.remove(place.tag, host));
                twig.is_empty()
            });
            branch.is_empty()
        });
    }

    #[inline]
    fn place(&self, host: &str) -> Place {
        let hash = self.hasher.hash_one(host);
        let digit = |shift: u32| (hash >> shift) as usize % FAN_OUT;
        Place { branch: digit(40), twig: digit(45), leaf: digit(50), tag: hash as u8 }
    }
}

impl<T> Node<T> {
    #[inline]
    fn get(&self, at: usize) -> Option<&T> {
        self.0.get(at)?.as_deref()
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    fn children(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten().map(|child| &**child)
    }
}

impl<T: Clone + Default> Node<T> {
    /// What stands at `at`, made when nothing does; this tree's own.
    fn entry(&mut self, at: usize) -> &mut T {
        Arc::make_mut(self.0[at].get_or_insert_default())
    }

    /// Has what stands at `at` changed, and lets go of it when `change` says that nothing is left of it.
    fn change(&mut self, at: usize, change: impl FnOnce(&mut T) -> bool) {
        if let Some(child) = &mut self.0[at]
            && change(Arc::make_mut(child))
        {
            self.0[at] = None;
        }
    }
}

impl<T> Clone for Node<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self([const { None }; FAN_OUT])
    }
}

impl Leaf {
    #[inline]
    fn get(&self, tag: u8, host: &str) -> Option<&Route> {
        memchr_iter(tag, &self.tags).filter_map(|at| self.routes.get(at)).find(|route| name(route) == host)
    }

    fn position(&self, tag: u8, host: &str) -> Option<usize> {
        memchr_iter(tag, &self.tags).find(|&at| self.routes.get(at).is_some_and(|route| name(route) == host))
    }

    fn insert(&mut self, tag: u8, route: Route) {
        match self.position(tag, name(&route)) {
            Some(at) => self.routes[at] = route,
            None => self.edit(|tags, routes| {
                tags.reserve_exact(1);
                routes.reserve_exact(1);
                tags.push(tag);
                routes.push(route);
            }),
        }
    }

    /// True when nothing is left.
    fn remove(&mut self, tag: u8, host: &str) -> bool {
        if let Some(at) = self.position(tag, host) {
            self.edit(|tags, routes| {
                tags.swap_remove(at);
                routes.swap_remove(at);
            });
        }
        self.tags.is_empty()
    }

    /// Changes both lists, which have no room to spare before and after.
    fn edit(&mut self, edit: impl FnOnce(&mut Vec<u8>, &mut Vec<Route>)) {
        let mut tags = std::mem::take(&mut self.tags).into_vec();
        let mut routes = std::mem::take(&mut self.routes).into_vec();
        edit(&mut tags, &mut routes);
        (self.tags, self.routes) = (tags.into(), routes.into());
    }
}

fn name(route: &Route) -> &str {
    text(&route.frontend().host)
}
