//! Sentinels: who know which server is the master now.
//!
//! In: their addresses and the master's name. Out: the master's address, by the newest word of a majority, and a word when it moves.
//! Never here: a server that is followed without having said itself that it is the master.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use tokio::task::JoinSet;

use super::connect::{Stop, connect_writer, octets, refuses_login};
use super::place::{Server, authority};
use super::plain::describe;
use super::settle::refuses;

/// How often the sentinels are asked whether the master moved. A failover mostly cuts our connection, which is noticed at once.
const ASK: Duration = Duration::from_secs(2);

/// Sentinels and the name of their master.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sentinels {
    pub(super) at: Vec<(String, u16)>,
    pub(super) master: String,
}

/// What a sentinel says.
struct Word {
    /// Grows with each failover.
    epoch: u64,
    host: String,
    port: u16,
}

/// The server to connect to: `server`, or the one its sentinels name. The newest word of a majority counts; of fewer, when no more answer.
pub(super) async fn find(server: &Server, patience: Duration) -> Result<Server, Stop> {
    let Some(sentinels) = &server.sentinels else { return Ok(server.clone()) };
    let mut asked = JoinSet::new();
    for (host, port) in &sentinels.at {
        let sentinel = Server { host: host.clone(), port: *port, sentinels: None, db: 0, ..server.clone() };
        let master = sentinels.master.clone();
        asked.spawn(async move {
            let word = ask(&sentinel, &master, patience).await;
            word.map_err(|error| {
                format!("{}: {}", authority(&sentinel.host, sentinel.port), describe(&error))
            })
        });
    }
    let majority = sentinels.at.len() / 2 + 1;
    let (mut words, mut error) = (Vec::new(), String::new());
    while words.len() < majority
        && let Some(answered) = asked.join_next().await
    {
        match answered {
            Ok(Ok(word)) => words.push(word),
            Ok(Err(why)) => error = why,
            Err(_) => {}
        }
    }
    let newest = words.into_iter().max_by_key(|word| word.epoch);
    let Some(Word { host, port, .. }) = newest else {
        return Err(Stop::Lost(format!("no sentinel names the master `{}` ({error})", sentinels.master)));
    };
    Ok(Server { host, port, sentinels: None, ..server.clone() })
}

async fn ask(sentinel: &Server, master: &str, patience: Duration) -> Result<Word, RedisError> {
    // Sentinels mostly have no users and no password, whatever their servers have.
    let nobody = Server { user: None, password: None, ..sentinel.clone() };
    match ask_as(&nobody, master, patience).await {
        Err(error) if error.code() == Some("NOAUTH") && sentinel.password.is_some() => {
            match ask_as(sentinel, master, patience).await {
                // They may have the servers' password without their users; whoever asks a sentinel has no rights to mistake.
                Err(error) if sentinel.user.is_some() && refuses_login(&error) => {
                    let alone = Server { user: None, ..sentinel.clone() };
                    ask_as(&alone, master, patience).await.map_err(|_| error)
                }
                answered => answered,
            }
        }
        answered => answered,
    }
}

async fn ask_as(sentinel: &Server, master: &str, patience: Duration) -> Result<Word, RedisError> {
    let mut connection = connect_writer(sentinel, patience).await?;
    let ask = redis::cmd("SENTINEL").arg("MASTER").arg(master).to_owned();
    let said: HashMap<String, String> = ask.query_async(&mut connection).await?;
    let strange =
        || RedisError::from((redis::ErrorKind::UnexpectedReturnType, "a sentinel said something strange"));
    let number = |name: &str| said.get(name).and_then(|digits| digits.parse::<u64>().ok());
    Ok(Word {
        epoch: number("config-epoch").unwrap_or(0),
        host: said.get("ip").cloned().ok_or_else(strange)?,
        port: number("port").and_then(|port| u16::try_from(port).ok()).ok_or_else(strange)?,
    })
}

/// That `server` is the master by its own word, too: sentinels may not know yet, and a replica may say what was.
pub(super) async fn be_master(connection: &mut MultiplexedConnection, server: &Server) -> Result<(), Stop> {
    let role = match redis::cmd("ROLE").query_async::<Vec<Value>>(connection).await {
        Ok(role) => role.into_iter().next().and_then(octets),
        // Who may not ask sees by the first write.
        Err(error) if refuses(&error) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match role.as_deref() {
        Some(b"master") | None => Ok(()),
        Some(_) => Err(Stop::Lost(format!("{server} is named by the sentinels and is no master"))),
    }
}

/// Ends, saying why, when the sentinels name another server than `at`; never when there are none. Dropped, it asks no more.
pub(super) fn watch(server: &Server, at: &Server, patience: Duration) -> JoinSet<String> {
    let mut watching = JoinSet::new();
    if server.sentinels.is_some() {
        let (server, at) = (server.clone(), at.clone());
        watching.spawn(async move {
            loop {
                tokio::time::sleep(ASK).await;
                if let Ok(now) = find(&server, patience).await
                    && (&now.host, now.port) != (&at.host, at.port)
                {
                    return format!("the master moved from {at} to {now}");
                }
            }
        });
    }
    watching
}

impl fmt::Display for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at: Vec<String> = self.at.iter().map(|(host, port)| authority(host, *port)).collect();
        write!(f, "{}/{}", at.join(","), self.master)
    }
}
