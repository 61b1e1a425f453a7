//! Reading keys: their content, within limits, and what the store's books say of them.
//!
//! In: keys. Out: a [`Look`] for each. Plain read commands only, so that a replica, or a user who may only read, is enough.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError, RedisResult, Value};

use super::connect::octets;
use super::content::{Content, Digest, MAX_ENTRIES, MAX_MEMORY, MAX_OCTETS};
use super::names::{Names, RawKey};
use super::settle::refuses;
use crate::format::planb::FIELDS;

/// What was found under a key.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) content: Content,
    /// What the store's books say: the revision of the last change anyone numbered, and the digest it had then.
    pub(super) recorded: Option<(u64, Digest)>,
    /// How long it will stay by itself.
    pub(super) ttl: Option<Duration>,
}

/// Looks at `keys` and at the counter. The counter is read first, so what is found is at that revision or later.
pub(super) async fn look(
    connection: &mut MultiplexedConnection,
    names: &Names,
    keys: &[RawKey],
) -> Result<(u64, Vec<Look>), RedisError> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("GET").arg(&names.revision);
    if !keys.is_empty() {
        let books = pipeline.cmd("HMGET").arg(&names.revisions);
        keys.iter().for_each(|key| {
            books.arg(&**key);
        });
    }
    for key in keys {
        pipeline.cmd("PTTL").arg(&**key);
        if key.starts_with(&names.checks) {
            pipeline.cmd("HLEN").arg(&**key);
            for field in FIELDS {
                pipeline.cmd("HSTRLEN").arg(&**key).arg(field);
            }
        } else if key.starts_with(&names.lists) {
            pipeline.cmd("LLEN").arg(&**key);
            pipeline.cmd("MEMORY").arg("USAGE").arg(&**key).arg("SAMPLES").arg(0);
        } else {
            pipeline.cmd("STRLEN").arg(&**key);
        }
    }
    let mut replies = ask(connection, &mut pipeline).await?.into_iter();
    let counter = counter(replies.next());
    let mut books = if keys.is_empty() { Vec::new() } else { recorded(replies.next()) }.into_iter();
    let mut sizes = Vec::with_capacity(keys.len());
    for key in keys {
        let ttl = integer(replies.next()).and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
        let length = replies.next();
        if key.starts_with(&names.checks) {
            let fields = FIELDS.map(|_| integer(replies.next()));
            sizes.push((ttl, size_of_check(length, fields)?));
            continue;
        }
        let is_list = key.starts_with(&names.lists);
        let memory = if is_list { integer(replies.next()) } else { None };
        sizes.push((ttl, size(length, is_list, memory)?));
    }
    let contents = read(connection, names, keys, &sizes).await?;
    let looks = sizes.into_iter().zip(contents).map(|((ttl, _), content)| Look {
        content,
        recorded: books.next().flatten(),
        ttl,
    });
    Ok((counter, looks.collect()))
}

/// What is known of a key's content before it is read.
enum Size {
    Fits,
    Many(usize),
    Large,
    WrongType,
    /// Nothing, or nothing that this user may read.
    Nothing,
}

/// A check that this user may not read is none: routes do not hang on it.
fn size_of_check(length: Option<RedisResult<Value>>, fields: [Option<i64>; 3]) -> Result<Size, RedisError> {
    let most = i64::try_from(MAX_OCTETS).unwrap_or(i64::MAX);
    Ok(match length {
        Some(Err(error)) if error.code() == Some("WRONGTYPE") => Size::WrongType,
        Some(Err(error)) if refuses(&error) => Size::Nothing,
        Some(Err(error)) => return Err(error),
        Some(Ok(Value::Int(1..))) if fields.iter().flatten().any(|length| *length > most) => Size::Large,
        Some(Ok(Value::Int(1..))) => Size::Fits,
        _ => Size::Nothing,
    })
}

fn size(length: Option<RedisResult<Value>>, is_list: bool, memory: Option<i64>) -> Result<Size, RedisError> {
    let length = match length {
        Some(Err(error)) if error.code() == Some("WRONGTYPE") => return Ok(Size::WrongType),
        Some(Err(error)) => return Err(error),
        Some(Ok(Value::Int(length))) => usize::try_from(length).unwrap_or(usize::MAX),
        _ => 0,
    };
    // In the order of `digest.lua`.
    Ok(if is_list && length > MAX_ENTRIES {
        Size::Many(length)
    } else if (!is_list && length > MAX_OCTETS) || memory.is_some_and(|memory| memory > MAX_MEMORY) {
        Size::Large
    } else {
        Size::Fits
    })
}

/// The second step: contents, now that they are known to be of bounded size.
async fn read(
    connection: &mut MultiplexedConnection,
    names: &Names,
    keys: &[RawKey],
    sizes: &[(Option<Duration>, Size)],
) -> Result<Vec<Content>, RedisError> {
    let mut pipeline = redis::pipe();
    for (key, (_, size)) in keys.iter().zip(sizes) {
        match size {
            Size::Fits if key.starts_with(&names.checks) => {
                pipeline.cmd("HMGET").arg(&**key).arg(&FIELDS);
                pipeline.cmd("EXISTS").arg(&**key);
            }
            Size::Fits if key.starts_with(&names.lists) => {
                // One more than allowed, in case the list grew since.
                pipeline.cmd("LRANGE").arg(&**key).arg(0).arg(MAX_ENTRIES);
            }
            Size::Fits => {
                // GETRANGE, in case the string grew since.
                pipeline.cmd("GETRANGE").arg(&**key).arg(0).arg(MAX_OCTETS);
                pipeline.cmd("EXISTS").arg(&**key);
            }
            Size::WrongType => {
                pipeline.cmd("TYPE").arg(&**key);
            }
            Size::Many(_) | Size::Large | Size::Nothing => {}
        }
    }
    if pipeline.is_empty() {
        return Ok(sizes.iter().map(|(_, size)| unread(size)).collect());
    }
    let mut replies = ask(connection, &mut pipeline).await?.into_iter();
    let contents = keys.iter().zip(sizes).map(|(key, (_, size))| match size {
        Size::Fits if key.starts_with(&names.checks) => hash(replies.next(), replies.next()),
        Size::Fits if key.starts_with(&names.lists) => list(replies.next()),
        Size::Fits => text(replies.next(), replies.next()),
        Size::WrongType => kind(replies.next()),
        Size::Many(_) | Size::Large | Size::Nothing => Ok(unread(size)),
    });
    contents.collect()
}

fn unread(size: &Size) -> Content {
    match size {
        Size::Many(entries) => Content::Many(*entries),
        Size::Nothing => Content::Absent,
        _ => Content::Large,
    }
}

fn list(reply: Option<RedisResult<Value>>) -> Result<Content, RedisError> {
    match settled(reply)? {
        None => Ok(changing()),
        Some(Value::Array(entries)) if entries.is_empty() => Ok(Content::Absent),
        Some(Value::Array(entries)) if entries.len() > MAX_ENTRIES => Ok(Content::Many(entries.len())),
        Some(Value::Array(entries)) => Ok(Content::List(entries.into_iter().filter_map(octets).collect())),
        _ => Ok(Content::Absent),
    }
}

fn hash(
    fields: Option<RedisResult<Value>>,
    exists: Option<RedisResult<Value>>,
) -> Result<Content, RedisError> {
    let exists = integer(exists) == Some(1);
    match settled(fields)? {
        None => Ok(changing()),
        Some(Value::Array(values)) if exists => {
            let mut values = values.into_iter().map(octets);
            Ok(Content::Hash(FIELDS.map(|_| values.next().flatten())))
        }
        _ => Ok(Content::Absent),
    }
}

fn text(
    range: Option<RedisResult<Value>>,
    exists: Option<RedisResult<Value>>,
) -> Result<Content, RedisError> {
    let exists = integer(exists) == Some(1);
    let Some(range) = settled(range)? else { return Ok(changing()) };
    match octets(range) {
        Some(text) if text.len() > MAX_OCTETS => Ok(Content::Large),
        Some(text) if exists => Ok(Content::Text(text)),
        _ => Ok(Content::Absent),
    }
}

fn kind(reply: Option<RedisResult<Value>>) -> Result<Content, RedisError> {
    let kind = reply.transpose()?.and_then(octets).map(|kind| String::from_utf8_lossy(&kind).into_owned());
    Ok(match kind.as_deref() {
        None | Some("none") => Content::Absent,
        Some(kind) => Content::Other(kind.to_owned()),
    })
}

/// A reply; `None`: the key's type changed since it was measured.
fn settled(reply: Option<RedisResult<Value>>) -> Result<Option<Value>, RedisError> {
    match reply {
        Some(Err(error)) if error.code() == Some("WRONGTYPE") => Ok(None),
        Some(reply) => reply.map(Some),
        None => Ok(Some(Value::Nil)),
    }
}

/// A content whose digest nothing has, so that the key is read again.
fn changing() -> Content {
    Content::Other("changing".to_owned())
}

/// Sends a pipeline; a command that fails alone answers its own error.
async fn ask(
    connection: &mut MultiplexedConnection,
    pipeline: &mut Pipeline,
) -> Result<Vec<RedisResult<Value>>, RedisError> {
    pipeline.ignore_errors().query_async(connection).await
}

fn integer(reply: Option<RedisResult<Value>>) -> Option<i64> {
    match reply {
        Some(Ok(Value::Int(number))) => Some(number),
        _ => None,
    }
}

/// The counter; one that is missing, or no number, is zero: it was lost.
fn counter(reply: Option<RedisResult<Value>>) -> u64 {
    let digits = reply.and_then(Result::ok).and_then(octets);
    digits.and_then(|digits| std::str::from_utf8(&digits).ok()?.parse().ok()).unwrap_or(0)
}

fn recorded(reply: Option<RedisResult<Value>>) -> Vec<Option<(u64, Digest)>> {
    let Some(Ok(Value::Array(entries))) = reply else { return Vec::new() };
    let entry = |value| {
        let octets = octets(value)?;
        let (revision, digest) = std::str::from_utf8(&octets).ok()?.split_once(' ')?;
        Some((revision.parse().ok()?, Digest::new(digest)))
    };
    entries.into_iter().map(entry).collect()
}
