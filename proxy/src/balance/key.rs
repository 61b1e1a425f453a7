//! What of a request decides where a hashing route sends it.

use std::net::IpAddr;

use model::{BalanceKind, HashKey};

use super::hash::Stable;

/// The hash of what a route hashes: the client's address, a header's or a cookie's value. Taken once for an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestKey(u64);

impl RequestKey {
    /// The key of routes that do not hash.
    pub const NONE: Self = Self(0);

    /// The key of a request; `header` finds a header's value by its lower-case name and is called at most once.
    pub(crate) fn of<'a>(
        kind: &BalanceKind,
        client: impl FnOnce() -> IpAddr,
        header: impl FnOnce(&str) -> Option<&'a [u8]>,
    ) -> Self {
        let BalanceKind::Hash(key) = kind else { return Self::NONE };
        let value = match key {
            HashKey::ClientAddress => None,
            HashKey::Header(name) => header(name),
            HashKey::Cookie(name) => header("cookie").and_then(|line| cookie(line, name.as_bytes())),
        };
        // An empty value names nobody: all who send it would end up at one endpoint.
        match value.filter(|value| !value.is_empty()) {
            Some(value) => Self(Stable::of(value)),
            None => Self::of_client(client()),
        }
    }

    fn of_client(client: IpAddr) -> Self {
        // A listener on [::] sees IPv4 clients as ::ffff:a.b.c.d; they are the same clients.
        match client.to_canonical() {
            IpAddr::V4(ip) => Self(Stable::of(&ip.octets())),
            IpAddr::V6(ip) => Self(Stable::of(&ip.octets())),
        }
    }

    pub(super) const fn number(self) -> u64 {
        self.0
    }
}

/// The value of the first cookie called `name` in a `Cookie` field (RFC 6265 §4.2.1).
fn cookie<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    line.split(|&octet| octet == b';').find_map(|pair| {
        let rest = pair.trim_ascii().strip_prefix(name)?;
        rest.trim_ascii_start().strip_prefix(b"=").map(<[u8]>::trim_ascii)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, name: &str, expected: Option<&str>) {
        let found = cookie(line.as_bytes(), name.as_bytes());
        assert_eq!(found, expected.map(str::as_bytes), "cookie {name:?} of {line:?}");
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        check("sid=1", "sid", Some("1"));
        check("a=b; sid=1; c=d", "sid", Some("1"));
        check("a=b;sid = 1 ", "sid", Some("1"));
        check("xsid=2; sid=1; sid=3", "sid", Some("1"));
        check("sidx=2", "sid", None);
        check("sid", "sid", None);
        check("sid=", "sid", Some(""));
        check("sid=a=b", "sid", Some("a=b"));
        check("", "sid", None);
    }

    fn key(kind: HashKey, client: &str, value: Option<&str>) -> RequestKey {
        let client = client.parse().expect("an address");
        RequestKey::of(&BalanceKind::Hash(kind), || client, |_| value.map(str::as_bytes))
    }

    #[test]
    fn a_header_decides_and_without_it_the_client() {
        let header = || HashKey::Header("x-user".into());
        assert_eq!(key(header(), "10.0.0.1", Some("ann")), key(header(), "10.0.0.2", Some("ann")));
        assert_ne!(key(header(), "10.0.0.1", Some("ann")), key(header(), "10.0.0.1", Some("bob")));
        assert_eq!(key(header(), "10.0.0.1", None), key(HashKey::ClientAddress, "10.0.0.1", None));
        assert_eq!(key(header(), "10.0.0.1", Some("")), key(HashKey::ClientAddress, "10.0.0.1", None));
    }

    #[test]
    fn a_client_is_the_same_through_either_family() {
        let by = |client| key(HashKey::ClientAddress, client, None);
        assert_eq!(by("10.0.0.1"), by("::ffff:10.0.0.1"));
        assert_ne!(by("10.0.0.1"), by("10.0.0.2"));
    }

    #[test]
    fn routes_that_do_not_hash_look_at_nothing() {
        let key = RequestKey::of(
            &BalanceKind::RandomOfTwo,
            || panic!("no address is needed"),
            |_| panic!("no header is needed"),
        );
        assert_eq!(key, RequestKey::NONE);
    }
}
