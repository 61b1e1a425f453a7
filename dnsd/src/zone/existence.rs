//! What a zone says of one name, before any alias is followed.

use model::{RecordSet, RecordType};

use super::key::Key;
use super::tree::{Node, Zone};

/// What stands at a name that is there because something is below it.
static EMPTY: Node = Node { sets: Vec::new(), weights: Vec::new() };

/// What stands at a name, or what stands in for it.
#[derive(Debug)]
pub(crate) enum Found<'z> {
    /// The name is there.
    Node(&'z Node),
    /// The name is there because something is below it (RFC 4592 §2.2.2).
    Empty,
    /// The name is not there, but a wildcard stands for it (RFC 4592 §3.3.1).
    Wildcard(&'z Node),
    /// The name is delegated: at it or above it is a zone cut (RFC 1034 §4.2.1).
    Cut(&'z RecordSet),
    /// The name is below one with a DNAME, which has so many labels (RFC 6672 §3.2).
    Dname(&'z RecordSet, usize),
    /// Neither it nor anything below it is there.
    Nothing,
}

impl Zone {
    /// What stands at the name of `key`, which is at or below the apex. `parent` asks for what stands above a cut at the name itself.
    pub(crate) fn look(&self, key: &Key, parent: bool) -> Found<'_> {
        if let Some(cut) = self.cut_of(key, parent) {
            return cut;
        }
        if let Some(node) = self.node(key.octets()) {
            return if node.sets().is_empty() { Found::Empty } else { Found::Node(node) };
        }
        let next = self.behind(key.octets()).next().map(|(next, _)| next);
        if next.is_some_and(|next| next.starts_with(key.octets())) {
            return Found::Empty;
        }
        if !self.has_wildcards() {
            return Found::Nothing;
        }
        // The closest encloser (RFC 4592 §3.3.1) is shared with one of the neighbours.
        let neighbours = next.into_iter().chain(self.before(key.octets()));
        let shared = neighbours.map(|neighbour| key.shared(neighbour)).fold(self.depth(), usize::max);
        self.wildcard_of(key.ancestor(shared))
    }

    /// The cut or DNAME that the name is behind. The highest one counts: what is below it is not ours, or not there.
    fn cut_of(&self, key: &Key, parent: bool) -> Option<Found<'_>> {
        if !self.has_cuts() {
            return None;
        }
        (self.depth()..=key.depth()).find_map(|depth| {
            let node = self.node(key.ancestor(depth))?;
            let (is_apex, is_itself) = (depth == self.depth(), depth == key.depth());
            let cut = node.get(RecordType::NS).filter(|_| !(is_apex || is_itself && parent)).map(Found::Cut);
            let dname = || node.get(RecordType::DNAME).filter(|_| !is_itself);
            cut.or_else(|| dname().map(|dname| Found::Dname(dname, depth)))
        })
    }

    /// The wildcard below the closest encloser.
    fn wildcard_of(&self, encloser: &[u8]) -> Found<'_> {
        let wildcard = [encloser, b"*\0"].concat();
        match self.behind(&wildcard).next() {
            Some((next, node)) if next == wildcard => Found::Wildcard(node),
            // It is there because something is below it, so it stands for the name and has no records.
            Some((next, _)) if next.starts_with(&wildcard) => Found::Wildcard(&EMPTY),
            _ => Found::Nothing,
        }
    }
}
