//! The names of keys: what they stand for, and how they are shown.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use model::{FactKey, FactKind, HostPattern, NodeId, Origin, PathPrefix, Quarantined, canonical_host};

/// The letters that the names of kinds end with, and `check` and `dead`.
const LAST: &str = "degkrt";

/// How much of a key is shown, in characters.
const SHOWN: usize = 512;

/// A key as Redis has it: any octets.
pub(super) type RawKey = Arc<[u8]>;

/// All names under one prefix. hipache's channel `dead` and its key `hchecker_ping` have no prefix, as in hipache 0.4.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: String,
    /// hipache's lists begin with this.
    pub(super) lists: Vec<u8>,
    /// portico's JSON of frontends begins with this.
    pub(super) natives: Vec<u8>,
    /// portico's own keys begin with this.
    own: Vec<u8>,
    /// hipache's dead marks begin with this.
    pub(super) deads: Vec<u8>,
    /// planb's checks begin with this.
    pub(super) checks: Vec<u8>,
    /// The counter.
    pub(super) revision: String,
    /// By raw key of a frontend: its revision and the digest of what it said then.
    pub(super) revisions: String,
    /// What changed, newest last.
    pub(super) history: String,
    /// Where writes of portico's are announced.
    pub(super) changes: String,
    /// Where nodes say what they serve, and an index of them by when they did.
    pub(super) nodes: String,
}

/// Where hipache announces dead endpoints.
pub(super) const DEAD_CHANNEL: &str = "dead";
/// Where an active checker says when it last ran, in seconds since the Unix epoch.
pub(super) const CHECKER_KEY: &str = "hchecker_ping";
/// What portico last wrote there itself, also without a prefix: whatever differs is another's word.
pub(super) const OUR_CHECKER_KEY: &str = "portico:hchecker_ping";

/// What a key stands for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Meaning {
    /// A fact.
    Fact {
        /// Which.
        key: FactKey,
        /// In which form.
        origin: Origin,
        /// Whether the key is spelled as portico would.
        canonical: bool,
    },
    /// It should be a fact, and its name cannot be one's.
    Junk(Quarantined),
    /// planb's check of the frontend that hipache's list of the same host states.
    Check(FactKey),
    /// The dead marks of a host.
    Dead(Box<str>),
    /// Nothing of ours.
    Other,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        let own = |name: &str| format!("{prefix}portico:{name}");
        Self {
            lists: format!("{prefix}frontend:").into_bytes(),
            natives: own("frontend:").into_bytes(),
            own: own("").into_bytes(),
            deads: format!("{prefix}dead:").into_bytes(),
            checks: format!("{prefix}healthcheck:").into_bytes(),
            revision: own("revision"),
            revisions: own("revisions"),
            history: own("history"),
            changes: own("changes"),
            nodes: own("nodes"),
            prefix: prefix.to_owned(),
        }
    }

    /// Where a node's report is kept.
    pub(super) fn node(&self, node: &NodeId) -> String {
        format!("{}portico:node:{node}", self.prefix)
    }

    /// hipache's key of a frontend, as portico spells it.
    pub(super) fn list(&self, host: &HostPattern) -> RawKey {
        format!("{}frontend:{host}", self.prefix).into_bytes().into()
    }

    /// portico's key of a fact.
    pub(super) fn native(&self, key: &FactKey) -> RawKey {
        format!("{}portico:{key}", self.prefix).into_bytes().into()
    }

    /// The key that states a fact in this form, as portico spells it.
    pub(super) fn spelled(&self, key: &FactKey, origin: Origin) -> RawKey {
        match (origin, key) {
            (Origin::Hipache, FactKey::Frontend { host, .. }) => self.list(host),
            _ => self.native(key),
        }
    }

    /// hipache's key of the dead marks of a host.
    pub(super) fn dead(&self, host: &str) -> RawKey {
        format!("{}dead:{host}", self.prefix).into_bytes().into()
    }

    /// planb's key of the check of a host's list.
    pub(super) fn check(&self, host: &HostPattern) -> RawKey {
        format!("{}healthcheck:{host}", self.prefix).into_bytes().into()
    }

    /// What a key stands for.
    pub(super) fn meaning(&self, raw: &[u8]) -> Meaning {
        if let Some(host) = raw.strip_prefix(&*self.lists) {
            let key = host_of(host).map(|host| FactKey::Frontend { host, path: PathPrefix::root() });
            return fact(Origin::Hipache, key, |key| match key {
                FactKey::Frontend { host: parsed, .. } => is_spelled(host, format_args!("{parsed}")),
                _ => false,
            });
        }
        if let Some(rest) = raw.strip_prefix(&*self.natives) {
            let key = host_and_path_of(rest).map(|(host, path)| FactKey::Frontend { host, path });
            return fact(Origin::Native, key, |key| *self.native(key) == *raw);
        }
        if let Some((kind, text)) = raw.strip_prefix(&*self.own).and_then(of_other_kind) {
            return fact(Origin::Native, named(kind, text), |key| *self.native(key) == *raw);
        }
        if let Some(octets) = raw.strip_prefix(&*self.checks) {
            // planb looks a host up as it is spelled: one that is spelled otherwise is of no list here.
            let host = host_of(octets).ok().filter(|host| is_spelled(octets, format_args!("{host}")));
            let key = host.map(|host| FactKey::Frontend { host, path: PathPrefix::root() });
            return key.map_or(Meaning::Other, Meaning::Check);
        }
        if let Some(host) = raw.strip_prefix(&*self.deads) {
            let mut canonical = String::new();
            let Ok(port) = canonical_host(host, &mut canonical) else { return Meaning::Other };
            if let Some(port) = port {
                canonical = format!("{canonical}:{port}");
            }
            return match canonical.as_bytes() == host {
                true => Meaning::Dead(canonical.into()),
                false => Meaning::Other,
            };
        }
        Meaning::Other
    }

    /// A glob (for `SCAN MATCH`) that all keys which may be facts, checks or dead marks match, and few others: their kinds end with
    /// one of these letters.
    pub(super) fn glob(&self) -> String {
        format!("{}*[{LAST}]:*", escape_glob(&self.prefix))
    }

    /// What the keys of facts, checks and dead marks begin with; none of it begins another.
    pub(super) fn starts(&self) -> Vec<Vec<u8>> {
        let own = FactKind::ALL.map(|kind| [&*self.own, kind.name().as_bytes(), b":"].concat());
        [&self.lists, &self.deads, &self.checks].into_iter().cloned().chain(own).collect()
    }

    /// Patterns of the keyspace notifications of our keys in database `db`.
    pub(super) fn keyspace_patterns(&self, db: i64) -> Vec<String> {
        let starts = self.starts().into_iter().map(|start| String::from_utf8_lossy(&start).into_owned());
        starts.map(|start| format!("__keyspace@{db}__:{}*", escape_glob(&start))).collect()
    }
}

fn fact(
    origin: Origin,
    parsed: Result<FactKey, Quarantined>,
    is_canonical: impl Fn(&FactKey) -> bool,
) -> Meaning {
    match parsed {
        Ok(key) => {
            let canonical = is_canonical(&key);
            Meaning::Fact { key, origin, canonical }
        }
        Err(why) => Meaning::Junk(why),
    }
}

/// The kind of a fact that is no frontend, and what stands behind it in the name of its key.
fn of_other_kind(octets: &[u8]) -> Option<(FactKind, &[u8])> {
    let kinds = FactKind::ALL.into_iter().filter(|kind| *kind != FactKind::Frontend);
    kinds
        .into_iter()
        .find_map(|kind| Some((kind, octets.strip_prefix(kind.name().as_bytes())?.strip_prefix(b":")?)))
}

fn named(kind: FactKind, octets: &[u8]) -> Result<FactKey, Quarantined> {
    let text = std::str::from_utf8(octets).map_err(|_| "it is not text".to_owned());
    let key =
        text.and_then(|text| FactKey::parse(&format!("{kind}:{text}")).map_err(|error| error.to_string()));
    key.map_err(|why| Quarantined {
        reason: format!("the key does not name {}: {why}", kind.article_name()).into(),
        remedy: "`DEL` it and write the fact with `portico apply`".into(),
    })
}

/// Whether `octets` are just this text; there may be a million keys, so none is written down for it.
fn is_spelled(octets: &[u8], text: fmt::Arguments<'_>) -> bool {
    struct Rest<'a>(&'a [u8]);
    impl fmt::Write for Rest<'_> {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.0 = self.0.strip_prefix(part.as_bytes()).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    let mut rest = Rest(octets);
    rest.write_fmt(text).is_ok() && rest.0.is_empty()
}

fn host_of(octets: &[u8]) -> Result<HostPattern, Quarantined> {
    let junk = |why: String| {
        Quarantined {
        reason: format!("the key does not name a host: {why}").into(),
        remedy: "`RENAME` it to `frontend:<host>` (a name or an IP address, perhaps with a port; `*.name`; `*`), or `DEL` it"
            .into(),
    }
    };
    let text = std::str::from_utf8(octets).map_err(|_| junk("it is not text".to_owned()))?;
    HostPattern::parse(text).map_err(|error| junk(error.to_string()))
}

fn host_and_path_of(octets: &[u8]) -> Result<(HostPattern, PathPrefix), Quarantined> {
    let slash = octets.iter().position(|&octet| octet == b'/').unwrap_or(octets.len());
    let (host, path) = octets.split_at(slash);
    let host = host_of(host)?;
    if path.is_empty() {
        return Ok((host, PathPrefix::root()));
    }
    let path = std::str::from_utf8(path).map_err(|_| "it is not text".to_owned());
    let path = path.and_then(|path| PathPrefix::parse(path).map_err(|error| error.to_string()));
    path.map(|path| (host, path)).map_err(|why| Quarantined {
        reason: format!("the key's path cannot be one: {why}").into(),
        remedy: "`RENAME` it, or `DEL` it and write the frontend with `portico frontend add`".into(),
    })
}

/// A key as operators see it: what is not printable ASCII escaped as redis-cli does, very long ones cut.
pub(super) fn shown(raw: &[u8]) -> Box<str> {
    let mut text = String::with_capacity(raw.len());
    for &octet in raw {
        match octet {
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(octet)),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\x{octet:02x}");
            }
        }
        if text.len() >= SHOWN {
            text.push('…');
            break;
        }
    }
    text.into()
}

pub(super) fn escape_glob(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &[u8], expected: &str) {
        let meaning = match Names::new("p:").meaning(raw) {
            Meaning::Fact { key, origin, canonical } => format!("{key} {origin:?} {canonical}"),
            Meaning::Junk(why) => format!("junk: {}", why.reason),
            Meaning::Check(key) => format!("check {key}"),
            Meaning::Dead(host) => format!("dead {host}"),
            Meaning::Other => "other".to_owned(),
        };
        assert!(meaning.starts_with(expected), "{:?}: {meaning}", shown(raw));
    }

    #[test]
    fn keys_mean_what_hipache_and_portico_mean_by_them() {
        check(b"p:frontend:www.example.com", "frontend:www.example.com Hipache true");
        check(b"p:frontend:*.example.com", "frontend:*.example.com Hipache true");
        check(b"p:frontend:*", "frontend:* Hipache true");
        check(b"p:frontend:WWW.example.com.", "frontend:www.example.com Hipache false");
        check(b"p:frontend:", "junk: the key does not name a host: the host is empty");
        check(b"p:frontend:a b", "junk: ");
        check(b"p:frontend:a/b", "junk: ");
        check(b"p:frontend:a.example:8080", "frontend:a.example:8080 Hipache true");
        check(b"p:frontend:a:080", "frontend:a:80 Hipache false");
        check(b"p:frontend:*.a:80", "junk: ");
        check(b"p:dead:a.example:8080", "dead a.example:8080");
        check(b"p:tls:a.example", "other");
        check(b"p:healthcheck:a.example", "check frontend:a.example");
        check(b"p:healthcheck:A", "other");
        check(b"p:healthcheck:a b", "other");
        check(b"p:frontend:\xff\xfe", "junk: the key does not name a host: it is not text");
        check(b"p:portico:frontend:a.example/api", "frontend:a.example/api Native true");
        check(b"p:portico:frontend:a.example", "frontend:a.example Native true");
        check(b"p:portico:frontend:a.example/", "frontend:a.example Native false");
        check(b"p:portico:frontend:a.example/a//b", "junk: the key's path");
        check(b"p:dead:www.example.com", "dead www.example.com");
        check(b"p:dead:a b", "other");
        check(b"p:dead:A", "other");
        check(b"frontend:www.example.com", "other");
        check(b"p:portico:service:web", "service:web Native true");
        check(b"p:portico:service:WEB", "service:web Native false");
        check(b"p:portico:instance:web/web-1", "instance:web/web-1 Native true");
        check(b"p:portico:host:node-1", "host:node-1 Native true");
        check(b"p:portico:record:a.example./TXT", "record:a.example./TXT Native true");
        check(b"p:portico:record:A.example/txt", "record:a.example./TXT Native false");
        check(
            b"p:portico:record:a.example.",
            "junk: the key does not name a record set: a record set's key is",
        );
        check(b"p:portico:service:a.b", "junk: the key does not name a service: the name has a character");
        check(b"p:portico:instance:web", "junk: the key does not name an instance: an instance's key is");
        check(b"p:portico:node:1", "other");
        check(b"p:service:web", "other");
        check(b"p:portico:revision", "other");
    }

    #[test]
    fn keys_are_shown_so_that_two_never_look_alike() {
        assert_eq!(&*shown(b"frontend:a\xff\n\\x"), "frontend:a\\xff\\x0a\\\\x");
        assert!(shown(&[b'a'; 2000]).ends_with('…'));
    }

    #[test]
    fn globs_take_the_prefix_literally() {
        assert_eq!(Names::new("a*[b]").glob(), "a\\*\\[b\\]*[degkrt]:*");
    }

    #[test]
    fn keys_of_every_kind_are_listed() {
        let kinds = FactKind::ALL.map(FactKind::name).into_iter().chain(["check", "dead"]);
        let missed: Vec<&str> = kinds.filter(|kind| !kind.ends_with(|last| LAST.contains(last))).collect();
        assert_eq!(missed, Vec::<&str>::new());
    }
}
