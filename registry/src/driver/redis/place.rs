//! Where a Redis registry is, in hipache's own syntax.

use std::fmt;
use std::sync::Arc;

use super::sentinel::Sentinels;
use crate::UrlError;

/// The port of a URL that names none.
const PORT: u16 = 6379;
/// The port of a sentinel that names none.
const SENTINEL_PORT: u16 = 26379;
/// The most sentinels.
const MAX_SENTINELS: usize = 32;
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
    /// Where it is; meaningless while only `sentinels` know.
    pub(super) host: String,
    pub(super) port: u16,
    /// Who know which server it is now.
    pub(super) sentinels: Option<Arc<Sentinels>>,
    /// Whether TLS is spoken.
    pub(super) tls: bool,
    /// Which authorities it is believed for, as PEM; `None`: the system's.
    pub(super) roots: Option<Arc<Vec<u8>>>,
    pub(super) db: i64,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

impl Place {
    /// Parses `redis://[[user]:password@]host:port/db#prefix` (all parts optional), `rediss://…` for TLS, or
    /// `redis+sentinel://[[user]:password@]a:port,b:port/master/db#prefix`; `write`: where to write, when elsewhere.
    /// The prefix is the first URL's, as in hipache.
    ///
    /// # Errors
    /// [`UrlError`] names the URL (its password hidden) and what is wrong.
    pub fn parse(read: &str, write: Option<&str>) -> Result<Self, UrlError> {
        let url = read;
        let (read, prefix) = parse_url(read)?;
        let write = write.map(parse_url).transpose()?.map(|(server, _)| server);
        if let Some(write) = &write
            && (read.sentinels.is_some() || write.sentinels.is_some())
        {
            let reason =
                "sentinels name the one server to read from and to write to; write one URL".to_owned();
            return Err(UrlError { url: hide_password(url), reason });
        }
        Ok(Self { write: write.filter(|write| *write != read), read, prefix })
    }

    /// Believes servers for these authorities only, as PEM.
    pub(super) fn trust(&mut self, roots: &Arc<Vec<u8>>) {
        for server in [Some(&mut self.read), self.write.as_mut()].into_iter().flatten() {
            server.roots = Some(Arc::clone(roots));
        }
    }

    /// The server that takes the writes.
    pub(super) fn writer(&self) -> &Server {
        self.write.as_ref().unwrap_or(&self.read)
    }
}

fn parse_url(url: &str) -> Result<(Server, String), UrlError> {
    let wrong = |reason: &str| UrlError { url: hide_password(url), reason: reason.to_owned() };
    let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
    let (tls, by_sentinels) = match scheme {
        "redis" => (false, false),
        "rediss" => (true, false),
        "redis+sentinel" => (false, true),
        "rediss+sentinel" => (true, true),
        _ => return Err(wrong("write `redis://[:password@]host:port/db#prefix`")),
    };
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (rest, prefix) = rest.split_once('#').unwrap_or((rest, ""));
    if prefix.len() > MAX_PREFIX {
        return Err(wrong("the prefix behind `#` is longer than 256 octets"));
    }
    // A password may hold a slash; the last `@` ends it.
    let (auth, rest) = rest.rsplit_once('@').map_or((None, rest), |(auth, rest)| (Some(auth), rest));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (master, db) = if by_sentinels { path.split_once('/').unwrap_or((path, "")) } else { ("", path) };
    let db = match db.trim_end_matches('/') {
        "" => 0,
        db => db.parse::<u16>().map_err(|_| {
            wrong("what follows the `/` is the number of a database, as in `redis://host:6379/2`")
        })?,
    };
    let no_port = || wrong("the port is not a number from 1 to 65535");
    let (host, port, sentinels) = if by_sentinels {
        let names = "name the sentinels and their master, as in `redis+sentinel://a:26379,b:26379/mymaster`";
        let at: Vec<&str> = authority.split(',').filter(|at| !at.is_empty()).collect();
        if master.is_empty() || at.is_empty() || at.len() > MAX_SENTINELS {
            return Err(wrong(names));
        }
        let at = at.into_iter().map(|at| split_port(at, SENTINEL_PORT)).collect::<Option<_>>();
        let sentinels =
            Sentinels { at: at.ok_or_else(no_port)?, master: decode(master).ok_or_else(|| wrong(names))? };
        (String::new(), 0, Some(Arc::new(sentinels)))
    } else {
        let (host, port) = split_port(authority, PORT).ok_or_else(no_port)?;
        (host, port, None)
    };
    let (user, password) = match auth.map(|auth| auth.split_once(':').unwrap_or(("", auth))) {
        None => (None, None),
        Some((user, password)) => {
            let decode =
                |text| decode(text).ok_or_else(|| wrong("the password has a `%` that encodes nothing"));
            (Some(decode(user)?).filter(|user| !user.is_empty()), Some(decode(password)?))
        }
    };
    // A user without a password says so: not to log in at all would make it the server's `default` one.
    let password = password.filter(|password| user.is_some() || !password.is_empty());
    let server = Server { host, port, sentinels, tls, roots: None, db: db.into(), user, password };
    Ok((server, prefix.to_owned()))
}

/// `host:port` with both parts optional; an IPv6 address stands in brackets.
fn split_port(authority: &str, default: u16) -> Option<(String, u16)> {
    let (host, port) = match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => (&authority[..colon], &authority[colon + 1..]),
        _ => (authority, ""),
    };
    let port = if port.is_empty() { default } else { port.parse().ok().filter(|&port| port > 0)? };
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
        Some((_, rest)) => {
            format!("{}://…@{rest}", url.split_once(':').map_or("redis", |(scheme, _)| scheme))
        }
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
        f.write_str(if self.tls { "rediss" } else { "redis" })?;
        f.write_str(if self.sentinels.is_some() { "+sentinel://" } else { "://" })?;
        match (&self.user, &self.password) {
            (Some(user), Some(_)) => write!(f, "{user}:…@")?,
            (None, Some(_)) => f.write_str(":…@")?,
            _ => {}
        }
        match &self.sentinels {
            Some(sentinels) => sentinels.fmt(f)?,
            None => f.write_str(&authority(&self.host, self.port))?,
        }
        if self.db != 0 { write!(f, "/{}", self.db) } else { Ok(()) }
    }
}

/// `host:port`, an IPv6 address in brackets.
pub(super) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
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
    fn tls_and_sentinels_are_schemes_of_their_own() {
        check("rediss://:secret@cache/2#x", Ok("rediss://:…@cache:6379/2#x"));
        check("redis+sentinel://a,b:1,[::1]/m", Ok("redis+sentinel://a:26379,b:1,[::1]:26379/m"));
        check("redis+sentinel://u:secret@a/m/3#x:", Ok("redis+sentinel://u:…@a:26379/m/3#x:"));
        check("rediss+sentinel://a/m/", Ok("rediss+sentinel://a:26379/m"));
        let pair = Place::parse("redis+sentinel://a/m", Some("redis://b")).expect_err("a pair");
        assert!(pair.to_string().contains("write one URL"), "{pair}");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        check("redis://:secret@host/x", Err("number of a database"));
        check("redis://:secret@host:x", Err("port"));
        check("redis://:secret@host:0", Err("port"));
        check("redis://:%zzsecret@host", Err("encodes nothing"));
        check("rediz://host", Err("write `redis://"));
        check("redis+sentinel://:secret@a,b", Err("name the sentinels and their master"));
        check("redis+sentinel:///m", Err("name the sentinels and their master"));
        check("redis+sentinel://a:0/m", Err("port"));
    }

    #[test]
    fn passwords_are_as_hipache_reads_them() {
        let password = |url| Place::parse(url, None).expect("place").read.password;
        assert_eq!(password("redis://:a%40b%2F@h").as_deref(), Some("a@b/"));
        assert_eq!(password("redis://plain@h").as_deref(), Some("plain"));
        assert_eq!(password("redis://:with/slash@h").as_deref(), Some("with/slash"));
        assert_eq!(password("redis://h"), None);
        assert_eq!(password("redis://:@h"), None);
        assert_eq!(password("redis://portico:@h").as_deref(), Some(""), "a user of no password logs in");
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
