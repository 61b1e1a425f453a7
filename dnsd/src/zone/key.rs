//! A name as octets whose plain order is the canonical one of names (RFC 4034 §6.1).
//!
//! Labels from the root down, in lower case, each ended by 0. So that a label may hold any octet, 0 and 1 in it are written as 1 1 and
//! 1 2, which keeps the order. A name is at or below another exactly when its key begins with the other's.

use model::{DomainName, MAX_NAME};

/// What the longest key takes: each octet of the name twice.
const MAX_KEY: usize = 2 * MAX_NAME;
/// The most labels of a name.
const MAX_LABELS: usize = MAX_NAME / 2;

/// The key of a name, and where in it each of its ancestors' keys ends.
pub(crate) struct Key {
    octets: [u8; MAX_KEY],
    /// The length of the key of the ancestor with so many labels.
    ends: [u16; MAX_LABELS + 1],
    depth: usize,
}

impl Key {
    pub(crate) fn of(name: &DomainName) -> Self {
        let wire = name.as_wire();
        let (mut starts, mut depth, mut start) = ([0_u8; MAX_LABELS], 0, 0);
        for (place, label) in starts.iter_mut().zip(name.labels()) {
            *place = u8::try_from(start).unwrap_or(u8::MAX);
            start += 1 + label.len();
            depth += 1;
        }
        let mut key = Self { octets: [0; MAX_KEY], ends: [0; MAX_LABELS + 1], depth };
        let mut at = 0;
        for (start, end) in starts[..depth].iter().rev().zip(&mut key.ends[1..]) {
            let start = usize::from(*start);
            for octet in &wire[start + 1..=start + usize::from(wire[start])] {
                let octet = octet.to_ascii_lowercase();
                if octet <= 1 {
                    key.octets[at] = 1;
                    at += 1;
                }
                key.octets[at] = octet + u8::from(octet <= 1);
                at += 1;
            }
            // What ends it is there already.
            at += 1;
            *end = u16::try_from(at).unwrap_or(u16::MAX);
        }
        key
    }

    /// How many labels the name has.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// The whole key.
    pub(crate) fn octets(&self) -> &[u8] {
        self.ancestor(self.depth)
    }

    /// The key of the ancestor with so many labels.
    pub(crate) fn ancestor(&self, depth: usize) -> &[u8] {
        &self.octets[..usize::from(self.ends[depth.min(self.depth)])]
    }

    /// How many labels, from the root down, this name has in common with the one of that key.
    pub(crate) fn shared(&self, other: &[u8]) -> usize {
        let alike = self.octets().iter().zip(other).take_while(|(mine, theirs)| mine == theirs).count();
        self.ends[1..=self.depth].iter().take_while(|end| usize::from(**end) <= alike).count()
    }
}

/// The name of a key, in lower case.
pub(super) fn name(key: &[u8]) -> DomainName {
    let mut labels: Vec<Vec<u8>> = Vec::new();
    for written in key.split(|octet| *octet == 0).filter(|label| !label.is_empty()) {
        let (mut label, mut octets) = (Vec::with_capacity(written.len()), written.iter());
        while let Some(&octet) = octets.next() {
            label.push(if octet == 1 { octets.next().map_or(0, |next| next - 1) } else { octet });
        }
        labels.push(label);
    }
    let name = labels.iter().try_fold(DomainName::root(), |name, label| name.child(label));
    // It was made of a name.
    name.unwrap_or_else(|_| DomainName::root())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names() -> impl Strategy<Value = DomainName> {
        let label = prop::collection::vec(prop_oneof![0_u8..4, Just(b'a'), Just(b'B')], 1..4);
        prop::collection::vec(label, 0..5).prop_map(|labels| {
            labels.iter().fold(DomainName::root(), |name, label| name.child(label).expect("short"))
        })
    }

    proptest! {
        #[test]
        fn keys_have_the_order_of_names_and_what_is_below_begins_with_it(a in names(), b in names()) {
            let (of_a, of_b) = (Key::of(&a), Key::of(&b));
            prop_assert_eq!(of_a.octets().cmp(of_b.octets()), a.cmp(&b));
            prop_assert!(name(of_a.octets()).same_spelling(&a.folded()));
            prop_assert_eq!(of_a.octets().starts_with(of_b.octets()), a.is_at_or_below(&b));
            let mut ancestor = a.clone();
            while !b.is_at_or_below(&ancestor) {
                ancestor = ancestor.parent().expect("the root is above all");
            }
            prop_assert_eq!(of_a.shared(of_b.octets()), ancestor.label_count());
            let of_both = Key::of(&ancestor);
            prop_assert_eq!(of_a.ancestor(ancestor.label_count()), of_both.octets());
        }
    }

    #[test]
    fn the_longest_names_have_a_key() {
        let one = DomainName::from_wire(&[[1, 0].repeat(127), vec![0]].concat()).expect("127 labels");
        assert_eq!((Key::of(&one).depth(), Key::of(&one).octets().len()), (127, 3 * 127));
        let long =
            [vec![63; 64], vec![63; 64], vec![63; 64], [vec![61], vec![1; 61], vec![0]].concat()].concat();
        let long = DomainName::from_wire(&long).expect("255 octets");
        assert_eq!(Key::of(&long).octets().len(), 3 * 64 + 123);
        let zeros = [vec![63], vec![0; 63]].concat().repeat(3);
        let zeros = [zeros, [vec![61], vec![0; 61], vec![0]].concat()].concat();
        let zeros = DomainName::from_wire(&zeros).expect("255 octets");
        assert_eq!(Key::of(&zeros).octets().len(), 2 * 250 + 4);
    }
}
