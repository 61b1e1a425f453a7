//! Numbering what foreign writers changed: once, by whichever node comes first.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::Fact;
use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};

use super::connect::octets;
use super::content::Digest;
use super::names::{Names, RawKey};
use super::scripts::NUMBER;
use crate::format::native;

/// What the history says stood under a key before, when nobody saw it: no JSON of a fact looks like this.
pub(super) const NOT_KNOWN: &str = "?";

/// What the history says stands under a key when something is there and nobody can use it: no JSON of a fact looks like this.
pub(super) const SET_ASIDE: &str = "!";

/// A change that this node saw and the store's books do not have.
#[derive(Debug)]
pub(super) struct Unnumbered {
    pub(super) key: RawKey,
    /// What stood there before, as JSON; empty: nothing; [`NOT_KNOWN`]: nobody saw it.
    pub(super) before: String,
    /// What stands there now; empty: nothing; [`SET_ASIDE`]: nothing usable.
    pub(super) after: String,
}

/// What the books say after numbering.
#[derive(Debug)]
pub(super) struct Numbered {
    /// The counter before. Higher than expected: others numbered something in between.
    pub(super) first: u64,
    /// The counter after.
    pub(super) last: u64,
    /// For each key, what it says now and the revision of that.
    pub(super) keys: Vec<(Digest, u64)>,
}

/// Numbers `changes` in the name of `node`; without any, only sees to it that the counter is not below `floor`.
pub(super) async fn number(
    connection: &mut MultiplexedConnection,
    names: &Names,
    floor: u64,
    keep: usize,
    node: &str,
    changes: &[Unnumbered],
) -> Result<Numbered, RedisError> {
    let mut call = NUMBER.prepare_invoke();
    call.key(&names.revision).key(&names.revisions).key(&names.history);
    call.arg(&names.lists).arg(floor).arg(now_ms()).arg(keep).arg(&names.changes).arg(node);
    for change in changes {
        call.key(&*change.key).arg(&change.before).arg(&change.after);
    }
    let mut replies = call.invoke_async::<Vec<Value>>(connection).await?.into_iter();
    let mut next = || replies.next().and_then(octets).and_then(|octets| String::from_utf8(octets).ok());
    let mut digits = || next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
    let (first, last) = (digits(), digits());
    let mut keys = Vec::with_capacity(changes.len());
    for _ in changes {
        let digest = Digest::new(&next().unwrap_or_default());
        let revision = next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
        keys.push((digest, revision));
    }
    Ok(Numbered { first, last, keys })
}

/// A fact as the history keeps it.
pub(super) fn document(fact: &Fact) -> String {
    let Fact::Frontend(frontend) = fact;
    native::write_frontend(frontend)
}

/// The time, for the history.
pub(super) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
