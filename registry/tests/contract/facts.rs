//! Facts and writes, in few words.

use model::{Fact, FactKey, FactKind, Revision};
use registry::format::native;
use registry::{Edit, Expected, Write};

/// A frontend from its native JSON.
pub(crate) fn frontend(json: &str) -> Fact {
    Fact::Frontend(native::read_frontend(json.as_bytes()).unwrap())
}

/// A fact of any kind, as `service {"name":"web"}`.
pub(crate) fn fact(text: &str) -> Fact {
    let (kind, json) = text.split_once(' ').unwrap();
    let kind = FactKind::ALL.into_iter().find(|known| known.name() == kind).unwrap();
    native::read_fact(kind, json.as_bytes()).unwrap()
}

/// A frontend of one endpoint, as hipache could write it.
pub(crate) fn plain(host: &str, endpoint: &str) -> Fact {
    frontend(&format!(r#"{{"host":"{host}","endpoints":["http://{endpoint}"]}}"#))
}

pub(crate) fn key(text: &str) -> FactKey {
    FactKey::parse(&format!("frontend:{text}")).unwrap()
}

pub(crate) fn put(fact: Fact, expected: Expected) -> Edit {
    Edit { key: fact.key(), fact: Some(fact), expected }
}

pub(crate) fn remove(host: &str, expected: Expected) -> Edit {
    Edit { key: key(host), fact: None, expected }
}

/// A key of any kind.
pub(crate) fn key_of(text: &str) -> FactKey {
    FactKey::parse(text).unwrap()
}

pub(crate) fn removal(key: &str, expected: Expected) -> Edit {
    Edit { key: key_of(key), fact: None, expected }
}

pub(crate) fn write(edits: impl IntoIterator<Item = Edit>) -> Write {
    Write { who: "test".to_owned(), edits: edits.into_iter().collect(), guards: Vec::new() }
}

pub(crate) fn at(revision: u64) -> Expected {
    Expected::At(Revision::new(revision))
}
