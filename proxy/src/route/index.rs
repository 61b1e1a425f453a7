//! From the text of a host pattern to its routes: persistent maps that share what a change does not touch.

use std::borrow::Borrow;
use std::cmp::Ordering;

use foldhash::quality::RandomState;
use imbl::shared_ptr::DefaultSharedPtr;
use imbl::{GenericHashMap, OrdSet};
use memchr::memrchr;
use model::{HostPattern, PathPrefix};

use super::Route;
use super::roots::Roots;

/// The routes of one kind of host pattern, by its text.
///
/// Nearly every frontend has the path `/`, so those stand in a map of their own, made for millions; the paths of hosts
/// that have some are looked at only when any host has.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    roots: Roots,
    paths: GenericHashMap<Box<str>, Paths, RandomState, DefaultSharedPtr>,
}

impl Index {
    /// The route that takes `path` (canonical, without query) among those of the pattern with this text.
    #[inline]
    pub(super) fn find(&self, text: &str, path: &[u8]) -> Option<&Route> {
        self.find_below_root(text, path).or_else(|| self.roots.get(text))
    }

    /// The route with exactly this path prefix.
    pub(super) fn get(&self, text: &str, path: &PathPrefix) -> Option<&Route> {
        if path.is_root() {
            self.roots.get(text)
        } else {
            self.paths.get(text)?.get(path.as_str().as_bytes())
        }
    }

    /// All routes of the pattern with this text, the root path last.
    pub(super) fn all(&self, text: &str) -> impl Iterator<Item = &Route> {
        let below_root =
            self.paths.get(text).into_iter().flat_map(|paths| paths.by_path.iter().map(|by| &by.0));
        below_root.chain(self.roots.get(text))
    }

    /// All routes of all patterns, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Route> {
        let below_root = self.paths.values().flat_map(|paths| paths.by_path.iter().map(|by| &by.0));
        self.roots.iter().chain(below_root)
    }

    /// The route takes the place of the one with the same pattern and path.
    pub(super) fn insert(&mut self, route: Route) {
        if route.frontend().path.is_root() {
            self.roots.insert(route);
            return;
        }
        let text = text(&route.frontend().host);
        let mut paths = self.paths.get(text).cloned().unwrap_or_default();
        let text = text.into();
        paths.longest = paths.longest.max(route.frontend().path.as_str().len());
        paths.by_path.insert(ByPath(route));
        self.paths.insert(text, paths);
    }

    /// No route of this pattern and path is left.
    pub(super) fn remove(&mut self, text: &str, path: &PathPrefix) {
        if path.is_root() {
            self.roots.remove(text);
            return;
        }
        let Some(paths) = self.paths.get_mut(text) else { return };
        paths.by_path.remove(path.as_str().as_bytes());
        if paths.by_path.is_empty() {
            self.paths.remove(text);
        }
    }

    fn find_below_root(&self, text: &str, path: &[u8]) -> Option<&Route> {
        if self.paths.is_empty() {
            return None;
        }
        self.paths.get(text)?.find(path)
    }
}

/// The text that a pattern is filed under; `*` is the suffix that leaves nothing.
pub(super) fn text(pattern: &HostPattern) -> &str {
    match pattern {
        HostPattern::Any => "",
        HostPattern::Suffix(text) | HostPattern::Exact(text) | HostPattern::OnPort(text) => text,
    }
}

/// The routes of one pattern below `/`, by their path prefix.
#[derive(Debug, Clone, Default)]
struct Paths {
    by_path: OrdSet<ByPath>,
    /// No prefix is longer, so that a long path costs no more than the prefixes deserve. Does not shrink.
    longest: usize,
}

impl Paths {
    fn get(&self, prefix: &[u8]) -> Option<&Route> {
        self.by_path.get(prefix).map(|by_path| &by_path.0)
    }

    /// The longest prefix that covers `path`: asks for every beginning of it that ends at a segment's end.
    fn find(&self, path: &[u8]) -> Option<&Route> {
        let mut end =
            if path.len() <= self.longest { path.len() } else { memrchr(b'/', path.get(..=self.longest)?)? };
        while end > 0 {
            let beginning = path.get(..end)?;
            if let Some(route) = self.get(beginning) {
                return Some(route);
            }
            end = memrchr(b'/', beginning)?;
        }
        None
    }
}

/// A route, filed under its path prefix.
#[derive(Debug, Clone)]
struct ByPath(Route);

impl Borrow<[u8]> for ByPath {
    fn borrow(&self) -> &[u8] {
        self.0.frontend().path.as_str().as_bytes()
    }
}

impl Ord for ByPath {
    fn cmp(&self, other: &Self) -> Ordering {
        Borrow::<[u8]>::borrow(self).cmp(Borrow::<[u8]>::borrow(other))
    }
}

impl PartialOrd for ByPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByPath {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ByPath {}
