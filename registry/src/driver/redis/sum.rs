//! One digest over many lists, so that the store compares them all by a single one.

use sha1_smol::Sha1;

use super::content::{Content, update, update_length};
use super::number::{MAX_KEYS, MAX_WEIGHT};

/// SHA-1 over lists one after the other, as `number.lua` computes it. There is none where something else than a list is among
/// them, or more than one call of the script may hold.
#[derive(Default)]
pub(super) struct Sum {
    sha: Sha1,
    keys: usize,
    weight: usize,
    is_none: bool,
}

impl Sum {
    /// Adds what stands under one more key.
    pub(super) fn add(&mut self, content: &Content) {
        self.keys += 1;
        self.weight += content.weight();
        match content {
            Content::List(entries) if self.keys <= MAX_KEYS && self.weight <= MAX_WEIGHT => {
                update_length(&mut self.sha, entries.len());
                entries.iter().for_each(|entry| update(&mut self.sha, entry));
            }
            _ => self.is_none = true,
        }
    }

    /// The sum over so many keys; empty: none.
    pub(super) fn of(&self, keys: usize) -> String {
        if self.is_none || keys != self.keys || keys == 0 {
            String::new()
        } else {
            self.sha.digest().to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(contents: &[Content]) -> String {
        let mut sum = Sum::default();
        contents.iter().for_each(|content| sum.add(content));
        sum.of(contents.len())
    }

    fn list(entries: &[&str]) -> Content {
        Content::List(entries.iter().map(|entry| entry.as_bytes().to_vec()).collect())
    }

    #[test]
    fn lists_are_told_apart_however_they_are_cut() {
        let one = sum(&[list(&["ab", "c"]), list(&["d"])]);
        assert_eq!(one, sum(&[list(&["ab", "c"]), list(&["d"])]));
        for other in [[list(&["a", "bc"]), list(&["d"])], [list(&["ab"]), list(&["c", "d"])]] {
            assert_ne!(one, sum(&other));
        }
    }

    #[test]
    fn what_is_no_list_or_too_much_has_no_sum() {
        assert_eq!(sum(&[]), "");
        assert_eq!(sum(&[list(&["a"]), Content::Absent]), "");
        assert_eq!(sum(&[list(&["a"]), Content::Text(b"a".to_vec())]), "");
        assert_eq!(sum(&[list(&[&"x".repeat(MAX_WEIGHT)])]), "");
        assert_ne!(sum(&vec![list(&["a"]); MAX_KEYS]), "");
        assert_eq!(sum(&vec![list(&["a"]); MAX_KEYS + 1]), "");
    }
}
