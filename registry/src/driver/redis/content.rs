//! What stands under a key, its digest, and the fact it makes.

use std::fmt;
use std::sync::Arc;

use model::{Check, Fact, FactKey, MAX_ENDPOINTS, Origin, Quarantined};
use sha1_smol::Sha1;

use super::names::{Meaning, shown};
use crate::format::{hipache, native, planb};

/// The longest list that is read: an identifier and the endpoints. The scripts hold the same number.
pub(super) const MAX_ENTRIES: usize = MAX_ENDPOINTS + 1;
/// The most octets that are read and digested. The scripts hold the same number: a digest must not depend on a node's
/// settings, or two nodes would number each other's readings for ever.
pub(super) const MAX_OCTETS: usize = 1024 * 1024;
/// From this use of memory on, as Redis counts it (pointers and slack included), a list is not even read.
pub(super) const MAX_MEMORY: i64 = 4 * 1024 * 1024 + 1024 * 1024;

/// What stands under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing.
    Absent,
    /// A list.
    List(Vec<Vec<u8>>),
    /// A string.
    Text(Vec<u8>),
    /// A hash: the values of planb's fields, in their order.
    Hash([Option<Vec<u8>>; 3]),
    /// A list of so many entries that it was not read.
    Many(usize),
    /// A list or a string so large that it was not read.
    Large,
    /// A value of some other type, by Redis' name of it.
    Other(String),
}

/// What a content says, short: SHA-1 over it, or what kept us from reading it. Empty: nothing is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digest(Box<str>);

impl Digest {
    pub(super) fn new(text: &str) -> Self {
        Self(text.into())
    }

    pub(super) fn is_absent(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a key's content makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// A fact.
    Fact(Arc<Fact>),
    /// planb's check: a part of the fact that hipache's list of its host states.
    Check(Arc<Check>),
    /// Something that cannot be one.
    Unusable(Quarantined),
}

impl Content {
    /// The digest; the same as `digest.lua` computes.
    pub(super) fn digest(&self) -> Digest {
        let mut sha = Sha1::new();
        match self {
            Self::Absent => return Digest::new(""),
            Self::Many(_) => return Digest::new("many"),
            Self::Large => return Digest::new("large"),
            Self::Other(kind) => return Digest::new(kind),
            Self::Text(text) if text.len() > MAX_OCTETS => return Digest::new("large"),
            Self::Text(text) => {
                sha.update(b"string\n");
                sha.update(text);
            }
            Self::Hash(fields) => {
                sha.update(b"hash\n");
                for field in fields {
                    match field {
                        Some(value) => update(&mut sha, value),
                        None => sha.update(b"-"),
                    }
                }
            }
            Self::List(entries) if entries.len() > MAX_ENTRIES => return Digest::new("many"),
            Self::List(entries) if octets(entries) > MAX_OCTETS => return Digest::new("large"),
            Self::List(entries) => {
                sha.update(b"list\n");
                entries.iter().for_each(|entry| update(&mut sha, entry));
            }
        }
        Digest(sha.digest().to_string().into())
    }

    /// About what it costs the store to digest it, in octets: entries are not free.
    pub(super) fn weight(&self) -> usize {
        const EACH: usize = 64;
        EACH + match self {
            Self::Absent | Self::Many(_) | Self::Large | Self::Other(_) => 0,
            Self::Text(text) => text.len(),
            Self::Hash(fields) => fields.iter().flatten().map(Vec::len).sum(),
            Self::List(entries) => octets(entries) + EACH * entries.len(),
        }
    }

    /// What this content of the key `raw` makes; `None` where nothing is there. `max_octets`: a larger value is set aside.
    pub(super) fn read(&self, raw: &[u8], meaning: &Meaning, max_octets: usize) -> Option<Reading> {
        let read = match (meaning, self) {
            (_, Self::Absent) | (Meaning::Other | Meaning::Dead(_), _) => return None,
            (Meaning::Junk(why), _) => Err(why.clone()),
            (Meaning::Check(_), content) => {
                let check = read_check(raw, content, max_octets);
                return Some(check.map_or_else(Reading::Unusable, |check| Reading::Check(Arc::new(check))));
            }
            (Meaning::Fact { .. }, Self::Large) => Err(too_large(raw, None)),
            (Meaning::Fact { .. }, Self::Many(entries)) => Err(hipache::too_many(entries.saturating_sub(1))),
            (Meaning::Fact { key, origin, .. }, content) => read_fact(raw, key, *origin, content, max_octets),
        };
        Some(read.map_or_else(Reading::Unusable, |fact| Reading::Fact(Arc::new(fact))))
    }
}

/// Octets, behind how many they are.
pub(super) fn update(sha: &mut Sha1, octets: &[u8]) {
    update_length(sha, octets.len());
    sha.update(octets);
}

/// A length, as it stands before what it is the length of.
pub(super) fn update_length(sha: &mut Sha1, length: usize) {
    let mut digits = [b':'; 24];
    let (mut at, mut rest) = (digits.len() - 1, length);
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    sha.update(&digits[at..]);
}

fn octets(entries: &[Vec<u8>]) -> usize {
    entries.iter().map(Vec::len).sum()
}

fn read_check(raw: &[u8], content: &Content, max_octets: usize) -> Result<Check, Quarantined> {
    match content {
        Content::Hash(fields) => {
            let octets = fields.iter().flatten().map(Vec::len).sum();
            if octets > max_octets {
                return Err(too_large(raw, Some((octets, max_octets))));
            }
            planb::read_check(fields.each_ref().map(Option::as_deref))
        }
        Content::Large | Content::Many(_) => Err(too_large(raw, None)),
        content => Err(Quarantined {
            reason: format!("the key holds a {}, not a hash", kind(content)).into(),
            remedy: format!("`DEL {}`, then `HSET` path, status and body", shown(raw)).into(),
        }),
    }
}

fn kind(content: &Content) -> &str {
    match content {
        Content::Other(kind) => kind,
        Content::Text(_) => "string",
        Content::Hash(_) => "hash",
        _ => "list",
    }
}

fn read_fact(
    raw: &[u8],
    key: &FactKey,
    origin: Origin,
    content: &Content,
    max_octets: usize,
) -> Result<Fact, Quarantined> {
    match (origin, content) {
        (Origin::Hipache, Content::List(entries)) if octets(entries) > max_octets => {
            Err(too_large(raw, Some((octets(entries), max_octets))))
        }
        (Origin::Hipache, Content::List(entries)) if let FactKey::Frontend { host, .. } = key => {
            hipache::read_list(host, entries).map(Fact::Frontend)
        }
        (Origin::Native, Content::Text(json)) if json.len() > max_octets => {
            Err(too_large(raw, Some((json.len(), max_octets))))
        }
        (Origin::Native, Content::Text(json)) => {
            let fact = native::read_fact(key.kind(), json)?;
            if fact.key() == *key {
                return Ok(fact);
            }
            Err(Quarantined {
                reason: format!("the JSON states {}, the key {key}", fact.key()).into(),
                remedy: "make the names in the JSON those of the key".into(),
            })
        }
        (_, content) => Err(wrong_type(raw, origin, content)),
    }
}

fn wrong_type(raw: &[u8], origin: Origin, content: &Content) -> Quarantined {
    let found = kind(content);
    let (wanted, write) = match origin {
        Origin::Hipache => ("list", "`RPUSH` an identifier and URLs"),
        Origin::Native => ("string", "`SET` the fact's JSON"),
    };
    Quarantined {
        reason: format!("the key holds a {found}, not a {wanted}").into(),
        remedy: format!("`DEL {}`, then {write}", shown(raw)).into(),
    }
}

fn too_large(raw: &[u8], sizes: Option<(usize, usize)>) -> Quarantined {
    let reason = match sizes {
        Some((octets, limit)) => format!("the value has {octets} octets, more than {limit}"),
        None => format!("the value has more than {MAX_OCTETS} octets"),
    };
    Quarantined {
        reason: reason.into(),
        remedy: format!("`DEL {}`, then write it smaller", shown(raw)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::redis::names::Names;

    fn check(raw: &str, content: Content, expected: &str) {
        let meaning = Names::new("").meaning(raw.as_bytes());
        let said = match content.read(raw.as_bytes(), &meaning, 100) {
            None => "nothing".to_owned(),
            Some(Reading::Fact(fact)) => fact.key().to_string(),
            Some(Reading::Check(_)) => "a check".to_owned(),
            Some(Reading::Unusable(why)) => format!("{}; {}", why.reason, why.remedy),
        };
        assert!(said.contains(expected), "{raw}: {said}");
    }

    fn list(entries: &[&str]) -> Content {
        Content::List(entries.iter().map(|e| e.as_bytes().to_vec()).collect())
    }

    #[test]
    fn a_content_is_a_fact_or_says_what_is_wrong_and_how_to_mend_it() {
        let json = |text: &str| Content::Text(text.as_bytes().to_vec());
        check("frontend:a", list(&["web", "http://b"]), "frontend:a");
        check("frontend:a", Content::Absent, "nothing");
        check("frontend:a", Content::Other("hash".into()), "holds a hash, not a list; `DEL frontend:a`");
        check("frontend:a", json("{}"), "holds a string, not a list");
        check("frontend:a", Content::Many(1026), "1025 endpoints");
        check("frontend:a", Content::Large, "more than 1048576 octets");
        check("frontend:a", list(&["web", &"x".repeat(100)]), "103 octets, more than 100");
        check("frontend:a b", list(&["web"]), "does not name a host");
        check("portico:frontend:a/x", json(r#"{"host":"a","path":"/x","endpoints":[]}"#), "frontend:a/x");
        check(
            "portico:frontend:a",
            json(r#"{"host":"b","endpoints":[]}"#),
            "states frontend:b, the key frontend:a",
        );
        check("portico:frontend:a", json("{"), "EOF");
        check("portico:frontend:a", list(&["web"]), "holds a list, not a string");
        let hash = |path: &str| Content::Hash([Some(path.as_bytes().to_vec()), None, None]);
        check("healthcheck:a", hash("/up"), "a check");
        check("healthcheck:a", hash("/a b"), "a check's path");
        check("healthcheck:a", hash(&"x".repeat(101)), "101 octets, more than 100");
        check("healthcheck:a", json("x"), "holds a string, not a hash; `DEL healthcheck:a`");
    }

    #[test]
    fn digests_tell_lists_apart_however_their_entries_are_cut() {
        assert_ne!(list(&["ab", "c"]).digest(), list(&["a", "bc"]).digest());
        assert_ne!(list(&["a"]).digest(), Content::Text(b"1:a".to_vec()).digest());
        assert_eq!(list(&["a"]).digest(), list(&["a"]).digest());
        assert!(Content::Absent.digest().is_absent());
    }
}
