//! Connections: how they are made, and what their errors mean.

use std::fmt;
use std::time::Duration;

use model::NodeId;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, RedisError, TlsCertificates, Value,
};

use super::books::Damage;
use super::names::Names;
use super::place::Server;
use super::plain::describe;
use super::pushes::{Pushes, ear};
use crate::PublishError;

/// The longest time to wait for a connection, however patient the settings are.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Why following ended.
#[derive(Debug)]
pub(super) enum Stop {
    /// The store cannot be reached or refuses what we cannot do without.
    Lost(String),
    /// Nobody listens any more.
    Closed,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(why) => f.write_str(why),
            Self::Closed => f.write_str("the registry is closed"),
        }
    }
}

impl From<RedisError> for Stop {
    fn from(error: RedisError) -> Self {
        Self::Lost(describe(&error))
    }
}

/// Connects to the server that is read from, with RESP3 so that it can push; with RESP2 where it knows no other.
pub(super) async fn connect_reader(
    server: &Server,
    names: &Names,
    node: &NodeId,
    timeout: Duration,
) -> Result<(MultiplexedConnection, Option<Pushes>), RedisError> {
    let (ear, pushes) = ear(names, node);
    let config = config(timeout).set_push_sender(move |info| ear.hear(info));
    match connect_with(server, ProtocolVersion::RESP3, &config).await {
        Ok(connection) => Ok((connection, Some(pushes))),
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

/// Who is refused is nobody: connected without its user, it would be the server's `default` one, with rights that nobody gave it.
/// Only servers before 6, which know no users, are given the password alone (the client sees that by their word about `AUTH`).
async fn connect_with(
    server: &Server,
    protocol: ProtocolVersion,
    config: &AsyncConnectionConfig,
) -> Result<MultiplexedConnection, RedisError> {
    let mut login = RedisConnectionInfo::default().set_db(server.db).set_protocol(protocol);
    if let Some(user) = &server.user {
        login = login.set_username(user);
    }
    if let Some(password) = &server.password {
        login = login.set_password(password);
    }
    let (host, port) = (server.host.clone(), server.port);
    let client = if server.tls {
        let address = ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None };
        let root_cert = server.roots.as_deref().cloned();
        let info = address.into_connection_info()?.set_redis_settings(login);
        Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })?
    } else {
        let info = ConnectionAddr::Tcp(host, port).into_connection_info()?;
        Client::open(info.set_redis_settings(login))?
    };
    client.get_multiplexed_async_connection_with_config(config).await.map_err(|error| {
        match refuses_login(&error) {
            true => refused_login(server),
            false => error,
        }
    })
}

fn refused_login(server: &Server) -> RedisError {
    let said = format!(
        "{server} refuses the user name or the password (WRONGPASS); put the right ones into the registry's URL, or see \
         `ACL LIST` of that Redis"
    );
    RedisError::from((ErrorKind::AuthenticationFailed, "login refused", said))
}

/// Servers before 6, and some proxies, do not know `HELLO`.
fn knows_no_resp3(error: &RedisError) -> bool {
    error.kind() == ErrorKind::RESP3NotSupported || error.to_string().contains("unknown command")
}

pub(super) fn refuses_login(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed || error.code() == Some("WRONGPASS")
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

/// Why a store takes no write from us now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It never will: it may only be read.
    ReadOnly(String),
    /// Its memory or disk is full.
    Full(String),
    /// It cannot be reached, or is not ready.
    Away(String),
    /// Its books hold another type.
    Damaged(Damage),
}

impl Refusal {
    pub(super) fn of(error: &RedisError) -> Self {
        let (text, raw) = (describe(error), error.to_string());
        // Servers before 7 wrap what a script met in a general error, so the text is searched, not the code alone.
        let says = |words: &[&str]| words.iter().any(|word| error.code() == Some(word) || raw.contains(word));
        if says(&["READONLY", "NOPERM", "The user executing the script", "ACL failure", "unknown command"]) {
            Self::ReadOnly(text)
        } else if says(&["OOM", "MISCONF"]) {
            Self::Full(text)
        } else {
            Self::Away(text)
        }
    }
}

impl From<Refusal> for PublishError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::ReadOnly(why) => Self::ReadOnly(why),
            Refusal::Full(why) => Self::Full(why),
            Refusal::Away(why) => Self::Unavailable(why),
            Refusal::Damaged(damage) => Self::Damaged(damage.to_string()),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReadOnly(why) | Self::Full(why) | Self::Away(why) => f.write_str(why),
            Self::Damaged(damage) => damage.fmt(f),
        }
    }
}
