//! Where a Redis registry is, in hipache's own syntax.

use std::fmt;

use crate::UrlError;

/// The port of a URL that names none.
const PORT: u16 = 6379;
/// The longest prefix, in octets.
const MAX_PREFIX: usize = 256;

/// Where a Redis registry is: one server, or one to read and another to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub(super) read: Server,
    /// Where to write, when elsewhere.
    pub(super) write: Option<Server>,
    /// What all keys begin with.
    pub(super) prefix: String,
}

/// One Redis server and what to tell it first.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) db: i64,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

impl Place {
    /// Parses `redis://[:password@]host:port/db#prefix` (all parts optional); `write`: where to write, when elsewhere.
    /// The prefix is the first URL's, as in hipache.
    ///
    /// # Errors
    /// [`UrlError`] names the URL (its password hidden) and what is wrong.
    pub fn parse(read: &str, write: Option<&str>) -> Result<Self, UrlError> {
        let (read, prefix) = parse_url(read)?;
        let write = write.map(parse_url).transpose()?.map(|(server, _)| server);
        Ok(Self { write: write.filter(|write| *write != read), read, prefix })
    }

    /// The server that takes the writes.
    pub(super) fn writer(&self) -> &Server {
        self.write.as_ref().unwrap_or(&self.read)
    }
}

fn parse_url(url: &str) -> Result<(Server, String), UrlError> {
    let wrong = |reason: &str| UrlError { url: hide_password(url), reason: reason.to_owned() };
    let rest =
        url.strip_prefix("redis:").ok_or_else(|| wrong("write `redis://[:password@]host:port/db#prefix`"))?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (rest, prefix) = rest.split_once('#').unwrap_or((rest, ""));
    if prefix.len() > MAX_PREFIX {
        return Err(wrong("the prefix behind `#` is longer than 256 octets"));
    }
    // A password may hold a slash; the last `@` ends it.
    let (auth, rest) = rest.rsplit_once('@').map_or((None, rest), |(auth, rest)| (Some(auth), rest));
    let (authority, db) = rest.split_once('/').unwrap_or((rest, ""));
    let db = match db.trim_end_matches('/') {
        "" => 0,
        db => db.parse::<u16>().map_err(|_| {
            wrong("what follows the `/` is the number of a database, as in `redis://host:6379/2`")
        })?,
    };
    let (host, port) =
        split_port(authority).ok_or_else(|| wrong("the port is not a number from 1 to 65535"))?;
    let (user, password) = match auth.map(|auth| auth.split_once(':').unwrap_or(("", auth))) {
        None => (None, None),
        Some((user, password)) => {
            let decode =
                |text| decode(text).ok_or_else(|| wrong("the password has a `%` that encodes nothing"));
            (Some(decode(user)?).filter(|user| !user.is_empty()), Some(decode(password)?))
        }
    };
    let password = password.filter(|password| !password.is_empty());
    Ok((Server { host, port, db: db.into(), user, password }, prefix.to_owned()))
}

/// `host:port` with both parts optional; an IPv6 address stands in brackets.
fn split_port(authority: &str) -> Option<(String, u16)> {
    let (host, port) = match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => (&authority[..colon], &authority[colon + 1..]),
        _ => (authority, ""),
    };
    let port = if port.is_empty() { PORT } else { port.parse().ok().filter(|&port| port > 0)? };
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    Some((if host.is_empty() { "127.0.0.1" } else { host }.to_owned(), port))
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            octets.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            octets.push(first);
            rest = tail;
        }
    }
    String::from_utf8(octets).ok()
}

/// A URL that could not be parsed, without what may be a password.
fn hide_password(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((_, rest)) => format!("redis://…@{rest}"),
        None => url.to_owned(),
    }
}

/// The URL, a password hidden.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read.fmt(f)?;
        if !self.prefix.is_empty() {
            write!(f, "#{}", self.prefix)?;
        }
        if let Some(write) = &self.write {
            write!(f, " (writes to {write})")?;
        }
        Ok(())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redis://")?;
        match (&self.user, &self.password) {
            (Some(user), Some(_)) => write!(f, "{user}:…@")?,
            (None, Some(_)) => f.write_str(":…@")?,
            _ => {}
        }
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port)?,
            false => write!(f, "{}:{}", self.host, self.port)?,
        }
        if self.db != 0 { write!(f, "/{}", self.db) } else { Ok(()) }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: Result<&str, &str>) {
        match (Place::parse(url, None), expected) {
            (Ok(place), Ok(text)) => assert_eq!(place.to_string(), text, "{url}"),
            (Err(error), Err(part)) => {
                assert!(error.to_string().contains(part), "{url}: {error}");
                assert!(!error.to_string().contains("secret"), "{error}");
            }
            (place, _) => panic!("{url}: {place:?}"),
        }
    }

    #[test]
    fn every_part_of_the_url_is_optional() {
        check("redis:", Ok("redis://127.0.0.1:6379"));
        check("redis://", Ok("redis://127.0.0.1:6379"));
        check("redis://#p:", Ok("redis://127.0.0.1:6379#p:"));
        check("redis:///2", Ok("redis://127.0.0.1:6379/2"));
        check("redis://:6380", Ok("redis://127.0.0.1:6380"));
        check("redis://:secret@", Ok("redis://:…@127.0.0.1:6379"));
        check("redis://:secret@cache:6380/3#x", Ok("redis://:…@cache:6380/3#x"));
        check("redis://u:secret@cache/", Ok("redis://u:…@cache:6379"));
        check("redis://[::1]:6380", Ok("redis://[::1]:6380"));
        check("redis://[::1]", Ok("redis://[::1]:6379"));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        check("redis://:secret@host/x", Err("number of a database"));
        check("redis://:secret@host:x", Err("port"));
        check("redis://:secret@host:0", Err("port"));
        check("redis://:%zzsecret@host", Err("encodes nothing"));
        check("rediss://host", Err("write `redis://"));
    }

    #[test]
    fn passwords_are_as_hipache_reads_them() {
        let password = |url| Place::parse(url, None).expect("place").read.password;
        assert_eq!(password("redis://:a%40b%2F@h").as_deref(), Some("a@b/"));
        assert_eq!(password("redis://plain@h").as_deref(), Some("plain"));
        assert_eq!(password("redis://:with/slash@h").as_deref(), Some("with/slash"));
        assert_eq!(password("redis://h"), None);
    }

    #[test]
    fn a_pair_reads_and_writes_at_two_places() {
        let pair = Place::parse("redis://a:1#p", Some("redis://:secret@b:2/3")).expect("pair");
        assert_eq!(pair.to_string(), "redis://a:1#p (writes to redis://:…@b:2/3)");
        assert_eq!(pair.writer().port, 2);
        let same = Place::parse("redis://a:1#p", Some("redis://a:1")).expect("pair");
        assert_eq!(same.write, None);
    }
}
