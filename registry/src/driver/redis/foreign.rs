//! One look at a Redis that is not our registry: what an import reads. Plain read commands only; nothing is written there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use model::{Change, Fact, Quarantined, Revision};
use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult, Value};

use super::connect::{connect_writer, octets};
use super::content::MAX_OCTETS;
use super::known::{Entry, Known};
use super::look::look;
use super::names::{Meaning, Names, RawKey, shown};
use super::place::Place;
use super::plain::describe;
use super::sentinel;
use super::settle::BATCH;
use crate::ReadError;
use crate::format::traefik;
use crate::import::Gathered;

/// The most keys an import takes in.
const MAX_KEYS: usize = 200_000;
/// How many keys one step of the scan asks for.
const SCAN: usize = 1000;
/// The most octets of texts that are held at once.
const MAX_TEXTS: usize = 64 << 20;

/// planb's keys beside its lists, and why they are passed over. Dead marks are passed over, too: they are of the moment.
const BESIDE: [(&str, &str); 1] = [("tls:", "certificates are not imported yet")];

/// Connects to the place, wherever its sentinels say that it is.
async fn connect(place: &Place, timeout: Duration) -> Result<MultiplexedConnection, ReadError> {
    let failed = |why: String| ReadError::Unavailable(format!("{place}: {why}"));
    let server = sentinel::find(&place.read, timeout).await.map_err(|stop| failed(stop.to_string()))?;
    connect_writer(&server, timeout).await.map_err(|error| failed(describe(&error)))
}

/// Reads hipache's and planb's lists, and portico's JSON beside them.
pub(crate) async fn read_frontends(place: &Place, timeout: Duration) -> Result<Gathered, ReadError> {
    let failed = |error: RedisError| ReadError::Unavailable(format!("{place}: {}", describe(&error)));
    let mut connection = connect(place, timeout).await?;
    let names = Names::new(&place.prefix);
    let mut gathered = Gathered::default();
    let mut ours = BTreeSet::new();
    let beside = |key: &[u8]| {
        let rest = key.strip_prefix(place.prefix.as_bytes()).unwrap_or_default();
        BESIDE.iter().find(|(start, _)| rest.starts_with(start.as_bytes())).map(|(_, reason)| *reason)
    };
    let is_route = |key: &[u8]| {
        matches!(names.meaning(key), Meaning::Fact { .. } | Meaning::Junk(_) | Meaning::Check(_))
    };
    let about_routes = |key: &[u8]| is_route(key) || beside(key).is_some();
    for key in scan(&mut connection, place, &place.prefix, about_routes).await? {
        match beside(&key) {
            Some(reason) => gathered.ignore(shown(&key), aside(reason, "keep the key: nothing changes it")),
            None => drop(ours.insert(key)),
        }
    }
    let known = read_known(&mut connection, &names, ours).await.map_err(failed)?;
    for change in known.statement() {
        match change {
            Change::Put(stated) => {
                gathered.add(&stated.fact.key().to_string(), Fact::clone(&stated.fact));
            }
            Change::Quarantine(key, why) => gathered.refuse(key, why),
            Change::Remove(_) | Change::Release(_) => {}
        }
    }
    Ok(gathered)
}

/// What the keys state, as the driver itself reads them: native wins over lists, one bad key is one bad key.
async fn read_known(
    connection: &mut MultiplexedConnection,
    names: &Names,
    keys: BTreeSet<RawKey>,
) -> Result<Known, RedisError> {
    let keys: Vec<RawKey> = keys.into_iter().collect();
    let mut known = Known::default();
    for batch in keys.chunks(BATCH) {
        let (_, looks) = look(connection, names, batch).await?;
        for (key, look) in batch.iter().zip(looks) {
            let digest = look.content.digest();
            let reading = look.content.read(key, &names.meaning(key), MAX_OCTETS);
            let entry =
                reading.map(|reading| Entry { digest, revision: Revision::ZERO, reading, ends: None });
            known.take(names, key, entry, Revision::ZERO, &mut Vec::new());
        }
    }
    Ok(known)
}

/// Reads the texts below [`traefik::ROOT`], behind the place's prefix.
pub(crate) async fn read_texts(
    place: &Place,
    timeout: Duration,
) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
    let failed = |error: RedisError| ReadError::Unavailable(format!("{place}: {}", describe(&error)));
    let mut connection = connect(place, timeout).await?;
    let root = format!("{}{}", place.prefix, traefik::ROOT);
    let keys: Vec<RawKey> = scan(&mut connection, place, &root, |_| true).await?.into_iter().collect();
    let (mut texts, mut held) = (Vec::new(), 0);
    for batch in keys.chunks(BATCH) {
        let mut pipeline = redis::pipe();
        for key in batch {
            pipeline.cmd("GETRANGE").arg(&**key).arg(0).arg(MAX_OCTETS);
        }
        let replies: Vec<RedisResult<Value>> =
            pipeline.ignore_errors().query_async(&mut connection).await.map_err(failed)?;
        for (key, reply) in batch.iter().zip(replies) {
            let name = String::from_utf8_lossy(key.strip_prefix(place.prefix.as_bytes()).unwrap_or_default());
            // What is no string is told apart by a value that no text has.
            let text = reply.ok().and_then(octets).unwrap_or_else(|| vec![0xff]);
            held += name.len() + text.len();
            texts.push((name.into_owned(), text));
        }
        if held > MAX_TEXTS {
            let why = format!("{place} holds more than {MAX_TEXTS} octets below `{root}`");
            return Err(ReadError::Unavailable(why));
        }
    }
    Ok(texts)
}

/// The keys that begin with `start` and are wanted.
async fn scan(
    connection: &mut MultiplexedConnection,
    place: &Place,
    start: &str,
    wanted: impl Fn(&[u8]) -> bool,
) -> Result<BTreeSet<RawKey>, ReadError> {
    let (mut keys, mut cursor) = (BTreeSet::new(), 0_u64);
    loop {
        let step: Result<(u64, Vec<Value>), RedisError> = redis::cmd("SCAN")
            .arg(cursor)
            .arg("MATCH")
            .arg(format!("{}*", super::names::escape_glob(start)))
            .arg("COUNT")
            .arg(SCAN)
            .query_async(connection)
            .await;
        let (next, found) =
            step.map_err(|error| ReadError::Unavailable(format!("{place}: {}", describe(&error))))?;
        let found = found.into_iter().filter_map(octets).filter(|key| wanted(key));
        keys.extend(found.map(Arc::<[u8]>::from));
        if keys.len() > MAX_KEYS {
            return Err(ReadError::Unavailable(format!("{place} has more than {MAX_KEYS} keys to import")));
        }
        cursor = next;
        if cursor == 0 {
            return Ok(keys);
        }
    }
}

fn aside(reason: &str, remedy: &str) -> Quarantined {
    Quarantined { reason: reason.into(), remedy: remedy.into() }
}
