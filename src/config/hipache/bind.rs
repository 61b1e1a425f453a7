//! `http.…`, `https.…` and their 0.3 spelling below `server`: where to listen.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Map, Value as Json};

use super::Translation;
use crate::config::value::Value;

/// Translates both sections.
pub(super) fn translate(out: &mut Translation, top: &Map<String, Json>, server: &Map<String, Json>) {
    let empty = Map::new();
    let http = out.section(top, "http").unwrap_or(&empty);
    out.unknown("http.", http, &["port", "bind"]);
    let port = match http.get("port").or_else(|| server.get("port")) {
        None | Some(Json::Null) => Some(80),
        Some(port) => read_port(out, "http.port", port),
    };
    let Some(port) = port else { return };
    let mut listen = Vec::new();
    match http.get("bind").or_else(|| server.get("address")) {
        Some(Json::Array(items)) => items.iter().for_each(|item| one(out, item, port, &mut listen)),
        Some(Json::Null) | None => listen.extend(unstated(out, http, server, port)),
        Some(item) => one(out, item, port, &mut listen),
    }
    match server.get("address6") {
        Some(Json::Array(items)) => items.iter().for_each(|item| one(out, item, port, &mut listen)),
        Some(item @ Json::String(_)) => one(out, item, port, &mut listen),
        _ => {}
    }
    if listen.is_empty() && out.problems.is_empty() {
        out.problem("`http.bind` is empty; write at least one address to listen on");
    }
    out.set(
        "http.listen",
        Value::List(listen.iter().map(|address| Value::Text(address.to_string())).collect()),
    );
    https(out, top, server);
}

/// Where hipache listens when no address is given. 0.4 listens on the loopback address only; 0.3, whose files say
/// `server.port`, listens everywhere, and its users rely on that.
fn unstated(
    out: &mut Translation,
    http: &Map<String, Json>,
    server: &Map<String, Json>,
    port: u16,
) -> Vec<SocketAddr> {
    if http.is_empty() && server.contains_key("port") {
        out.remark(format!(
            "`server.port` without `server.address` listens on all IPv4 addresses (0.0.0.0:{port}), as hipache 0.3 does; \
             name the addresses in `http.bind` to listen on fewer"
        ));
        return vec![SocketAddr::from(([0, 0, 0, 0], port))];
    }
    vec![SocketAddr::from(([127, 0, 0, 1], port))]
}

/// One entry of `bind`: an address, or an object with an address and a port of its own.
fn one(out: &mut Translation, item: &Json, port: u16, listen: &mut Vec<SocketAddr>) {
    let (address, port) = match item {
        Json::String(address) => (address.as_str(), Some(port)),
        Json::Object(object) => {
            out.unknown("http.bind[].", object, &["address", "port"]);
            let own = object.get("port").filter(|port| !port.is_null());
            let port = own.map_or(Some(port), |own| read_port(out, "http.bind[].port", own));
            match object.get("address") {
                Some(Json::String(address)) => (address.as_str(), port),
                None | Some(Json::Null) => ("0.0.0.0", port),
                Some(other) => {
                    return out.problem(format!("`http.bind[].address` is {other}, but must be a text"));
                }
            }
        }
        other => return out.problem(format!("`http.bind` has {other}, but must have addresses")),
    };
    let Some(port) = port else { return };
    let bare = address.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return listen.push(SocketAddr::new(ip, port));
    }
    // hipache takes names too, `localhost` above all.
    match (out.by_name)(address, port) {
        Some(found) => listen.push(found),
        None => out.problem(format!(
            "`http.bind` has {address:?}, which is neither an address nor a name that resolves"
        )),
    }
}

fn read_port(out: &mut Translation, name: &str, value: &Json) -> Option<u16> {
    let number = out.number(name, value)?;
    let port = u16::try_from(number).ok();
    if port.is_none() {
        out.problem(format!("`{name}` is {number}, but ports end at 65535"));
    }
    port
}

/// HTTPS is not served yet: whatever asks for it is said not to be followed.
fn https(out: &mut Translation, top: &Map<String, Json>, server: &Map<String, Json>) {
    let section = out.section(top, "https");
    let bound = match section.and_then(|https| https.get("bind")) {
        Some(Json::Array(items)) => !items.is_empty(),
        Some(Json::Null) | None => section.is_some() && server.contains_key("address"),
        Some(_) => true,
    };
    if bound {
        out.remark("`https.bind` is ignored: HTTPS is not served yet; keep a TLS terminator in front");
    } else if server.get("https").is_some_and(Json::is_object) {
        out.remark("`server.https` is ignored: HTTPS is not served yet; keep a TLS terminator in front");
    } else if section.is_some_and(|https| !https.is_empty()) {
        out.remark("`https` is ignored: it binds no address, and HTTPS is not served yet");
    }
}
