//! Request heads: parsed, checked by all rules of RFC 9112 that guard against smuggling, brought into canonical form.

use std::mem::MaybeUninit;

use model::canonical_host;

use super::error::RequestError;
use super::fields::{FieldName, Fields};
use super::framing::Framing;
use super::method::Method;
use super::response::Asked;
use super::span::Span;
use super::target::Target;
use super::{Limits, Parsed, Version};

/// Fields parsed without an allocation; only a head with more (where [`Limits::headers`] allows it) needs one.
pub(super) const INLINE_FIELDS: usize = 128;

/// The head of one request. Reused from request to request, it keeps its capacity.
///
/// What it says is about a call of [`Self::parse`] that gave [`Parsed::Complete`], after any other it is empty;
/// methods that take `buf` want the buffer of that call.
#[derive(Debug, Default)]
pub struct RequestHead {
    len: usize,
    method: Method,
    version: Version,
    host: String,
    port: Option<u16>,
    pub(super) target: Target,
    framing: Framing,
    keep_alive: bool,
    pub(super) fields: Fields,
}

impl RequestHead {
    /// An empty head.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses the request head at the start of `buf`, which may hold more or not all of it.
    ///
    /// One empty line before the request line is skipped (RFC 9112 §2.2). Octets behind the head are not
    /// looked at. The limits hold for partial heads too.
    ///
    /// # Errors
    /// [`RequestError`]; the connection cannot be used after the answer.
    pub fn parse(&mut self, buf: &[u8], limits: &Limits) -> Result<Parsed, RequestError> {
        let parsed = self.read(buf, limits);
        if parsed != Ok(Parsed::Complete) {
            self.clear();
        }
        parsed
    }

    /// Forgets the last request but keeps the capacity, so that no log can take its words for the next one's.
    fn clear(&mut self) {
        self.len = 0;
        self.method = Method::default();
        self.version = Version::default();
        self.host.clear();
        self.port = None;
        self.target.clear();
        self.framing = Framing::default();
        self.keep_alive = false;
        self.fields.clear();
    }

    fn read(&mut self, buf: &[u8], limits: &Limits) -> Result<Parsed, RequestError> {
        let skipped = match buf {
            [b'\r', b'\n', ..] => 2,
            [] | [b'\r'] => return Ok(Parsed::Partial),
            _ => 0,
        };
        let window = &buf[..buf.len().min(skipped + head_limit(limits))];
        let text = &window[skipped..];
        if let [b'\r' | b'\n', ..] = text {
            return Err(RequestError::BadRequest("empty lines before the request line"));
        }
        let mut slots = [const { MaybeUninit::uninit() }; INLINE_FIELDS];
        let inline = limits.headers.min(INLINE_FIELDS);
        let mut more = Vec::new();
        let mut request = httparse::Request::new(&mut []);
        let mut result = request.parse_with_uninit_headers(text, &mut slots[..inline]);
        if result == Err(httparse::Error::TooManyHeaders) && limits.headers > INLINE_FIELDS {
            more.resize_with(most_fields(text, limits), MaybeUninit::uninit);
            request = httparse::Request::new(&mut []);
            result = request.parse_with_uninit_headers(text, &mut more);
        }
        match result {
            Ok(httparse::Status::Complete(len)) => {
                self.len = skipped + len;
                self.accept(window, skipped, &request, limits)?;
                Ok(Parsed::Complete)
            }
            Ok(httparse::Status::Partial) => {
                check_line(text, limits)?;
                if text.len() >= head_limit(limits) {
                    return Err(RequestError::HeadTooLarge);
                }
                Ok(Parsed::Partial)
            }
            Err(error) => {
                check_line(text, limits)?;
                Err(refuse(error, text))
            }
        }
    }

    /// Checks a complete head and keeps what it says.
    fn accept(
        &mut self,
        buf: &[u8],
        skipped: usize,
        request: &httparse::Request<'_, '_>,
        limits: &Limits,
    ) -> Result<(), RequestError> {
        let bad = RequestError::BadRequest;
        let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version)
        else {
            return Err(bad("incomplete request line"));
        };
        self.version = if version == 0 { Version::Http10 } else { Version::Http11 };
        self.fields.read(buf, self.len, request.headers).map_err(bad)?;
        let line_end = self.fields.list.first().map_or(self.len - 2, |first| first.name.start());
        if line_end - 2 - skipped > limits.request_line {
            return Err(RequestError::UriTooLong);
        }
        self.method = Method::classify(method.as_bytes(), Span::of(method.as_bytes(), buf));
        let target = Span::of(target.as_bytes(), buf);
        match self.method {
            Method::Connect => self.target.set_authority_form(target),
            _ => self.target.read(buf, target, self.method == Method::Options).map_err(bad)?,
        }
        self.settle_host(buf)?;
        self.settle_by_version()
    }

    /// `Host` must be there once and well-formed, also where the target's authority takes its place
    /// (RFC 9112 §3.2.2).
    fn settle_host(&mut self, buf: &[u8]) -> Result<(), RequestError> {
        let host = self.fields.summary.host.ok_or(RequestError::NoHost)?;
        if self.fields.summary.repeated_host {
            return Err(RequestError::BadRequest("more than one Host"));
        }
        let malformed = |_| RequestError::BadRequest("the host is malformed");
        self.port = canonical_host(host.get(buf), &mut self.host).map_err(malformed)?;
        if self.method == Method::Connect {
            let authority = self.target.get(buf);
            let port = canonical_host(authority, &mut self.host).map_err(malformed)?;
            self.port = Some(port.ok_or(RequestError::BadRequest("CONNECT without a port"))?);
        } else if let Some(authority) = self.target.authority {
            self.port = canonical_host(authority.get(buf), &mut self.host).map_err(malformed)?;
        }
        Ok(())
    }

    /// Framing, persistence and expectations, which HTTP/1.0 knows less of.
    fn settle_by_version(&mut self) -> Result<(), RequestError> {
        let summary = &mut self.fields.summary;
        self.framing = match (summary.chunked, summary.content_length) {
            (true, _) => Framing::Chunked,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => Framing::None,
        };
        match self.version {
            Version::Http11 => {
                if summary.unknown_expectation {
                    return Err(RequestError::ExpectationFailed);
                }
                self.keep_alive = !summary.close;
            }
            Version::Http10 => {
                if summary.chunked {
                    return Err(RequestError::BadRequest("Transfer-Encoding on HTTP/1.0"));
                }
                self.keep_alive = summary.keep_alive && !summary.close;
                summary.upgrade = None;
                // RFC 9110 §10.1.1: ignored, and what is forwarded is HTTP/1.1.
                summary.expects_continue = false;
                for field in &mut self.fields.list {
                    field.end_to_end &= field.class != FieldName::Expect;
                }
            }
        }
        Ok(())
    }

    /// How many octets of the buffer belong to the head, with the empty line that ends it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True before the first head was parsed.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The method as it came.
    pub fn method_text<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        self.method.text(buf)
    }

    /// What the client speaks.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The host that is asked for: lower case, without port and trailing dot, IPv6 in brackets and RFC 5952 spelling.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port that is asked for, where one is named.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The canonical target in origin-form, with its query: what the origin sees. `*` for OPTIONS of the whole
    /// server, `host:port` for CONNECT.
    pub fn target<'a>(&'a self, buf: &'a [u8]) -> &'a [u8] {
        self.target.get(buf)
    }

    /// The canonical path without the query: what is routed on. `/` for `*` and for CONNECT.
    pub fn path<'a>(&'a self, buf: &'a [u8]) -> &'a [u8] {
        self.target.path(buf)
    }

    /// How long the body is; never [`Framing::UntilClose`].
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// True when the client wants to use the connection again.
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// True when the client waits for a 100 before it sends the body.
    pub fn expects_continue(&self) -> bool {
        self.fields.summary.expects_continue
    }

    /// The protocol the client wants to change to (`websocket`); `h2c` is never one.
    pub fn upgrade<'a>(&self, buf: &'a [u8]) -> Option<&'a [u8]> {
        self.fields.summary.upgrade.map(|span| span.get(buf))
    }

    /// What reading the answer takes to know.
    pub fn asked(&self) -> Asked {
        Asked { head: self.method == Method::Head, upgrade: self.fields.summary.upgrade.is_some() }
    }

    /// The value of the first field called `name` (in lower case), if it does not end at this hop.
    pub fn header<'a>(&self, buf: &'a [u8], name: &str) -> Option<&'a [u8]> {
        self.fields.get(buf, name)
    }

    /// Names (as they came) and values of all fields that do not end at this hop, in their order.
    pub fn headers<'a>(&'a self, buf: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.fields.iter(buf)
    }
}

/// How many fields `text` can hold: none is shorter than `a:` and a line end.
pub(super) fn most_fields(text: &[u8], limits: &Limits) -> usize {
    limits.headers.min(text.len() / 3 + 1)
}

/// Spans count in 32 bits.
pub(super) fn head_limit(limits: &Limits) -> usize {
    limits.head.min(1 << 30)
}

/// 414 as soon as the line cannot become short enough any more, however the rest looks.
fn check_line(text: &[u8], limits: &Limits) -> Result<(), RequestError> {
    let longest = limits.request_line.saturating_add(2);
    let seen = &text[..text.len().min(longest)];
    if memchr::memchr(b'\n', seen).is_none() && text.len() >= longest {
        return Err(RequestError::UriTooLong);
    }
    Ok(())
}

fn refuse(error: httparse::Error, text: &[u8]) -> RequestError {
    match error {
        httparse::Error::TooManyHeaders => RequestError::TooManyFields,
        httparse::Error::Version if names_http(text) => RequestError::VersionNotSupported,
        httparse::Error::Version => RequestError::BadRequest("the HTTP version is malformed"),
        httparse::Error::HeaderName => RequestError::BadRequest("a field name is malformed"),
        httparse::Error::HeaderValue => RequestError::BadRequest("a field value has a control character"),
        httparse::Error::NewLine => RequestError::BadRequest("a line end is malformed"),
        httparse::Error::Token | httparse::Error::Status => {
            RequestError::BadRequest("the request line is malformed")
        }
    }
}

/// True when the third word of the request line is `HTTP/…`.
fn names_http(text: &[u8]) -> bool {
    text.split(|&b| b == b' ').nth(2).is_some_and(|version| version.starts_with(b"HTTP/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { request_line: 100, head: 1000, headers: 10 };

    fn check(input: &str, expected: Result<Framing, u16>) {
        let mut head = RequestHead::new();
        let found = head.parse(input.as_bytes(), &LIMITS).map(|parsed| {
            assert_eq!(parsed, Parsed::Complete, "{input:?}");
            head.framing()
        });
        assert_eq!(found.map_err(RequestError::status), expected, "{input:?}");
    }

    #[test]
    fn framing_is_clear_or_the_request_is_refused() {
        let post = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        check(&post("X: y"), Ok(Framing::None));
        check(&post("Content-Length: 5"), Ok(Framing::Length(5)));
        check(&post("Transfer-Encoding: chunked"), Ok(Framing::Chunked));
        check(&post("Content-Length: 5\r\nTransfer-Encoding: chunked"), Err(400));
        check(&post("Content-Length: 5\r\nContent-Length: 5"), Err(400));
        check(&post("Expect: tea"), Err(417));
        check("GET / HTTP/2.0\r\n\r\n", Err(505));
        check("GET / HTTP/1.0\r\n\r\n", Err(400));
    }

    #[test]
    fn what_was_not_parsed_says_nothing_of_the_request_before() {
        let good = b"POST /a?b HTTP/1.0\r\nHost: a:1\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n";
        for bad in [&b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"[..], b"GET / HTTP/1.1\r\nHo", b"", b"\0"] {
            let mut head = RequestHead::new();
            assert_eq!(head.parse(good, &LIMITS), Ok(Parsed::Complete));
            assert_ne!(head.parse(bad, &LIMITS), Ok(Parsed::Complete));
            assert_eq!(format!("{head:?}"), format!("{:?}", RequestHead::new()));
        }
    }
}
