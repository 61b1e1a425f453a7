//! Header fields: what httparse found becomes spans, classified once, with all that decides framing and persistence.

use super::span::Span;

/// How many options all `Connection` fields of a head may name; each is compared with each field.
const MAX_CONNECTION_OPTIONS: usize = 32;

/// The fields this codec acts on; all others pass through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldName {
    Host,
    Connection,
    ContentLength,
    TransferEncoding,
    Upgrade,
    Expect,
    RetryAfter,
    Via,
    MaxForwards,
    /// Any other field that ends at the next hop (RFC 9110 §7.6.1).
    HopByHop,
    Other,
}

/// One field of a head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) name: Span,
    /// Without white space around it.
    pub(super) value: Span,
    pub(super) class: FieldName,
    /// False for what ends at this hop.
    pub(super) end_to_end: bool,
}

/// All fields of a head in their order, and what they say together.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) list: Vec<Field>,
    pub(super) summary: Summary,
}

/// What the fields of one head say about it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Summary {
    pub(super) host: Option<Span>,
    /// A request is refused for it; in a response the field means nothing.
    pub(super) repeated_host: bool,
    pub(super) content_length: Option<u64>,
    pub(super) chunked: bool,
    /// `Connection: close`.
    pub(super) close: bool,
    /// `Connection: keep-alive`.
    pub(super) keep_alive: bool,
    /// The one protocol of a well-formed `Upgrade` that `Connection` names too.
    pub(super) upgrade: Option<Span>,
    pub(super) expects_continue: bool,
    /// `Expect` with something else.
    pub(super) unknown_expectation: bool,
    pub(super) retry_after: bool,
    pub(super) via: bool,
    connection_upgrade: bool,
    upgrade_fields: u8,
    options: usize,
    /// `Connection` names fields beyond those removed anyway.
    names_fields: bool,
}

impl FieldName {
    /// One comparison for most names: length and first letter leave one candidate, whose usual spelling is looked for first.
    pub(super) fn classify(name: &[u8]) -> Self {
        let first = name.first().map_or(0, u8::to_ascii_lowercase);
        let (candidate, usual): (Self, &[u8]) = match (name.len(), first) {
            (3, b'v') => (Self::Via, b"Via"),
            (2, b't') => (Self::HopByHop, b"TE"),
            (4, b'h') => (Self::Host, b"Host"),
            (6, b'e') => (Self::Expect, b"Expect"),
            (7, b'u') => (Self::Upgrade, b"Upgrade"),
            (10, b'c') => (Self::Connection, b"Connection"),
            (10, b'k') => (Self::HopByHop, b"Keep-Alive"),
            (11, b'r') => (Self::RetryAfter, b"Retry-After"),
            (12, b'm') => (Self::MaxForwards, b"Max-Forwards"),
            (14, b'c') => (Self::ContentLength, b"Content-Length"),
            (14, b'h') => (Self::HopByHop, b"HTTP2-Settings"),
            (16, b'p') => (Self::HopByHop, b"Proxy-Connection"),
            (17, b't') => (Self::TransferEncoding, b"Transfer-Encoding"),
            (18, b'p') => (Self::HopByHop, b"Proxy-Authenticate"),
            (19, b'p') => (Self::HopByHop, b"Proxy-Authorization"),
            _ => return Self::Other,
        };
        if name == usual || name.eq_ignore_ascii_case(usual) { candidate } else { Self::Other }
    }

    fn is_end_to_end(self) -> bool {
        match self {
            Self::Connection | Self::TransferEncoding | Self::Upgrade | Self::HopByHop => false,
            Self::Host
            | Self::ContentLength
            | Self::Expect
            | Self::RetryAfter
            | Self::Via
            | Self::MaxForwards
            | Self::Other => true,
        }
    }
}

impl Fields {
    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.summary = Summary::default();
    }

    /// Takes over what httparse found in `buf[..end]`, a complete head.
    ///
    /// # Errors
    /// The rule that was broken.
    pub(super) fn read(
        &mut self,
        buf: &[u8],
        end: usize,
        headers: &[httparse::Header<'_>],
    ) -> Result<(), &'static str> {
        self.clear();
        // httparse also ends lines at a lone LF. Names start right behind a line's end, so that looking there
        // finds each of them without another pass.
        if !buf[..end].ends_with(b"\r\n\r\n") {
            return Err("a line ends with LF alone");
        }
        self.list.reserve(headers.len());
        for header in headers {
            let name = Span::of(header.name.as_bytes(), buf);
            if name.start() < 2 || buf[name.start() - 2] != b'\r' {
                return Err("a line ends with LF alone");
            }
            let value = Span::of(header.value, buf);
            let class = FieldName::classify(header.name.as_bytes());
            if class != FieldName::Other {
                self.summary.note(class, value, header.value)?;
            } else if is_disguised_framing(header.name.as_bytes()) {
                return Err("a framing field is spelled with an underscore");
            }
            self.list.push(Field { name, value, class, end_to_end: class.is_end_to_end() });
        }
        self.settle(buf);
        if self.summary.chunked && self.summary.content_length.is_some() {
            return Err("both Content-Length and Transfer-Encoding");
        }
        Ok(())
    }

    /// What can be said only when all fields are known.
    fn settle(&mut self, buf: &[u8]) {
        if self.summary.names_fields {
            self.remove_named(buf);
        }
        if !self.summary.connection_upgrade || self.summary.upgrade_fields != 1 {
            self.summary.upgrade = None;
        }
    }

    /// Removes what `Connection` names (RFC 9110 §7.6.1); host and framing are ours and stay.
    fn remove_named(&mut self, buf: &[u8]) {
        for i in 0..self.list.len() {
            if self.list[i].class != FieldName::Connection {
                continue;
            }
            for option in options(self.list[i].value.get(buf)) {
                for field in &mut self.list {
                    if matches!(field.class, FieldName::Host | FieldName::ContentLength)
                        || field.name.len() != option.len()
                        || !field.name.get(buf).eq_ignore_ascii_case(option)
                    {
                        continue;
                    }
                    field.end_to_end = false;
                    match field.class {
                        FieldName::Expect => self.summary.expects_continue = false,
                        FieldName::RetryAfter => self.summary.retry_after = false,
                        _ => {}
                    }
                }
            }
        }
    }

    /// The first end-to-end field of that name (lower case).
    pub(super) fn get<'b>(&self, buf: &'b [u8], name: &str) -> Option<&'b [u8]> {
        self.list
            .iter()
            .find(|f| {
                f.end_to_end
                    && f.name.len() == name.len()
                    && f.name.get(buf).eq_ignore_ascii_case(name.as_bytes())
            })
            .map(|f| f.value.get(buf))
    }

    /// All end-to-end fields in their order.
    pub(super) fn iter<'a>(&'a self, buf: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.list.iter().filter(|f| f.end_to_end).map(|f| (f.name.get(buf), f.value.get(buf)))
    }
}

impl Summary {
    fn note(&mut self, class: FieldName, span: Span, value: &[u8]) -> Result<(), &'static str> {
        match class {
            FieldName::Host => {
                self.repeated_host |= self.host.replace(span).is_some();
            }
            FieldName::ContentLength => {
                if self.content_length.replace(parse_length(value)?).is_some() {
                    return Err("more than one Content-Length");
                }
            }
            FieldName::TransferEncoding => {
                if self.chunked {
                    return Err("more than one Transfer-Encoding");
                }
                if !value.eq_ignore_ascii_case(b"chunked") {
                    return Err("Transfer-Encoding is not exactly chunked");
                }
                self.chunked = true;
            }
            FieldName::Connection => return self.note_connection(value),
            FieldName::Upgrade => {
                self.upgrade_fields = self.upgrade_fields.saturating_add(1);
                self.upgrade = is_tunnel_protocol(value).then_some(span);
            }
            FieldName::Expect => {
                if value.eq_ignore_ascii_case(b"100-continue") {
                    self.expects_continue = true;
                } else {
                    self.unknown_expectation = true;
                }
            }
            FieldName::RetryAfter => self.retry_after = true,
            FieldName::Via => self.via = true,
            FieldName::MaxForwards | FieldName::HopByHop | FieldName::Other => {}
        }
        Ok(())
    }

    fn note_connection(&mut self, value: &[u8]) -> Result<(), &'static str> {
        for option in options(value) {
            self.options += 1;
            if self.options > MAX_CONNECTION_OPTIONS {
                return Err("Connection names too many options");
            }
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.connection_upgrade = true;
            } else if !is_token(option) {
                return Err("Connection is malformed");
            } else if FieldName::classify(option).is_end_to_end() {
                self.names_fields = true;
            }
        }
        Ok(())
    }
}

/// The members of a comma-separated list; empty ones are allowed and skipped (RFC 9110 §5.6.1.2).
fn options(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|option| !option.is_empty())
}

/// RFC 9110 §5.6.2.
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&b| is_token_octet(b))
}

/// RFC 9110 §5.6.2, `tchar`.
pub(super) fn is_token_octet(octet: u8) -> bool {
    matches!(octet,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*'
        | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// True when `name` is `lower` in any case and with `_` for any `-`: gateways that make variables of names
/// (CGI, WSGI, PHP) cannot tell these apart.
pub(super) fn is_same_variable(name: &[u8], lower: &[u8]) -> bool {
    name.len() == lower.len()
        && name.iter().zip(lower).all(|(&n, &l)| (if n == b'_' { b'-' } else { n.to_ascii_lowercase() }) == l)
}

fn is_disguised_framing(name: &[u8]) -> bool {
    match name.len() {
        14 => is_same_variable(name, b"content-length"),
        17 => is_same_variable(name, b"transfer-encoding"),
        _ => false,
    }
}

/// RFC 9110 §8.6, `1*DIGIT`, and no more than a signed 64-bit number holds: origins count with those.
fn parse_length(value: &[u8]) -> Result<u64, &'static str> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return Err("Content-Length is not a number");
    }
    let length = value.iter().fold(0u64, |sum, &digit| sum * 10 + u64::from(digit - b'0'));
    if length > i64::MAX as u64 {
        return Err("Content-Length is too large");
    }
    Ok(length)
}

/// One protocol (RFC 9110 §7.8), and not `h2c`: its tunnel would carry requests past every check here.
fn is_tunnel_protocol(value: &[u8]) -> bool {
    let mut parts = value.split(|&b| b == b'/');
    let name = parts.next().unwrap_or_default();
    let version = parts.next();
    is_token(name)
        && version.is_none_or(is_token)
        && parts.next().is_none()
        && !name.eq_ignore_ascii_case(b"h2c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case_and_only_whole() {
        let check = |name: &str, expected: FieldName| {
            assert_eq!(FieldName::classify(name.as_bytes()), expected, "{name}");
        };
        check("Host", FieldName::Host);
        check("hOsT", FieldName::Host);
        check("Hosd", FieldName::Other);
        check("CONNECTION", FieldName::Connection);
        check("content-length", FieldName::ContentLength);
        check("content_length", FieldName::Other);
        check("Transfer-Encoding", FieldName::TransferEncoding);
        check("Upgrade", FieldName::Upgrade);
        check("Expect", FieldName::Expect);
        check("Retry-After", FieldName::RetryAfter);
        check("via", FieldName::Via);
        check("Max-Forwards", FieldName::MaxForwards);
        check("", FieldName::Other);
        for name in ["te", "keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate"] {
            check(name, FieldName::HopByHop);
        }
        check("Trailer", FieldName::Other);
    }

    #[test]
    fn lengths_are_digits_that_fit() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(parse_length(text.as_bytes()).ok(), expected, "{text}");
        };
        check("0", Some(0));
        check("0042", Some(42));
        check("9223372036854775807", Some(i64::MAX as u64));
        check("9223372036854775808", None);
        check("", None);
        check("+1", None);
        check("1,1", None);
        check("0x1", None);
    }

    #[test]
    fn underscores_make_no_other_variable() {
        let check = |name: &str, lower: &str, expected: bool| {
            assert_eq!(is_same_variable(name.as_bytes(), lower.as_bytes()), expected, "{name} {lower}");
        };
        check("X_Forwarded-FOR", "x-forwarded-for", true);
        check("x-forwarded-fo", "x-forwarded-for", false);
        check("x.forwarded.for", "x-forwarded-for", false);
    }
}
