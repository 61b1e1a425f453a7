//! `server.…`: workers, logs, retries, times.

use serde_json::{Map, Value as Json};

use super::Translation;
use crate::config::value::Value;

/// What hipache knows below `server`.
const KNOWN: [&str; 18] = [
    "accessLog",
    "port",
    "workers",
    "maxSockets",
    "deadBackendTTL",
    "tcpTimeout",
    "retryOnError",
    "deadBackendOn500",
    "httpKeepAlive",
    "address",
    "address6",
    "https",
    "staticDir",
    "lruCache",
    "debug",
    "stack",
    "uniqueIdHeader",
    "cpuBinding",
];

/// A silence that nobody waits for: hipache's `"tcpTimeout": 0` switches the timeout off, portico has none without a limit.
const NO_TIMEOUT_SECONDS: u64 = 86_400;

/// Translates the section; an empty one is all defaults.
pub(super) fn translate(out: &mut Translation, server: &Map<String, Json>) {
    out.unknown("server.", server, &KNOWN);
    access_log(out, server.get("accessLog"));
    workers(out, server.get("workers"));
    sockets(out, server);
    times(out, server);
    retries(out, server.get("retryOnError"));
    let on_500 = server.get("deadBackendOn500").is_none_or(|value| *value == Json::Bool(true));
    out.set("health.dead_on_500", Value::Flag(on_500));
    match server.get("staticDir") {
        Some(Json::String(folder)) if !folder.is_empty() => {
            out.set("http.error_pages", Value::Text(folder.clone()))
        }
        None | Some(Json::Null | Json::Bool(false) | Json::String(_)) => {}
        Some(other) => out.problem(format!("`server.staticDir` is {other}, but must be a folder")),
    }
    if server.get("debug") == Some(&Json::Bool(true)) {
        out.set("log.level", Value::Text("debug".into()));
    }
    ignored(out, server);
}

fn access_log(out: &mut Translation, value: Option<&Json>) {
    let path = match value {
        None => "/var/log/hipache/access.log",
        Some(Json::Null | Json::Bool(false)) => "off",
        Some(Json::String(path)) if path.is_empty() => "off",
        Some(Json::String(path)) => path,
        Some(other) => return out.problem(format!("`server.accessLog` is {other}, but must be a path")),
    };
    out.set("access_log.path", Value::Text(path.into()));
}

fn workers(out: &mut Translation, value: Option<&Json>) {
    let Some(asked) = value.map_or(Some(10), |value| out.number("server.workers", value)) else { return };
    if asked == 0 {
        return out.problem("`server.workers` is 0, but hipache needs at least 1");
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    if asked > cores && value.is_some() {
        out.remark(format!(
            "`server.workers` is {asked}, but {cores} serve: portico runs one thread a core, more would only wait"
        ));
    }
    out.set("http.workers", Value::Number(i64::try_from(asked.min(cores)).unwrap_or(1)));
}

/// hipache counts for each of its workers (10 by default); portico for all of its threads.
fn sockets(out: &mut Translation, server: &Map<String, Json>) {
    let Some(value) = server.get("maxSockets").filter(|value| !value.is_null()) else { return };
    let Some(most) = out.number("server.maxSockets", value) else { return };
    if most == 0 {
        return out.problem("`server.maxSockets` is 0, but must be at least 1; leave it out for no limit");
    }
    let workers = server.get("workers").and_then(Json::as_u64).unwrap_or(10).max(1);
    let all = most.saturating_mul(workers);
    out.set("upstream.connections", Value::Number(i64::try_from(all).unwrap_or(i64::MAX)));
    out.remark(format!(
        "`server.maxSockets` is {most} for each worker: {all} connections to an endpoint in all, and those that wait for one \
         have the limits `upstream.queue` and `upstream.queue_timeout`, which hipache lacks"
    ));
}

fn times(out: &mut Translation, server: &Map<String, Json>) {
    let seconds = |out: &mut Translation, key: &str, default| {
        server.get(key).map_or(Some(default), |value| out.number(&format!("server.{key}"), value))
    };
    if let Some(ttl) = seconds(out, "deadBackendTTL", 30) {
        out.set("health.dead_ttl", Value::Text(format!("{ttl}s")));
    }
    let Some(timeout) = seconds(out, "tcpTimeout", 30) else { return };
    let timeout = if timeout == 0 { NO_TIMEOUT_SECONDS } else { timeout };
    // hipache has one clock for a client's connection; whatever stands still for so long, on either side, ends with it.
    for key in [
        "client.head_timeout",
        "client.keep_alive_timeout",
        "client.idle_timeout",
        "upstream.response_timeout",
        "upstream.idle_timeout",
    ] {
        out.set(key, Value::Text(format!("{timeout}s")));
    }
    if timeout < 5 {
        out.set("upstream.connect_timeout", Value::Text(format!("{timeout}s")));
    }
}

fn retries(out: &mut Translation, value: Option<&Json>) {
    let retries = match value {
        None => Some(3),
        Some(Json::Bool(flag)) => Some(u64::from(*flag)),
        Some(Json::Null) => Some(0),
        Some(value) => out.number("server.retryOnError", value),
    };
    if let Some(retries) = retries {
        out.set("upstream.retries", Value::Number(i64::try_from(retries).unwrap_or(i64::MAX)));
    }
}

fn ignored(out: &mut Translation, server: &Map<String, Json>) {
    let mut ignore = |key: &str, why: &str| {
        if server.get(key).is_some_and(|value| !matches!(value, Json::Null)) {
            out.remark(format!("`server.{key}` is ignored: {why}"));
        }
    };
    ignore("lruCache", "all routes are in memory and follow the registry at once, there is nothing to cache");
    ignore("stack", "middleware in JavaScript cannot run here");
    ignore("uniqueIdHeader", "requests get no identifier yet");
    ignore("cpuBinding", "each thread has a core of its own anyway");
    if server.get("httpKeepAlive") == Some(&Json::Bool(false)) {
        out.remark(
            "`server.httpKeepAlive` is ignored: connections to endpoints are always reused, which no origin of HTTP/1.1 \
             can tell from many clients",
        );
    }
}
