//! The history, read from the capped stream.

use std::sync::Arc;

use model::{ChangeRecord, Revision};
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use redis::streams::{StreamId, StreamRangeReply};

use super::connect::octets;
use super::names::{Meaning, Names};
use super::number::{NOT_KNOWN, SET_ASIDE};
use super::plain::describe;
use crate::format::native;
use crate::{HistoryQuery, ReadError};

/// How many records are read at once.
const PAGE: usize = 500;

/// Reads the history, newest first.
pub(super) async fn read(
    connection: &mut MultiplexedConnection,
    names: &Names,
    query: &HistoryQuery,
) -> Result<Vec<ChangeRecord>, ReadError> {
    let mut records = Vec::new();
    let mut end = query.before.map_or_else(|| "+".to_owned(), |before| format!("({before}-0"));
    while records.len() < query.limit {
        // Of one fact only, most records are passed over, so pages stay large.
        let page = if query.key.is_some() { PAGE } else { PAGE.min(query.limit - records.len()) };
        let reply: StreamRangeReply = redis::cmd("XREVRANGE")
            .arg(&names.history)
            .arg(&end)
            .arg("-")
            .arg("COUNT")
            .arg(page)
            .query_async(connection)
            .await
            .map_err(|error| unread(&error, names))?;
        let full = reply.ids.len() == page;
        if let Some(last) = reply.ids.last() {
            end = format!("({}", last.id);
        }
        let understood = reply.ids.into_iter().filter_map(|entry| understand(entry, names));
        records.extend(understood.filter(|record| query.key.as_ref().is_none_or(|key| *key == record.key)));
        if !full {
            break;
        }
    }
    records.truncate(query.limit);
    Ok(records)
}

fn unread(error: &RedisError, names: &Names) -> ReadError {
    let key = &names.history;
    match error.code() {
        Some("WRONGTYPE") => ReadError::Damaged(format!("`{key}` holds no stream: `DEL {key}`")),
        _ => ReadError::Unavailable(describe(error)),
    }
}

/// A record; `None` for one of a key that can be no fact.
fn understand(entry: StreamId, names: &Names) -> Option<ChangeRecord> {
    let revision = entry.id.split('-').next()?.parse().ok()?;
    let field = |name: &str| entry.map.get(name).cloned().and_then(octets);
    let text = |name: &str| field(name).and_then(|octets| String::from_utf8(octets).ok());
    let (Meaning::Fact { key, .. } | Meaning::Check(key)) = names.meaning(&field("key")?) else {
        return None;
    };
    let fact = |name: &str| native::read_fact(key.kind(), &field(name)?).ok().map(Arc::new);
    Some(ChangeRecord {
        revision: Revision::new(revision),
        at_ms: text("at")?.parse().ok()?,
        who: text("who")?.into(),
        before: fact("before"),
        before_known: field("before").is_none_or(|before| before != NOT_KNOWN.as_bytes()),
        after: fact("after"),
        set_aside: field("after").is_some_and(|after| after == SET_ASIDE.as_bytes()),
        key,
    })
}
