//! What EDNS options of a question say (RFC 6891 §6.1.2), read without an allocation.

/// NSID (RFC 5001).
pub(super) const NSID: u16 = 3;
/// COOKIE (RFC 7873).
pub(super) const COOKIE: u16 = 10;
/// edns-tcp-keepalive (RFC 7828).
pub(super) const KEEPALIVE: u16 = 11;
/// Extended DNS Error (RFC 8914).
pub(super) const EXTENDED: u16 = 15;

/// The octets of a client's cookie.
pub const CLIENT_COOKIE: usize = 8;

/// The options that are known; others are ignored (RFC 6891 §6.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options<'m> {
    /// The first cookie; others are ignored (RFC 7873 §5.2).
    pub cookie: Option<Cookie<'m>>,
    /// The client wants to know who answers. What it says beside is ignored (RFC 5001 §2.1).
    pub nsid: bool,
    /// The client wants to know how long a connection may be idle.
    pub keepalive: bool,
}

/// A cookie as a client sends it (RFC 7873 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookie<'m> {
    /// The client's own part.
    pub client: [u8; CLIENT_COOKIE],
    /// What a server gave it: nothing, or 8 to 32 octets.
    pub server: &'m [u8],
}

/// Why options cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// They are cut: it cannot be said where one ends.
    Cut,
    /// One that is known has a length that it cannot have.
    Length,
}

/// Reads the data of an OPT record.
pub(super) fn read(mut data: &[u8]) -> Result<Options<'_>, Wrong> {
    let mut options = Options::default();
    let mut wrong = None;
    while !data.is_empty() {
        let (head, rest) = data.split_first_chunk().ok_or(Wrong::Cut)?;
        let &[high, low, long, short] = head;
        let length = usize::from(u16::from_be_bytes([long, short]));
        let (said, rest) = rest.split_at_checked(length).ok_or(Wrong::Cut)?;
        data = rest;
        match u16::from_be_bytes([high, low]) {
            NSID => options.nsid = true,
            COOKIE if options.cookie.is_none() => match cookie(said) {
                Some(cookie) => options.cookie = Some(cookie),
                None => wrong = Some(Wrong::Length),
            },
            KEEPALIVE if matches!(said.len(), 0 | 2) => options.keepalive = true,
            KEEPALIVE => wrong = Some(Wrong::Length),
            _ => {}
        }
    }
    wrong.map_or(Ok(options), Err)
}

/// A cookie has 8 octets, or 16 to 40 (RFC 7873 §5.2.2).
fn cookie(said: &[u8]) -> Option<Cookie<'_>> {
    let (&client, server) = said.split_first_chunk()?;
    matches!(server.len(), 0 | 8..=32).then_some(Cookie { client, server })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn option(code: u16, said: &[u8]) -> Vec<u8> {
        let length = u16::try_from(said.len()).expect("short").to_be_bytes();
        [&code.to_be_bytes()[..], &length, said].concat()
    }

    #[test]
    fn known_options_are_read_and_others_are_not_looked_at() {
        let long = [7; 41];
        let check = |parts: &[Vec<u8>], expected: Result<Options<'_>, Wrong>| {
            assert_eq!(read(&parts.concat()), expected, "{parts:02x?}");
        };
        let client = [7; 8];
        let with = |server| Ok(Options { cookie: Some(Cookie { client, server }), ..Options::default() });
        let none = Options::default();
        check(&[], Ok(none));
        check(&[option(100, b"x"), option(65_001, &long)], Ok(none));
        for length in [8, 16, 17, 39, 40] {
            check(&[option(COOKIE, &long[..length])], with(&long[8..length]));
        }
        for length in [0, 1, 7, 9, 15, 41] {
            check(&[option(COOKIE, &long[..length])], Err(Wrong::Length));
        }
        check(&[option(COOKIE, &client), option(COOKIE, &long)], with(&[]));
        check(&[option(NSID, b"")], Ok(Options { nsid: true, ..none }));
        check(&[option(NSID, b"more")], Ok(Options { nsid: true, ..none }));
        check(&[option(KEEPALIVE, b"")], Ok(Options { keepalive: true, ..none }));
        check(&[option(KEEPALIVE, b"\0\x05")], Ok(Options { keepalive: true, ..none }));
        check(&[option(KEEPALIVE, b"\0")], Err(Wrong::Length));
        check(&[option(KEEPALIVE, b"\0"), vec![0]], Err(Wrong::Cut));
        check(&[vec![0, 10, 0, 8, 1]], Err(Wrong::Cut));
    }

    proptest! {
        #[test]
        fn any_octets_are_options_or_wrong(octets in prop::collection::vec(prop_oneof![0_u8..20, any::<u8>()], 0..120)) {
            if let Ok(options) = read(&octets) && let Some(cookie) = options.cookie {
                let whole = [&cookie.client[..], cookie.server].concat();
                let written = option(COOKIE, &whole);
                prop_assert!(octets.windows(written.len()).any(|at| at == written));
            }
        }
    }
}
