//! Pub/sub for servers that know no RESP3: there, a connection that listens can do nothing else.

use std::time::Duration;

use model::NodeId;
use redis::{PushInfo, PushKind, RedisError, Value, cmd, parse_redis_value_async};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::{sleep, timeout};

use super::connect::{CONNECT_TIMEOUT, octets};
use super::names::{DEAD_CHANNEL, Names};
use super::place::Server;
use super::pushes::{Pushes, ear};

/// Listens to announcements and to the keyspace notifications of our keys. The listener ends with the returned queue, or tells by
/// it that the connection is gone: at the latest when the server answered no ping for `patience`.
pub(super) async fn listen(
    server: &Server,
    names: &Names,
    node: &NodeId,
    patience: Duration,
) -> Result<Pushes, RedisError> {
    let connect = TcpStream::connect((server.host.as_str(), server.port));
    let stream = timeout(patience.min(CONNECT_TIMEOUT), connect).await.map_err(silent)??;
    stream.set_nodelay(true)?;
    let (hello, confirmations) = hello(server, names);
    let (mut read, mut write) = stream.into_split();
    write.write_all(&hello).await?;
    let mut decoder = Default::default();
    let mut confirmed = 0;
    while confirmed < confirmations {
        let reply = parse_redis_value_async(&mut decoder, &mut read);
        match timeout(patience, reply).await.map_err(silent)?? {
            Value::ServerError(error) => return Err(error.into()),
            Value::Array(_) => confirmed += 1,
            _ => {}
        }
    }
    let (ear, pushes) = ear(names, node);
    tokio::spawn(async move {
        let hear = async {
            // Pings are answered, so that silence means that the server hangs.
            while let Ok(Ok(said)) = timeout(patience, parse_redis_value_async(&mut decoder, &mut read)).await
            {
                if message(said).is_some_and(|info| ear.hear(info).is_err()) {
                    return;
                }
            }
        };
        tokio::select! {
            () = hear => {}
            () = ping(&mut write, patience / 3) => {}
            () = ear.unheard() => {}
        }
        // Nobody may be there any more to hear it.
        let _ = ear.hear(PushInfo { kind: PushKind::Disconnection, data: Vec::new() });
    });
    Ok(pushes)
}

/// What is said first, and how many confirmations answer it. The password goes alone, as hipache sends it: a server that knows
/// users knows RESP3.
fn hello(server: &Server, names: &Names) -> (Vec<u8>, usize) {
    let mut hello = Vec::new();
    if let Some(password) = &server.password {
        cmd("AUTH").arg(password).write_packed_command(&mut hello);
    }
    let channels = [names.changes.as_str(), names.nodes.as_str(), DEAD_CHANNEL];
    let patterns = names.keyspace_patterns(server.db);
    let confirmations = channels.len() + patterns.len();
    cmd("SUBSCRIBE").arg(&channels).write_packed_command(&mut hello);
    cmd("PSUBSCRIBE").arg(patterns).write_packed_command(&mut hello);
    (hello, confirmations)
}

async fn ping(write: &mut OwnedWriteHalf, pause: Duration) {
    let ping = cmd("PING").get_packed_command();
    while write.write_all(&ping).await.is_ok() {
        sleep(pause).await;
    }
}

/// A message in RESP2 is a list that begins with its kind.
fn message(said: Value) -> Option<PushInfo> {
    let Value::Array(said) = said else { return None };
    let mut said = said.into_iter();
    let kind = match octets(said.next()?)?.as_slice() {
        b"message" => PushKind::Message,
        b"pmessage" => PushKind::PMessage,
        _ => return None,
    };
    Some(PushInfo { kind, data: said.collect() })
}

fn silent(_: tokio::time::error::Elapsed) -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}
