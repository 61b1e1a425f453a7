//! Response heads, under the same suspicion as requests: an origin that is unclear about its framing is a bad gateway.

use std::mem::MaybeUninit;

use super::error::ResponseError;
use super::fields::Fields;
use super::framing::Framing;
use super::request::{INLINE_FIELDS, head_limit, most_fields};
use super::span::Span;
use super::{Limits, Parsed, Version};

/// What was asked, as far as reading the answer takes to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked {
    /// The method was HEAD: no body follows, whatever the fields say.
    pub head: bool,
    /// An upgrade was asked for: a 101 may come.
    pub upgrade: bool,
}

/// The head of one response. Reused from response to response, it keeps its capacity.
///
/// What it says is about a call of [`Self::parse`] that gave [`Parsed::Complete`], after any other it is empty;
/// methods that take `buf` want the buffer of that call.
#[derive(Debug, Default)]
pub struct ResponseHead {
    len: usize,
    status: u16,
    version: Version,
    pub(super) reason: Span,
    framing: Framing,
    /// What the fields say of a body, also where none follows (HEAD, 304).
    pub(super) declared: Framing,
    reusable: bool,
    pub(super) fields: Fields,
}

impl ResponseHead {
    /// An empty head.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses the response head at the start of `buf`, which may hold more or not all of it.
    ///
    /// # Errors
    /// [`ResponseError`]; the connection cannot be used again.
    pub fn parse(&mut self, buf: &[u8], asked: Asked, limits: &Limits) -> Result<Parsed, ResponseError> {
        let parsed = self.read(buf, asked, limits);
        if parsed != Ok(Parsed::Complete) {
            self.clear();
        }
        parsed
    }

    /// Forgets the last response but keeps the capacity.
    fn clear(&mut self) {
        self.len = 0;
        self.status = 0;
        self.version = Version::default();
        self.reason = Span::default();
        self.framing = Framing::default();
        self.declared = Framing::default();
        self.reusable = false;
        self.fields.clear();
    }

    fn read(&mut self, buf: &[u8], asked: Asked, limits: &Limits) -> Result<Parsed, ResponseError> {
        let window = &buf[..buf.len().min(head_limit(limits))];
        match window.first() {
            None => return Ok(Parsed::Partial),
            Some(b'H') => {}
            Some(_) => return Err(ResponseError::Malformed("the status line is malformed")),
        }
        let mut slots = [const { MaybeUninit::uninit() }; INLINE_FIELDS];
        let inline = limits.headers.min(INLINE_FIELDS);
        let mut more = Vec::new();
        let config = httparse::ParserConfig::default();
        let mut response = httparse::Response::new(&mut []);
        let mut result =
            config.parse_response_with_uninit_headers(&mut response, window, &mut slots[..inline]);
        if result == Err(httparse::Error::TooManyHeaders) && limits.headers > INLINE_FIELDS {
            more.resize_with(most_fields(window, limits), MaybeUninit::uninit);
            response = httparse::Response::new(&mut []);
            result = config.parse_response_with_uninit_headers(&mut response, window, &mut more);
        }
        match result {
            Ok(httparse::Status::Complete(len)) => {
                self.len = len;
                self.accept(window, asked, &response)?;
                Ok(Parsed::Complete)
            }
            Ok(httparse::Status::Partial) if window.len() >= head_limit(limits) => {
                Err(ResponseError::HeadTooLarge)
            }
            Ok(httparse::Status::Partial) => Ok(Parsed::Partial),
            Err(error) => Err(refuse(error)),
        }
    }

    /// Checks a complete head and keeps what it says.
    fn accept(
        &mut self,
        buf: &[u8],
        asked: Asked,
        response: &httparse::Response<'_, '_>,
    ) -> Result<(), ResponseError> {
        let bad = ResponseError::Malformed;
        let (Some(status), Some(version)) = (response.code, response.version) else {
            return Err(bad("incomplete status line"));
        };
        if !(100..600).contains(&status) {
            return Err(bad("the status is not from 100 to 599"));
        }
        self.status = status;
        self.version = if version == 0 { Version::Http10 } else { Version::Http11 };
        self.reason = Span::of(response.reason.unwrap_or_default().as_bytes(), buf);
        self.fields.read(buf, self.len, response.headers).map_err(bad)?;
        let summary = &self.fields.summary;
        if summary.chunked && self.version == Version::Http10 {
            return Err(bad("Transfer-Encoding on HTTP/1.0"));
        }
        if status == 101 && !(asked.upgrade && summary.upgrade.is_some()) {
            return Err(bad("101 without an upgrade"));
        }
        self.declared = match (summary.chunked, summary.content_length) {
            (true, _) => Framing::Chunked,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => Framing::UntilClose,
        };
        let persists = match self.version {
            Version::Http11 => !summary.close,
            Version::Http10 => summary.keep_alive && !summary.close,
        };
        self.settle_framing(asked, persists);
        Ok(())
    }

    /// RFC 9112 §6.3.
    fn settle_framing(&mut self, asked: Asked, persists: bool) {
        let never_declares = self.status < 200 || self.status == 204;
        if never_declares || self.status == 304 || asked.head {
            self.framing = Framing::None;
            // A length on a 204 may mean that octets follow which nobody may read as the next answer.
            let clean = !never_declares || matches!(self.declared, Framing::UntilClose | Framing::Length(0));
            self.reusable = persists && clean && self.status != 101;
            if never_declares || self.declared == Framing::UntilClose {
                self.declared = Framing::None;
            }
        } else {
            self.framing = self.declared;
            self.reusable = persists && self.framing != Framing::UntilClose;
        }
    }

    /// How many octets of the buffer belong to the head, with the empty line that ends it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True before the first head was parsed.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The status code, from 100 to 599; 0 before the first head.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// True for 1xx other than 101: the final answer is still to come. An HTTP/1.0 client must not see it.
    pub fn is_informational(&self) -> bool {
        self.status < 200 && self.status != 101
    }

    /// True for a 101 that was asked for: the connection is a tunnel from here on.
    pub fn is_upgrade(&self) -> bool {
        self.status == 101
    }

    /// What the origin speaks.
    pub fn version(&self) -> Version {
        self.version
    }

    /// How long the body is.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// True when the origin lets the connection be used again, once the body was read to its end.
    pub fn reusable(&self) -> bool {
        self.reusable
    }

    /// True when the origin says when to come back.
    pub fn has_retry_after(&self) -> bool {
        self.fields.summary.retry_after
    }

    /// True when only closing can tell a `client` where the body ends: it has no length, or it is chunked,
    /// which HTTP/1.0 cannot read (then it is to be decoded, see [`super::BodyReader::advance_decoding`]).
    pub fn needs_close(&self, client: Version) -> bool {
        match self.framing {
            Framing::UntilClose => true,
            Framing::Chunked => client == Version::Http10,
            Framing::None | Framing::Length(_) => false,
        }
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

fn refuse(error: httparse::Error) -> ResponseError {
    match error {
        httparse::Error::TooManyHeaders => ResponseError::TooManyFields,
        httparse::Error::HeaderName => ResponseError::Malformed("a field name is malformed"),
        httparse::Error::HeaderValue => ResponseError::Malformed("a field value has a control character"),
        httparse::Error::NewLine => ResponseError::Malformed("a line end is malformed"),
        httparse::Error::Version => ResponseError::Malformed("the HTTP version is not supported"),
        httparse::Error::Token | httparse::Error::Status => {
            ResponseError::Malformed("the status line is malformed")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { request_line: 0, head: 1000, headers: 10 };

    fn check(input: &str, asked: Asked, expected: Option<(Framing, bool)>) {
        let mut head = ResponseHead::new();
        let parsed = head.parse(input.as_bytes(), asked, &LIMITS).ok();
        let found = parsed.map(|_| (head.framing(), head.reusable()));
        assert_eq!(found, expected, "{input:?} {asked:?}");
    }

    #[test]
    fn a_body_ends_where_the_status_and_the_request_say() {
        let get = Asked::default();
        let head = Asked { head: true, ..get };
        let upgrade = Asked { upgrade: true, ..get };
        let length = |line: &str| format!("HTTP/1.1 {line}\r\nContent-Length: 5\r\n\r\n");
        check(&length("200 OK"), get, Some((Framing::Length(5), true)));
        check(&length("200 OK"), head, Some((Framing::None, true)));
        check(&length("304 Not Modified"), get, Some((Framing::None, true)));
        check(&length("204 No Content"), get, Some((Framing::None, false)));
        check("HTTP/1.1 200 OK\r\n\r\n", get, Some((Framing::UntilClose, false)));
        check("HTTP/1.1 200 OK\r\n\r\n", head, Some((Framing::None, true)));
        check("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", get, Some((Framing::Length(5), false)));
        check("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", get, None);
        let switch = "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        check(switch, get, None);
        check(switch, upgrade, Some((Framing::None, false)));
    }
}
