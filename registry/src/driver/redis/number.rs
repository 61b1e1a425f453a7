//! Numbering what foreign writers changed: once, by whichever node comes first.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};

use super::connect::octets;
use super::content::Digest;
use super::names::{Names, RawKey};
use super::scripts::NUMBER;

/// What the history says stood under a key before, when nobody saw it: no JSON of a fact looks like this.
pub(super) const NOT_KNOWN: &str = "?";

/// What the history says stands under a key when something is there and nobody can use it: no JSON of a fact looks like this.
pub(super) const SET_ASIDE: &str = "!";

/// The most keys that one call of the script numbers: a script stops the whole server.
pub(super) const MAX_KEYS: usize = 256;
/// The most that one call digests, in octets as [`Content::weight`](super::content::Content::weight) counts them; one key at least.
/// The script knows it, too.
pub(super) const MAX_WEIGHT: usize = 512 * 1024;

/// A change that this node saw and the store's books do not have.
#[derive(Debug)]
pub(super) struct Unnumbered<'a> {
    pub(super) key: &'a RawKey,
    /// Of what this node read.
    pub(super) digest: &'a Digest,
    /// What stood there before, as JSON; empty: nothing; [`NOT_KNOWN`]: nobody saw it.
    pub(super) before: String,
    /// What stands there now; empty: nothing; [`SET_ASIDE`]: nothing usable.
    pub(super) after: String,
    /// See [`MAX_WEIGHT`].
    pub(super) weight: usize,
}

/// What numbers are given by.
#[derive(Debug)]
pub(super) struct Terms<'a> {
    /// The counter goes on above this.
    pub(super) floor: u64,
    /// How many records the history keeps.
    pub(super) keep: usize,
    /// In whose name.
    pub(super) node: &'a str,
}

/// What the books say after numbering.
#[derive(Debug)]
pub(super) struct Numbered {
    /// The counter before. Higher than expected: others numbered something in between.
    pub(super) first: u64,
    /// The counter after.
    pub(super) last: u64,
    /// For each key, the revision of what this node read; `None`: it says something else by now.
    pub(super) keys: Vec<Option<u64>>,
}

/// Numbers `changes`; without any, only sees to it that the counter is not below the floor. `sum`: over all of them, or empty.
/// As many calls of the script as keep each of them short: each is atomic, and no more has to be.
pub(super) async fn number(
    connection: &mut MultiplexedConnection,
    names: &Names,
    terms: &Terms<'_>,
    changes: &[Unnumbered<'_>],
    sum: &str,
) -> Result<Numbered, RedisError> {
    let (now, mut rest) = changes.split_at(slice(changes));
    let sum = if rest.is_empty() { sum } else { "" };
    let mut numbered = number_slice(connection, names, terms, now, sum).await?;
    while !rest.is_empty() {
        let now;
        (now, rest) = rest.split_at(slice(rest));
        let more = number_slice(connection, names, terms, now, "").await?;
        numbered.last = more.last;
        numbered.keys.extend(more.keys);
    }
    Ok(numbered)
}

/// How many of `changes` one call may number.
fn slice(changes: &[Unnumbered<'_>]) -> usize {
    let mut weight = 0;
    let fits = |change: &&Unnumbered<'_>| {
        weight += change.weight;
        weight <= MAX_WEIGHT
    };
    changes.iter().take(MAX_KEYS).take_while(fits).count().max(1).min(changes.len())
}

async fn number_slice(
    connection: &mut MultiplexedConnection,
    names: &Names,
    terms: &Terms<'_>,
    changes: &[Unnumbered<'_>],
    sum: &str,
) -> Result<Numbered, RedisError> {
    let mut call = NUMBER.prepare_invoke();
    call.key(&names.revision).key(&names.revisions).key(&names.history);
    call.arg(&names.lists).arg(terms.floor).arg(now_ms()).arg(terms.keep).arg(&names.changes).arg(terms.node);
    call.arg(sum);
    for change in changes {
        call.key(&**change.key).arg(change.digest.as_str()).arg(&change.before).arg(&change.after);
    }
    let replies = call.invoke_async::<Vec<Value>>(connection).await?;
    let is_short = replies.len() == 2;
    let mut replies = replies.into_iter();
    let mut next = || replies.next().and_then(octets).and_then(|octets| String::from_utf8(octets).ok());
    let mut digits = || next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
    let (first, last): (u64, u64) = (digits(), digits());
    let keys = if is_short {
        // All were numbered just now, one after the other.
        let count = u64::try_from(changes.len()).unwrap_or(u64::MAX);
        (last.saturating_sub(count) + 1..).take(changes.len()).map(Some).collect()
    } else {
        let of_each = changes.iter().map(|change| {
            let is_as_read = next().is_some_and(|digest| digest == change.digest.as_str());
            let revision = next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
            is_as_read.then_some(revision)
        });
        of_each.collect()
    };
    Ok(Numbered { first, last, keys })
}

/// A fact as the history keeps it.
pub(super) use crate::format::native::write_fact as document;

/// The time, for the history.
pub(super) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::redis::content::Content;

    #[test]
    fn the_script_weighs_by_the_same_numbers() {
        // Of what is not there, the weight is that of any entry.
        let known = format!("local MAX_WEIGHT, EACH = {MAX_WEIGHT}, {}\n", Content::Absent.weight());
        assert!(include_str!("lua/number.lua").contains(&known), "{known}");
    }
}
