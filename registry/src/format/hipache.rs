//! hipache's own form of a frontend: a list `frontend:<host>` of an identifier and then URLs.
//!
//! In: the octets of a list. Out: a frontend, or why the list as a whole cannot be one. A URL that cannot be used is set aside alone,
//! as hipache answers 502 for it alone. Never here: a connection.

use std::collections::HashMap;

use model::{
    Address, Backend, BackendName, Endpoint, Frontend, HostPattern, MAX_ENDPOINTS, PathPrefix, Policy,
    Quarantined, Rare, RejectedEndpoint, Weight,
};

use super::plain;

/// How much of a rejected entry is shown, in characters.
const SHOWN: usize = 200;

/// Reads the list of `host`: an identifier, then URLs. A repeated address adds to its weight, as hipache's users mean it.
///
/// # Errors
/// [`Quarantined`] when the list has no usable identifier or more than [`MAX_ENDPOINTS`] entries behind it.
pub fn read_list(host: &HostPattern, list: &[Vec<u8>]) -> Result<Frontend, Quarantined> {
    let Some((identifier, entries)) = list.split_first() else {
        return Err(set_aside("the list is empty", "write an identifier, then URLs"));
    };
    let name = std::str::from_utf8(identifier).ok().and_then(|text| BackendName::parse(text).ok());
    let Some(name) = name else {
        return Err(set_aside(
            "the list's first entry is not an identifier (1 to 253 octets of text without control characters)",
            "write one with `LSET <key> 0 <identifier>`",
        ));
    };
    if entries.len() > MAX_ENDPOINTS {
        return Err(too_many(entries.len()));
    }
    let mut endpoints: Vec<Endpoint> = Vec::with_capacity(entries.len());
    let mut rejected = Vec::new();
    let mut seen: HashMap<Address, usize> = HashMap::with_capacity(entries.len());
    for entry in entries {
        match read_entry(entry) {
            Err(reason) => rejected.push(RejectedEndpoint { text: shown(entry), reason: reason.into() }),
            Ok(address) => match seen.get(&address).and_then(|&at| endpoints.get_mut(at)) {
                // Beyond the largest weight a repetition says nothing more.
                Some(first) => {
                    first.weight = Weight::new(u64::from(first.weight.get()) + 1).unwrap_or(first.weight);
                }
                None => {
                    seen.insert(address.clone(), endpoints.len());
                    endpoints.push(Endpoint { address, weight: Weight::ONE });
                }
            },
        }
    }
    Ok(Frontend {
        host: host.clone(),
        path: PathPrefix::root(),
        backend: Backend { name, endpoints: endpoints.into(), rejected: rejected.into() },
        policy: Rare::default(),
    })
}

/// Why a list of so many endpoints is set aside.
pub fn too_many(entries: usize) -> Quarantined {
    set_aside(
        &format!("the list has {entries} endpoints, more than {MAX_ENDPOINTS}"),
        "remove some with `LTRIM`, or spread them over several frontends",
    )
}

fn set_aside(reason: &str, remedy: &str) -> Quarantined {
    Quarantined { reason: reason.into(), remedy: remedy.into() }
}

/// Reads one entry behind the identifier. hipache uses the host and the port of the URL and nothing else of it, so a path, a
/// query and white space around it do not matter; a scheme other than `http` does, because it was meant and cannot be served.
///
/// # Errors
/// What is wrong with the entry and how to write it.
pub fn read_entry(entry: &[u8]) -> Result<Address, String> {
    let text = std::str::from_utf8(entry).map_err(|_| "not text; write `http://host:port`".to_owned())?;
    Address::parse_url(split_url(text).0).map_err(|error| error.to_string())
}

/// Splits a URL behind its authority: `http://host:port` and `/path?query`. A Unix socket is all of it.
fn split_url(text: &str) -> (&str, &str) {
    let text = text.trim();
    if Address::means_socket(text) {
        return (text, "");
    }
    let authority = text.find("://").map_or(text.len(), |at| at + 3);
    match text[authority..].find(['/', '?', '#']) {
        Some(end) => text.split_at(authority + end),
        None => (text, ""),
    }
}

/// The URL of an entry as hipache announces it on the `dead` channel: node's `href`, which folds case and always has a path.
pub fn href(entry: &str) -> String {
    // Case matters in a path, and node keeps it.
    if Address::means_socket(entry.trim()) {
        return entry.trim().to_owned();
    }
    let (origin, rest) = split_url(entry);
    let slash = if rest.starts_with('/') { "" } else { "/" };
    format!("{}{slash}{rest}", origin.to_ascii_lowercase())
}

/// The list that says all of this frontend; `None` when hipache's list cannot say it: a path, a weight, a policy of its own, a
/// service.
pub fn write_list(frontend: &Frontend) -> Option<Vec<String>> {
    let Frontend { host: _, path, backend, policy } = frontend;
    let plain = path.is_root()
        && backend.endpoints.service().is_none()
        && **policy == Policy::default()
        && backend.endpoints.len() <= MAX_ENDPOINTS
        && backend.endpoints.iter().all(|endpoint| endpoint.weight == Weight::ONE);
    plain.then(|| {
        let urls = backend.endpoints.iter().map(|endpoint| endpoint.address.url());
        std::iter::once(backend.name.to_string()).chain(urls).collect()
    })
}

/// An entry as operators see it: what is not printable escaped, cut to [`SHOWN`] characters.
fn shown(entry: &[u8]) -> Box<str> {
    plain(&String::from_utf8_lossy(entry)).chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use model::{BalanceKind, FactKey};

    use super::*;

    fn list(entries: &[&str]) -> Vec<Vec<u8>> {
        entries.iter().map(|e| e.as_bytes().to_vec()).collect()
    }

    fn read(entries: &[&str]) -> Result<Frontend, Quarantined> {
        read_list(&HostPattern::parse("www.example.com").expect("host"), &list(entries))
    }

    fn check(entry: &str, expected: Result<&str, &str>) {
        match (read_entry(entry.as_bytes()), expected) {
            (Ok(address), Ok(text)) => assert_eq!(address.to_string(), text, "entry {entry:?}"),
            (Err(reason), Err(part)) => assert!(reason.contains(part), "entry {entry:?}: {reason}"),
            (read, _) => panic!("entry {entry:?}: {read:?}"),
        }
    }

    #[test]
    fn entries_are_read_as_hipache_read_them() {
        check("http://10.0.0.1:8000", Ok("10.0.0.1:8000"));
        check("http://10.0.0.1", Ok("10.0.0.1:80"));
        check("HTTP://App.Internal:80/", Ok("app.internal:80"));
        check("http://10.0.0.1:80/foo?bar#baz", Ok("10.0.0.1:80"));
        check("http://10.0.0.1?x", Ok("10.0.0.1:80"));
        check(" unix:/run/App.sock ", Ok("unix:/run/App.sock"));
        check("http://unix:/run/App.sock:/", Ok("unix:/run/App.sock"));
        check("unix:app.sock", Err("write `unix:/run/app.sock`"));
        check(" http://10.0.0.1:80\n", Ok("10.0.0.1:80"));
        check("http://[::1]:81/", Ok("[::1]:81"));
        check("https://10.0.0.1:443", Err("scheme `https` is not supported"));
        check("ftp://10.0.0.1", Err("scheme `ftp` is not supported"));
        check("\u{1b}[2J://10.0.0.1", Err("scheme `\\u{1b}[2J` is not supported"));
        check("10.0.0.1:80", Err("write `http://host:port`"));
        check("http://10.0.0.1:0", Err("port 0"));
        check("http:///x", Err("empty"));
        check("http://a b:80", Err("character"));
        check("", Err("write `http://host:port`"));
    }

    #[test]
    fn the_head_names_the_backend_and_the_rest_are_its_endpoints() {
        let frontend = read(&["web", "http://10.0.0.1:80", "http://10.0.0.2:80"]).expect("frontend");
        assert_eq!(frontend.key().to_string(), "frontend:www.example.com");
        assert_eq!(frontend.backend.name.as_str(), "web");
        let addresses: Vec<_> = frontend.backend.endpoints.iter().map(|e| e.address.to_string()).collect();
        assert_eq!(addresses, ["10.0.0.1:80", "10.0.0.2:80"]);
        assert!(matches!(frontend.key(), FactKey::Frontend { .. }));
    }

    #[test]
    fn a_list_with_an_identifier_alone_is_a_frontend_without_endpoints() {
        assert!(read(&["web"]).expect("frontend").backend.endpoints.is_empty());
    }

    #[test]
    fn a_repeated_address_adds_weight_up_to_the_largest() {
        let frontend =
            read(&["web", "http://10.0.0.1:80", "http://10.0.0.2", "http://10.0.0.1"]).expect("frontend");
        let weights: Vec<_> = frontend.backend.endpoints.iter().map(|e| e.weight.get()).collect();
        assert_eq!(weights, [2, 1]);
        let mut many = vec!["web"];
        many.resize(1 + MAX_ENDPOINTS, "http://10.0.0.1");
        assert_eq!(read(&many).expect("frontend").backend.endpoints[0].weight.get(), 1000);
    }

    #[test]
    fn a_bad_url_is_rejected_alone() {
        let bad = [b"ftp://10.0.0.9".to_vec(), vec![0xff, 0xfe], b"http://a\x1b[2J".to_vec()];
        let mut raw = list(&["web", "http://10.0.0.1:80"]);
        raw.extend(bad);
        raw.push(b"http://10.0.0.2:80".to_vec());
        let frontend = read_list(&HostPattern::Any, &raw).expect("frontend");
        assert_eq!(frontend.backend.endpoints.len(), 2);
        let texts: Vec<_> = frontend.backend.rejected.iter().map(|r| &*r.text).collect();
        assert_eq!(texts, ["ftp://10.0.0.9", "\u{fffd}\u{fffd}", "http://a\\u{1b}[2J"]);
        assert!(frontend.backend.rejected[0].reason.contains("ftp"));
    }

    #[test]
    fn a_list_without_an_identifier_or_with_too_many_entries_is_set_aside() {
        assert!(read(&[]).expect_err("empty").reason.contains("empty"));
        assert!(read(&["", "http://10.0.0.1"]).expect_err("no name").remedy.contains("LSET"));
        assert!(read_list(&HostPattern::Any, &[vec![0xff]]).is_err());
        let mut many = vec!["web"];
        many.resize(2 + MAX_ENDPOINTS, "http://10.0.0.1");
        assert!(read(&many).expect_err("many").reason.contains("1025 endpoints"));
    }

    #[test]
    fn a_plain_frontend_becomes_a_list_and_the_same_frontend_again() {
        let frontend =
            read(&["web", "http://10.0.0.1:80", "http://app:8000", "http://[::1]:80"]).expect("frontend");
        let written = write_list(&frontend).expect("list");
        assert_eq!(written, ["web", "http://10.0.0.1:80", "http://app:8000", "http://[::1]:80"]);
        let written: Vec<&str> = written.iter().map(String::as_str).collect();
        assert_eq!(read(&written).expect("frontend"), frontend);
    }

    #[test]
    fn what_a_list_cannot_say_is_not_written_as_one() {
        let plain = read(&["web", "http://10.0.0.1:80"]).expect("frontend");
        let mut path = plain.clone();
        path.path = PathPrefix::parse("/api").expect("path");
        let mut weight = plain.clone();
        weight.backend.endpoints[0].weight = Weight::new(2).expect("weight");
        let mut balance = plain;
        balance.policy.balance = BalanceKind::RoundRobin;
        for frontend in [path, weight, balance] {
            assert_eq!(write_list(&frontend), None);
        }
    }

    #[test]
    fn urls_are_announced_as_node_spells_them() {
        assert_eq!(href("http://10.0.0.1:80"), "http://10.0.0.1:80/");
        assert_eq!(href("unix:/run/App.sock"), "unix:/run/App.sock");
        assert_eq!(href("HTTP://App:80/"), "http://app:80/");
        assert_eq!(href("http://app/Foo?q"), "http://app/Foo?q");
        assert_eq!(href("http://app?q"), "http://app/?q");
    }
}
