//! Request targets (RFC 9112 §3.2) and the one canonical form of a path (RFC 3986 §6.2.2).
//!
//! Unreserved octets are decoded, hexadecimal digits upper-cased, dot segments removed, octets from 0x80 encoded.
//! `//` stays (origins may mean it), and so do encoded slashes and backslashes. A raw backslash is refused:
//! some origins take it for a slash, which would bring dot segments back. The query passes as it came.

use super::span::Span;

/// The target of one request; keeps the capacity of its rewritten form.
#[derive(Debug, Default)]
pub(super) struct Target {
    /// The canonical target in the connection's buffer …
    span: Span,
    /// … unless it had to be rewritten.
    rewritten: Vec<u8>,
    is_rewritten: bool,
    path_len: usize,
    /// `*`.
    is_asterisk: bool,
    /// The authority of an absolute-form.
    pub(super) authority: Option<Span>,
}

/// What a scan of a path found.
enum Shape {
    /// Canonical already; the path ends (and a query may start) here.
    Canonical(usize),
    /// Needs [`rewrite`].
    Raw,
}

impl Target {
    /// Forgets the last target but keeps the capacity.
    pub(super) fn clear(&mut self) {
        self.span = Span::default();
        self.rewritten.clear();
        self.is_rewritten = false;
        self.path_len = 0;
        self.is_asterisk = false;
        self.authority = None;
    }

    /// Reads the target at `span`; CONNECT's authority-form is not read here.
    ///
    /// # Errors
    /// The rule that was broken.
    pub(super) fn read(&mut self, buf: &[u8], span: Span, options: bool) -> Result<(), &'static str> {
        self.is_rewritten = false;
        self.is_asterisk = false;
        self.authority = None;
        self.span = span;
        let raw = span.get(buf);
        match raw {
            [b'/', ..] => self.read_origin_form(buf, span),
            b"*" if options => {
                self.set_asterisk();
                Ok(())
            }
            b"*" => Err("only OPTIONS may ask for *"),
            _ => self.read_absolute_form(buf, span, options),
        }
    }

    /// Takes CONNECT's authority for what it is: nothing to route on.
    pub(super) fn set_authority_form(&mut self, span: Span) {
        self.is_rewritten = false;
        self.is_asterisk = true;
        self.authority = None;
        self.span = span;
        self.path_len = 0;
    }

    fn set_asterisk(&mut self) {
        self.rewritten.clear();
        self.rewritten.push(b'*');
        self.is_rewritten = true;
        self.is_asterisk = true;
        self.path_len = 1;
    }

    fn read_origin_form(&mut self, buf: &[u8], span: Span) -> Result<(), &'static str> {
        let raw = span.get(buf);
        match scan(raw)? {
            Shape::Canonical(path_len) => {
                self.span = span;
                self.path_len = path_len;
            }
            Shape::Raw => {
                self.path_len = rewrite(raw, &mut self.rewritten)?;
                self.is_rewritten = true;
            }
        }
        Ok(())
    }

    /// RFC 9112 §3.2.2. Only `http`: a request for `https` has no business on a plain connection.
    fn read_absolute_form(&mut self, buf: &[u8], span: Span, options: bool) -> Result<(), &'static str> {
        const SCHEME: &[u8] = b"http://";
        let raw = span.get(buf);
        if !raw.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME)) {
            return Err("the target is neither a path nor an http URL");
        }
        let rest = &raw[SCHEME.len()..];
        let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        let start = span.start() + SCHEME.len();
        self.authority = Some(Span::new(start, start + end));
        match rest.get(end) {
            Some(b'/') => self.read_origin_form(buf, Span::new(start + end, span.end())),
            Some(b'?') => {
                check_query(&rest[end..])?;
                self.rewritten.clear();
                self.rewritten.push(b'/');
                self.rewritten.extend_from_slice(&rest[end..]);
                self.is_rewritten = true;
                self.path_len = 1;
                Ok(())
            }
            Some(_) => Err("the target has a fragment"),
            None if options => {
                // RFC 9112 §3.2.4: the last proxy turns this back into `*`.
                self.set_asterisk();
                Ok(())
            }
            None => {
                self.rewritten.clear();
                self.rewritten.push(b'/');
                self.is_rewritten = true;
                self.path_len = 1;
                Ok(())
            }
        }
    }

    /// The canonical path and query, or `*`.
    pub(super) fn get<'a>(&'a self, buf: &'a [u8]) -> &'a [u8] {
        if self.is_rewritten { &self.rewritten } else { self.span.get(buf) }
    }

    /// The canonical path; `/` for `*`, so that it can be routed on.
    pub(super) fn path<'a>(&'a self, buf: &'a [u8]) -> &'a [u8] {
        if self.is_asterisk {
            return b"/";
        }
        self.get(buf).get(..self.path_len).unwrap_or_default()
    }
}

/// What needs a look in a path.
const ORDINARY: u8 = 0;
const DOT: u8 = 1;
const QUERY: u8 = 2;
const REWRITE: u8 = 3;
const BACKSLASH: u8 = 4;
const FRAGMENT: u8 = 5;

static CLASSES: [u8; 256] = {
    let mut classes = [ORDINARY; 256];
    classes[b'.' as usize] = DOT;
    classes[b'?' as usize] = QUERY;
    classes[b'%' as usize] = REWRITE;
    classes[b'\\' as usize] = BACKSLASH;
    classes[b'#' as usize] = FRAGMENT;
    let mut octet = 0x80;
    while octet < 0x100 {
        classes[octet] = REWRITE;
        octet += 1;
    }
    classes
};

/// One pass over a path that starts with `/`, without copying; the usual path is canonical.
fn scan(raw: &[u8]) -> Result<Shape, &'static str> {
    for (i, &octet) in raw.iter().enumerate() {
        match CLASSES[usize::from(octet)] {
            ORDINARY => {}
            DOT => {
                if is_dot_segment(&raw[..i], &raw[i..]) {
                    return Ok(Shape::Raw);
                }
            }
            QUERY => {
                check_query(&raw[i..])?;
                return Ok(Shape::Canonical(i));
            }
            REWRITE => return Ok(Shape::Raw),
            BACKSLASH => return Err("the path has a backslash"),
            _ => return Err("the target has a fragment"),
        }
    }
    Ok(Shape::Canonical(raw.len()))
}

fn is_dot_segment(before: &[u8], from_dot: &[u8]) -> bool {
    if before.last() != Some(&b'/') {
        return false;
    }
    let rest = match from_dot {
        [b'.', b'.', rest @ ..] | [b'.', rest @ ..] => rest,
        _ => return false,
    };
    matches!(rest.first(), None | Some(b'/' | b'?'))
}

fn check_query(query: &[u8]) -> Result<(), &'static str> {
    if memchr::memchr(b'#', query).is_some() { Err("the target has a fragment") } else { Ok(()) }
}

/// Writes the canonical form of `raw` over `out` and returns how long its path is.
fn rewrite(raw: &[u8], out: &mut Vec<u8>) -> Result<usize, &'static str> {
    out.clear();
    let path_end = memchr::memchr(b'?', raw).unwrap_or(raw.len());
    let (path, query) = raw.split_at(path_end);
    check_query(query)?;
    let mut rest = path;
    while let [octet, tail @ ..] = rest {
        rest = tail;
        match CLASSES[usize::from(*octet)] {
            BACKSLASH => return Err("the path has a backslash"),
            FRAGMENT => return Err("the target has a fragment"),
            REWRITE if *octet == b'%' => {
                let [high, low, tail @ ..] = rest else {
                    return Err("the path has a malformed percent code");
                };
                let (Some(high), Some(low)) = (hex_value(*high), hex_value(*low)) else {
                    return Err("the path has a malformed percent code");
                };
                rest = tail;
                push_canonical(high << 4 | low, out);
            }
            REWRITE => push_encoded(*octet, out),
            _ => out.push(*octet),
        }
    }
    remove_dot_segments(out);
    let path_len = out.len();
    out.extend_from_slice(query);
    Ok(path_len)
}

/// An octet that came percent-encoded.
fn push_canonical(octet: u8, out: &mut Vec<u8>) {
    if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') {
        out.push(octet);
    } else {
        push_encoded(octet, out);
    }
}

fn push_encoded(octet: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.extend_from_slice(&[b'%', HEX[usize::from(octet >> 4)], HEX[usize::from(octet & 15)]]);
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// RFC 3986 §5.2.4, in place: segments move to the front, `..` takes back the one before it.
fn remove_dot_segments(path: &mut Vec<u8>) {
    let mut written = 0;
    let mut read = 0;
    while read < path.len() {
        // `read` stands on the slash that opens a segment.
        let start = read + 1;
        let end = memchr::memchr(b'/', &path[start..]).map_or(path.len(), |i| start + i);
        let is_last = end == path.len();
        match &path[start..end] {
            b"." | b".." => {
                if end - start == 2 {
                    written = memchr::memrchr(b'/', &path[..written]).unwrap_or(0);
                }
                if is_last {
                    path[written] = b'/';
                    written += 1;
                }
            }
            _ => {
                path.copy_within(read..end, written);
                written += end - read;
            }
        }
        read = end;
    }
    path.truncate(written);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: Result<(&str, &str), &str>) {
        let mut target = Target::default();
        let read = target.read(raw.as_bytes(), Span::new(0, raw.len()), false);
        let found = read.map(|()| (target.path(raw.as_bytes()), target.get(raw.as_bytes())));
        assert_eq!(found, expected.map(|(path, all)| (path.as_bytes(), all.as_bytes())), "{raw}");
    }

    #[test]
    fn a_canonical_path_is_not_copied() {
        for raw in ["/", "/a/b.c/.well-known/..d", "/a//b", "/?..", "/~a-b_c?%2e"] {
            let mut target = Target::default();
            assert_eq!(target.read(raw.as_bytes(), Span::new(0, raw.len()), false), Ok(()), "{raw}");
            assert!(!target.is_rewritten, "{raw}");
            assert_eq!(target.get(raw.as_bytes()), raw.as_bytes());
        }
    }

    #[test]
    fn a_path_has_one_canonical_form_and_its_query_none() {
        check("/%7Ea/%2e%2E/b%2fc?%2e/../", Ok(("/b%2Fc", "/b%2Fc?%2e/../")));
        check("/é", Ok(("/%C3%A9", "/%C3%A9")));
        check("/a/../..?x", Ok(("/", "/?x")));
        check("http://h?x", Ok(("/", "/?x")));
        check("http://h/./x", Ok(("/x", "/x")));
        check("/%4", Err("the path has a malformed percent code"));
        check("/a\\b", Err("the path has a backslash"));
        check("/a#b", Err("the target has a fragment"));
        check("*", Err("only OPTIONS may ask for *"));
        check("https://h/", Err("the target is neither a path nor an http URL"));
    }
}
