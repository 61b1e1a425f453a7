//! Keys that were read, made sense of: what each states, and whether the store's books have that already.
//!
//! In: keys. Out: a [`Looked`]. Never here: anything of a session, so that reading may run ahead of taking in.

use model::Revision;
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tokio::time::Instant;

use super::content::Digest;
use super::known::Entry;
use super::look::look;
use super::names::{Meaning, Names, RawKey};
use super::sum::Sum;

/// What was read of some keys.
pub(super) struct Looked {
    /// Where the counter stood, or later, when they were read.
    pub(super) counter: u64,
    pub(super) candidates: Vec<Candidate>,
    /// Over all candidates that the books do not have.
    pub(super) sum: Sum,
}

/// What was read of one key.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) key: RawKey,
    pub(super) meaning: Meaning,
    pub(super) digest: Digest,
    /// Its revision is filled in when it is known. `None`: nothing is there.
    pub(super) entry: Option<Entry>,
    /// The revision that the books give to just this; 0: nothing is there, and nothing ever was. `None`: they do not have it.
    pub(super) recorded: Option<u64>,
    /// About what it costs the store to digest it once more, in octets.
    pub(super) weight: usize,
}

/// Reads `keys`. A value of more than `max_octets` is set aside.
pub(super) async fn look_at(
    connection: &mut MultiplexedConnection,
    names: &Names,
    max_octets: usize,
    keys: Vec<RawKey>,
) -> Result<Looked, RedisError> {
    let (counter, looks) = look(connection, names, &keys).await?;
    let mut candidates = Vec::with_capacity(keys.len());
    let mut sum = Sum::default();
    for (key, look) in keys.into_iter().zip(looks) {
        let (meaning, digest) = (names.meaning(&key), look.content.digest());
        let recorded = match look.recorded {
            Some((revision, recorded)) => (recorded == digest).then_some(revision),
            None => digest.is_absent().then_some(0),
        };
        if recorded.is_none() {
            sum.add(&look.content);
        }
        let reading = look.content.read(&key, &meaning, max_octets);
        let ends = look.ttl.map(|ttl| Instant::now() + ttl);
        let entry =
            reading.map(|reading| Entry { digest: digest.clone(), revision: Revision::ZERO, reading, ends });
        candidates.push(Candidate { key, meaning, digest, entry, recorded, weight: look.content.weight() });
    }
    Ok(Looked { counter, candidates, sum })
}
