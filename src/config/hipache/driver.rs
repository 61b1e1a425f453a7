//! `driver`, and its older spelling `redisHost`, `redisPort`, …: which registry.

use serde_json::{Map, Value as Json};

use super::Translation;
use crate::config::value::Value;

/// Translates whichever spelling is there; `driver` goes before the older one, as in hipache.
pub(super) fn translate(out: &mut Translation, top: &Map<String, Json>) {
    let urls = match top.get("driver") {
        None | Some(Json::Null) => legacy(out, top),
        Some(Json::String(url)) => vec![url.clone()],
        Some(Json::Array(urls)) => {
            let texts: Vec<String> = urls.iter().filter_map(Json::as_str).map(str::to_owned).collect();
            if texts.len() != urls.len() || texts.is_empty() {
                return out.problem("`driver` must be a URL, or two of them: to read from and to write to");
            }
            // hipache reads from the first and writes to the last.
            match (texts.first(), texts.last()) {
                (Some(read), Some(write)) if texts.len() > 1 => vec![read.clone(), write.clone()],
                _ => texts,
            }
        }
        Some(other) => {
            return out.problem(format!("`driver` is {other}, but must be a URL such as \"redis:\""));
        }
    };
    if let Some(foreign) = urls.iter().find(|url| !url.starts_with("redis:")) {
        let scheme = foreign.split(':').next().unwrap_or_default();
        out.problem(format!(
            "`driver` {scheme:?} is not supported; write \"redis://[:password@]host:port/db#prefix\""
        ));
    }
    let urls = urls.iter().map(|url| without_user(url));
    out.set("registry.url", Value::List(urls.map(Value::Text).collect()));
    if top.contains_key("etcd") {
        out.remark("`etcd` is ignored: that driver is not supported");
    }
}

/// hipache logs in by password alone and reads over whatever name stands before it; portico would log in as that user.
fn without_user(url: &str) -> String {
    let named = url.split_once("://").and_then(|(scheme, rest)| {
        let (rest, prefix) = rest.split_once('#').map_or((rest, None), |(rest, prefix)| (rest, Some(prefix)));
        let (login, place) = rest.rsplit_once('@')?;
        let (_, password) = login.split_once(':')?;
        let prefix = prefix.map_or_else(String::new, |prefix| format!("#{prefix}"));
        Some(format!("{scheme}://:{password}@{place}{prefix}"))
    });
    named.unwrap_or_else(|| url.to_owned())
}

fn legacy(out: &mut Translation, top: &Map<String, Json>) -> Vec<String> {
    let mut urls = vec![url(out, top, "redis")];
    if top.get("redisMasterHost").and_then(Json::as_str).is_some_and(|host| !host.is_empty()) {
        urls.push(url(out, top, "redisMaster"));
    }
    urls
}

/// `redisHost` and its siblings as one URL. Before 0.3 they stood in an object, `redis.host`, `redis.port`.
fn url(out: &mut Translation, top: &Map<String, Json>, prefix: &str) -> String {
    let object = top.get("redis").and_then(Json::as_object).filter(|_| prefix == "redis");
    let mut part = |name: &str| {
        let key = format!("{prefix}{name}");
        let value = top.get(&key).or_else(|| object?.get(&name.to_ascii_lowercase()))?;
        match value {
            Json::Null => None,
            Json::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            Json::Number(number) => Some(number.to_string()),
            other => {
                out.problem(format!("`{key}` is {other}, but must be a text or a number"));
                None
            }
        }
    };
    let (password, host, port, database) = (part("Password"), part("Host"), part("Port"), part("Database"));
    let mut url = String::from("redis://");
    if let Some(password) = password {
        url.push(':');
        url.push_str(&encoded(&password));
        url.push('@');
    }
    // A port without a host is the local server's; written out, because `redis://:7000` reads like a password.
    match (host, port) {
        (Some(host), Some(port)) => url.push_str(&format!("{host}:{port}")),
        (Some(host), None) => url.push_str(&host),
        (None, Some(port)) => url.push_str(&format!("127.0.0.1:{port}")),
        (None, None) => {}
    }
    if let Some(database) = database {
        url.push('/');
        url.push_str(&database);
    }
    url
}

/// Percent-encodes what would end the password in a URL.
fn encoded(password: &str) -> String {
    let mut out = String::with_capacity(password.len());
    for octet in password.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(octet))
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
