//! A reader of RFC 9112 messages that is plain instead of fast: whole buffer, octet by octet, everything copied.
//!
//! It shares no code with the codec and takes the same decisions where the RFC leaves a choice (each named below),
//! so that the two can be compared on anything.

use proxy::http::Limits;

/// Why there is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Partial,
    Refused(&'static str),
}

pub(crate) type Read<T> = Result<T, Stop>;
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    None,
    Length(u64),
    Chunked,
    Close,
}

/// All that a head says, but its first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) fields: Vec<Pair>,
    pub(crate) options: Vec<String>,
    pub(crate) end: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) path: Vec<u8>,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) old: bool,
    pub(crate) body: Body,
    pub(crate) persistent: bool,
    pub(crate) waits: bool,
    pub(crate) upgrade: Option<Vec<u8>>,
    pub(crate) head: Head,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) reason: Vec<u8>,
    pub(crate) old: bool,
    pub(crate) body: Body,
    pub(crate) persistent: bool,
    pub(crate) head: Head,
}

fn refuse<T>(why: &'static str) -> Read<T> {
    Err(Stop::Refused(why))
}

pub(crate) fn token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

pub(crate) fn lower(text: &[u8]) -> String {
    text.iter().map(|&b| char::from(b.to_ascii_lowercase())).collect()
}

fn trim(text: &[u8]) -> &[u8] {
    let mut text = text;
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Lines up to an empty one, from `at`; CR and LF only ever stand together.
fn lines(buf: &[u8], mut at: usize) -> Read<(Vec<Vec<u8>>, usize)> {
    let mut all = Vec::new();
    let mut line = Vec::new();
    loop {
        let octet = *buf.get(at).ok_or(Stop::Partial)?;
        at += 1;
        match octet {
            b'\r' => {
                if *buf.get(at).ok_or(Stop::Partial)? != b'\n' {
                    return refuse("bare CR");
                }
                at += 1;
                if line.is_empty() {
                    return Ok((all, at));
                }
                all.push(std::mem::take(&mut line));
            }
            b'\n' => return refuse("bare LF"),
            _ => line.push(octet),
        }
    }
}

fn field(line: &[u8]) -> Read<Pair> {
    let Some(colon) = line.iter().position(|&b| b == b':') else { return refuse("no colon") };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if !token(name) {
        return refuse("field name");
    }
    if value.iter().any(|&b| (b < b' ' && b != b'\t') || b == 0x7f) {
        return refuse("field value");
    }
    let spelled = lower(name).replace('_', "-");
    if name.contains(&b'_') && ["content-length", "transfer-encoding"].contains(&spelled.as_str()) {
        return refuse("disguised framing");
    }
    Ok((name.to_vec(), trim(value).to_vec()))
}

impl Head {
    fn read(lines: &[Vec<u8>], end: usize, limits: &Limits) -> Read<Self> {
        if lines.len() > limits.headers {
            return refuse("too many fields");
        }
        let fields: Vec<Pair> = lines.iter().map(|line| field(line)).collect::<Read<_>>()?;
        let mut head = Self { fields, options: Vec::new(), end };
        for value in head.all("connection") {
            for option in value.split(|&b| b == b',').map(trim).filter(|o| !o.is_empty()) {
                if !token(option) {
                    return refuse("connection");
                }
                head.options.push(lower(option));
            }
        }
        // A choice: nobody names more than 32.
        if head.options.len() > 32 { refuse("connection options") } else { Ok(head) }
    }

    pub(crate) fn all(&self, name: &str) -> Vec<Vec<u8>> {
        self.fields.iter().filter(|(n, _)| lower(n) == name).map(|(_, v)| v.clone()).collect()
    }

    fn has_option(&self, option: &str) -> bool {
        self.options.iter().any(|o| o == option)
    }

    fn persists(&self, old: bool) -> bool {
        !self.has_option("close") && (!old || self.has_option("keep-alive"))
    }

    fn body(&self, old: bool, otherwise: Body) -> Read<Body> {
        let codings = self.all("transfer-encoding");
        let lengths = self.all("content-length");
        match (codings.as_slice(), lengths.as_slice()) {
            ([], []) => Ok(otherwise),
            ([], [length]) => {
                let text = String::from_utf8_lossy(length).into_owned();
                // Choices: at most 19 digits, and a signed 64-bit number.
                if text.is_empty() || text.len() > 19 || text.chars().any(|c| !c.is_ascii_digit()) {
                    return refuse("length");
                }
                text.parse::<i64>().map(|n| Body::Length(n as u64)).or(refuse("length"))
            }
            ([coding], []) if lower(coding) == "chunked" && !old => Ok(Body::Chunked),
            _ => refuse("framing"),
        }
    }

    /// The protocol of an upgrade: one, named once, and not `h2c` (a choice).
    fn upgrade(&self) -> Option<Vec<u8>> {
        let all = self.all("upgrade");
        let [protocol] = all.as_slice() else { return None };
        let parts: Vec<&[u8]> = protocol.split(|&b| b == b'/').collect();
        let clean = parts.len() <= 2 && parts.iter().all(|p| token(p)) && lower(parts[0]) != "h2c";
        (clean && self.has_option("upgrade")).then(|| protocol.clone())
    }

    /// What does not end at this hop; `Connection` cannot name host or length away.
    pub(crate) fn end_to_end(&self) -> Vec<Pair> {
        const HERE: [&str; 9] = [
            "connection",
            "keep-alive",
            "proxy-connection",
            "proxy-authorization",
            "proxy-authenticate",
            "te",
            "transfer-encoding",
            "upgrade",
            "http2-settings",
        ];
        let ours = |name: &str| name == "host" || name == "content-length";
        let stays = |name: &str| !HERE.contains(&name) && (ours(name) || !self.has_option(name));
        self.fields.iter().filter(|(n, _)| stays(&lower(n))).cloned().collect()
    }

    /// What is passed on as it is: host and length are written anew.
    pub(crate) fn passing(&self) -> Vec<Pair> {
        without(self.end_to_end(), &["host", "content-length"])
    }

    /// The fields as lines, as they ought to be spelled.
    pub(crate) fn lines(&self) -> Vec<u8> {
        self.fields.iter().flat_map(|(n, v)| [n, &b": "[..], v, b"\r\n"].concat()).collect()
    }
}

/// `fields` but those `names`, also where they are spelled with underscores.
pub(crate) fn without(mut fields: Vec<Pair>, names: &[&str]) -> Vec<Pair> {
    fields.retain(|(name, _)| !names.contains(&lower(name).replace('_', "-").as_str()));
    fields
}

pub(crate) fn request(buf: &[u8], limits: &Limits) -> Read<Request> {
    let start = if buf.starts_with(b"\r\n") { 2 } else { 0 };
    let (lines, end) = lines(buf, start)?;
    let [first, rest @ ..] = lines.as_slice() else { return refuse("empty lines") };
    if first.len() > limits.request_line || end - start > limits.head {
        return refuse("too long");
    }
    let words: Vec<&[u8]> = first.split(|&b| b == b' ').collect();
    let [method, target, version] = words.as_slice() else { return refuse("request line") };
    let old = match *version {
        b"HTTP/1.0" => true,
        b"HTTP/1.1" => false,
        _ => return refuse("version"),
    };
    let graphic = |b: &u8| (0x21..0x7f).contains(b) || *b >= 0x80;
    if !token(method)
        || target.is_empty()
        || !target.iter().all(graphic)
        || std::str::from_utf8(target).is_err()
    {
        return refuse("request line");
    }
    let head = Head::read(rest, end, limits)?;
    let hosts = head.all("host");
    let [host] = hosts.as_slice() else { return refuse("host") };
    let mut authority = super::naive_target::authority(host)?;
    let target = super::naive_target::target(method, target)?;
    if let Some(named) = target.authority {
        authority = named;
    }
    let body = head.body(old, Body::None)?;
    let expectations = head.all("expect");
    let known = |e: &Vec<u8>| lower(e) == "100-continue";
    if !old && !expectations.iter().all(known) {
        return refuse("expectation");
    }
    Ok(Request {
        method: method.to_vec(),
        target: target.text,
        path: target.path,
        host: authority.0,
        port: authority.1,
        old,
        body,
        persistent: head.persists(old),
        waits: !old && !expectations.is_empty() && !head.has_option("expect"),
        upgrade: if old { None } else { head.upgrade() },
        head,
    })
}

pub(crate) fn response(buf: &[u8], to_head: bool, upgrading: bool, limits: &Limits) -> Read<Response> {
    let (lines, end) = lines(buf, 0)?;
    let [first, rest @ ..] = lines.as_slice() else { return refuse("empty lines") };
    if end > limits.head {
        return refuse("too long");
    }
    let old = match first.get(..8) {
        Some(b"HTTP/1.0") => true,
        Some(b"HTTP/1.1") => false,
        _ => return refuse("version"),
    };
    // A choice: the space before an absent reason may be absent too.
    let (digits, reason) = match &first[8..] {
        [b' ', a, b, c] => ([*a, *b, *c], &[][..]),
        [b' ', a, b, c, b' ', reason @ ..] => ([*a, *b, *c], reason),
        _ => return refuse("status line"),
    };
    if !digits.iter().all(u8::is_ascii_digit) || reason.iter().any(|&b| (b < b' ' && b != b'\t') || b == 0x7f)
    {
        return refuse("status line");
    }
    let status = digits.iter().fold(0, |n, d| n * 10 + u16::from(d - b'0'));
    if !(100..=599).contains(&status) {
        return refuse("status");
    }
    let head = Head::read(rest, end, limits)?;
    let declared = head.body(old, Body::Close)?;
    if status == 101 && !(upgrading && head.upgrade().is_some()) {
        return refuse("unasked upgrade");
    }
    let bodiless = status < 200 || status == 204;
    let body = if bodiless || status == 304 || to_head { Body::None } else { declared };
    let dirty = bodiless && !matches!(declared, Body::Close | Body::Length(0));
    Ok(Response {
        status,
        // A choice: what is not ASCII is not passed on.
        reason: if reason.is_ascii() { reason.to_vec() } else { Vec::new() },
        old,
        body,
        persistent: head.persists(old) && body != Body::Close && !dirty && status != 101,
        head,
    })
}
