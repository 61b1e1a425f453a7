//! Connections: how they are made, what is pushed over them, what their errors mean.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo, ProtocolVersion, PushInfo,
    PushKind, RedisConnectionInfo, RedisError, Value,
};
use tokio::sync::mpsc;

use super::names::{DEAD_CHANNEL, Names, RawKey};
use super::place::Server;
use crate::PublishError;

/// How many pushed messages may wait. When more come, what they said is found by comparing everything.
const PUSH_QUEUE: usize = 4096;
/// The longest time to wait for a connection, however patient the settings are.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Why following ended.
#[derive(Debug)]
pub(super) enum Stop {
    /// The store cannot be reached or refuses what we cannot do without.
    Lost(String),
    /// Nobody listens any more.
    Closed,
}

impl From<RedisError> for Stop {
    fn from(error: RedisError) -> Self {
        Self::Lost(describe(&error))
    }
}

/// An error as operators see it: Redis' own words.
pub(super) fn describe(error: &RedisError) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    error.to_string()
}

/// Something Redis told without being asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Push {
    /// These keys may say something else now.
    Keys(Vec<RawKey>),
    /// All keys may, also those that are gone.
    All,
    /// hipache or portico announced a dead endpoint: `<frontend>;<url>;<id>;<len>`.
    Dead(Vec<u8>),
    /// The connection ended.
    Gone,
}

/// What Redis tells without being asked, in order.
#[derive(Debug)]
pub(super) struct Pushes {
    queue: mpsc::Receiver<Push>,
    overflowed: Arc<AtomicBool>,
}

impl Pushes {
    /// The next message; `None` only when the connection is gone.
    pub(super) async fn next(&mut self) -> Option<Push> {
        self.queue.recv().await
    }

    /// The next message, if one waits.
    pub(super) fn waiting(&mut self) -> Option<Push> {
        match self.queue.try_recv() {
            Ok(push) => Some(push),
            Err(_) if self.overflowed.swap(false, Ordering::Relaxed) => Some(Push::All),
            Err(_) => None,
        }
    }
}

/// Connects to the server that is read from, with RESP3 so that it can push; with RESP2 where it knows no other.
pub(super) async fn connect_reader(
    server: &Server,
    names: &Names,
    timeout: Duration,
) -> Result<(MultiplexedConnection, Option<Pushes>), RedisError> {
    let (sender, queue) = mpsc::channel(PUSH_QUEUE);
    let overflowed = Arc::new(AtomicBool::new(false));
    let full = Arc::clone(&overflowed);
    let names = names.clone();
    let config = config(timeout).set_push_sender(move |info: PushInfo| {
        let Some(push) = understand(info, &names) else { return Ok(()) };
        sender.try_send(push).or_else(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                full.store(true, Ordering::Relaxed);
                Ok(())
            }
            mpsc::error::TrySendError::Closed(_) => Err(redis::aio::SendError),
        })
    });
    match connect_with(server, ProtocolVersion::RESP3, &config).await {
        Ok(connection) => Ok((connection, Some(Pushes { queue, overflowed }))),
        Err(error) if knows_no_resp3(&error) => Ok((connect_writer(server, timeout).await?, None)),
        Err(error) => Err(error),
    }
}

/// Connects without pushes.
pub(super) async fn connect_writer(
    server: &Server,
    timeout: Duration,
) -> Result<MultiplexedConnection, RedisError> {
    connect_with(server, ProtocolVersion::RESP2, &config(timeout)).await
}

fn config(timeout: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(timeout.min(CONNECT_TIMEOUT)))
        .set_response_timeout(Some(timeout))
}

/// hipache reads a password and never a user, so that any name stands before it in URLs: without an answer to both, the
/// password alone is tried.
async fn connect_with(
    server: &Server,
    protocol: ProtocolVersion,
    config: &AsyncConnectionConfig,
) -> Result<MultiplexedConnection, RedisError> {
    let named = open(server, server.user.as_deref(), protocol, config).await;
    match named {
        Err(error) if server.user.is_some() && refuses_login(&error) => {
            open(server, None, protocol, config).await.map_err(|_| error)
        }
        named => named,
    }
}

async fn open(
    server: &Server,
    user: Option<&str>,
    protocol: ProtocolVersion,
    config: &AsyncConnectionConfig,
) -> Result<MultiplexedConnection, RedisError> {
    let mut login = RedisConnectionInfo::default().set_db(server.db).set_protocol(protocol);
    if let Some(user) = user {
        login = login.set_username(user);
    }
    if let Some(password) = &server.password {
        login = login.set_password(password);
    }
    let info = ConnectionAddr::Tcp(server.host.clone(), server.port).into_connection_info()?;
    let client = Client::open(info.set_redis_settings(login))?;
    client.get_multiplexed_async_connection_with_config(config).await
}

/// Servers before 6, and some proxies, do not know `HELLO`.
fn knows_no_resp3(error: &RedisError) -> bool {
    error.kind() == ErrorKind::RESP3NotSupported || error.to_string().contains("unknown command")
}

fn refuses_login(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed || error.code() == Some("WRONGPASS")
}

/// What a pushed message says to us; `None`: nothing.
fn understand(info: PushInfo, names: &Names) -> Option<Push> {
    match info.kind {
        PushKind::Disconnection => Some(Push::Gone),
        PushKind::Invalidate => match info.data.into_iter().next()? {
            Value::Array(keys) => {
                Some(Push::Keys(keys.into_iter().filter_map(octets).map(RawKey::from).collect()))
            }
            Value::Nil => Some(Push::All),
            _ => None,
        },
        PushKind::Message => {
            let mut data = info.data.into_iter();
            let (channel, payload) = (octets(data.next()?)?, octets(data.next()?)?);
            if channel == DEAD_CHANNEL.as_bytes() {
                return Some(Push::Dead(payload));
            }
            (channel == names.changes.as_bytes()).then(|| announced(&payload))
        }
        PushKind::PMessage => {
            let channel = octets(info.data.into_iter().nth(1)?)?;
            let at = channel.windows(3).position(|window| window == b"__:")?;
            Some(Push::Keys(vec![channel.get(at + 3..)?.into()]))
        }
        _ => None,
    }
}

/// The keys of an announcement on `portico:changes`; none where it cannot be read, so that the revision is asked for.
fn announced(payload: &[u8]) -> Push {
    #[derive(serde::Deserialize)]
    struct Announcement {
        keys: Vec<String>,
    }
    let keys = serde_json::from_slice(payload).map(|a: Announcement| a.keys).unwrap_or_default();
    Push::Keys(keys.into_iter().map(|key| key.into_bytes().into()).collect())
}

/// A reply's octets.
pub(super) fn octets(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(octets) => Some(octets),
        Value::SimpleString(text) => Some(text.into_bytes()),
        Value::VerbatimString { text, .. } => Some(text.into_bytes()),
        Value::Okay => Some(b"OK".to_vec()),
        _ => None,
    }
}

/// What a writer is told of an error.
pub(super) fn refusal(error: &RedisError) -> PublishError {
    let text = describe(error);
    // Servers before 7 wrap what a script met in a general error, so the text is searched, not the code alone.
    let says = |words: &[&str]| words.iter().any(|word| error.code() == Some(word) || text.contains(word));
    if says(&["READONLY", "NOPERM", "The user executing the script", "ACL failure", "unknown command"]) {
        PublishError::ReadOnly(text)
    } else if says(&["OOM", "MISCONF"]) {
        PublishError::Full(text)
    } else {
        PublishError::Unavailable(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: PushKind, data: Vec<Value>, expected: Option<Push>) {
        assert_eq!(understand(PushInfo { kind, data }, &Names::new("p:")), expected);
    }

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn pushes_name_the_keys_to_read_again() {
        let keys = |keys: &[&str]| Some(Push::Keys(keys.iter().map(|k| k.as_bytes().into()).collect()));
        check(PushKind::Invalidate, vec![Value::Array(vec![bulk("a"), bulk("b")])], keys(&["a", "b"]));
        check(PushKind::Invalidate, vec![Value::Nil], Some(Push::All));
        check(PushKind::Invalidate, vec![], None);
        let event =
            [bulk("__keyspace@2__:p:frontend:*"), bulk("__keyspace@2__:p:frontend:a__:b"), bulk("del")];
        check(PushKind::PMessage, event.to_vec(), keys(&["p:frontend:a__:b"]));
        let news = r#"{"revision":3,"who":"redis","keys":["p:frontend:a"]}"#;
        check(PushKind::Message, vec![bulk("p:portico:changes"), bulk(news)], keys(&["p:frontend:a"]));
        check(PushKind::Message, vec![bulk("p:portico:changes"), bulk("junk")], keys(&[]));
        check(PushKind::Message, vec![bulk("dead"), bulk("a;b;0;1")], Some(Push::Dead(b"a;b;0;1".to_vec())));
        check(PushKind::Message, vec![bulk("other"), bulk("x")], None);
        check(PushKind::Disconnection, vec![], Some(Push::Gone));
    }
}
