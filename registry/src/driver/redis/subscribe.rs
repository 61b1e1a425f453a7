//! Asking Redis to tell of changes: client tracking first, keyspace notifications where it is missing, else nothing but reconciling.

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};

use super::Shared;
use super::connect::{Stop, octets};
use super::listen::listen;
use super::names::{DEAD_CHANNEL, Names};
use super::place::Server;
use super::plain::describe;
use super::pushes::Pushes;
use super::settle::refuses;

/// The classes of keyspace events that tell of every change: generic, strings, lists, sets, expired and evicted keys.
const CLASSES: &str = "g$lsxe";

/// Subscribes to whatever there is; answers how changes reach us.
pub(super) async fn subscribe(
    connection: &mut MultiplexedConnection,
    pushes: &mut Option<Pushes>,
    shared: &Shared,
    server: &Server,
) -> Result<&'static str, Stop> {
    if pushes.is_none() {
        return subscribe_apart(connection, pushes, shared, server).await;
    }
    let names = &shared.names;
    for channel in [names.changes.as_str(), names.nodes.as_str(), DEAD_CHANNEL] {
        if let Err(error) = connection.subscribe(channel).await {
            said_no(error, "a channel")?;
        }
    }
    match track(connection, names).await {
        Ok(()) => return Ok("client tracking"),
        Err(error) => said_no(error, "client tracking")?,
    }
    let patterns = names.keyspace_patterns(server.db);
    if let Err(error) = connection.psubscribe(patterns).await {
        said_no(error, "keyspace notifications")?;
        return Ok("reconcile only");
    }
    told_by_events(connection, shared).await
}

/// The same on a connection of its own, for servers that know no RESP3.
async fn subscribe_apart(
    connection: &mut MultiplexedConnection,
    pushes: &mut Option<Pushes>,
    shared: &Shared,
    server: &Server,
) -> Result<&'static str, Stop> {
    if server.tls {
        // Servers that speak TLS themselves know RESP3; what stands before an older one is not worth a second way to speak TLS.
        return Ok("reconcile only");
    }
    match listen(server, &shared.names, &shared.config.node, shared.config.timeout).await {
        Ok(heard) => *pushes = Some(heard),
        Err(error) => {
            said_no(error, "keyspace notifications")?;
            return Ok("reconcile only");
        }
    }
    told_by_events(connection, shared).await
}

async fn told_by_events(
    connection: &mut MultiplexedConnection,
    shared: &Shared,
) -> Result<&'static str, Stop> {
    let complete = notifies(connection, shared.config.configure_keyspace_events).await?;
    Ok(if complete { "keyspace events" } else { "reconcile only" })
}

/// Passes on what is more than a refusal.
fn said_no(error: RedisError, what: &str) -> Result<(), Stop> {
    if !refuses(&error) {
        return Err(error.into());
    }
    tracing::info!(what, error = describe(&error), "redis does not offer it");
    Ok(())
}

/// `CLIENT TRACKING` in broadcast mode: every change of a key that begins so, whoever makes it, also FLUSHDB.
async fn track(connection: &mut MultiplexedConnection, names: &Names) -> Result<(), RedisError> {
    let mut command = redis::cmd("CLIENT");
    command.arg("TRACKING").arg("ON").arg("BCAST");
    for prefix in names.starts() {
        command.arg("PREFIX").arg(prefix);
    }
    command.query_async::<()>(connection).await
}

/// Whether the server notifies of all we need; switches it on only where portico was told that it may.
async fn notifies(connection: &mut MultiplexedConnection, may_configure: bool) -> Result<bool, Stop> {
    let ask = redis::cmd("CONFIG").arg("GET").arg("notify-keyspace-events").to_owned();
    let flags = match ask.query_async::<Value>(connection).await {
        Ok(reply) => flatten(reply).into_iter().nth(1).unwrap_or_default(),
        Err(error) => {
            said_no(error, "CONFIG GET")?;
            return Ok(false);
        }
    };
    let missing = missing_flags(&flags);
    if missing.is_empty() || !may_configure {
        return Ok(missing.is_empty());
    }
    // Hashes, too: where an operator left them out, a check that changes is found by comparing.
    let hashes = if flags.contains(['A', 'h']) { "" } else { "h" };
    let wanted = format!("{flags}{missing}{hashes}");
    let set = redis::cmd("CONFIG").arg("SET").arg("notify-keyspace-events").arg(&wanted).to_owned();
    match set.query_async::<()>(connection).await {
        Ok(()) => Ok(true),
        Err(error) => said_no(error, "CONFIG SET").map(|()| false),
    }
}

/// RESP3 answers a map, RESP2 a list.
fn flatten(value: Value) -> Vec<String> {
    let text = |value| octets(value).map(|octets| String::from_utf8_lossy(&octets).into_owned());
    match value {
        Value::Map(pairs) => {
            pairs.into_iter().flat_map(|(key, value)| [text(key), text(value)]).flatten().collect()
        }
        Value::Array(values) => values.into_iter().filter_map(text).collect(),
        value => text(value).into_iter().collect(),
    }
}

/// The flags that `notify-keyspace-events` lacks.
fn missing_flags(flags: &str) -> String {
    let classes = CLASSES.chars().filter(|&class| !flags.contains('A') && !flags.contains(class));
    let keyspace = (!flags.contains('K')).then_some('K');
    keyspace.into_iter().chain(classes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyspace_events_are_complete_with_all_their_classes() {
        assert_eq!(missing_flags(""), "Kg$lsxe");
        assert_eq!(missing_flags("KA"), "");
        assert_eq!(missing_flags("AE"), "K");
        assert_eq!(missing_flags("Kgl$sxe"), "");
        assert_eq!(missing_flags("Kgl"), "$sxe");
    }
}
