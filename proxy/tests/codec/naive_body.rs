//! Bodies, read plainly by recursive descent over the whole input.

use super::naive::{Body, Read, Stop, lower, token};

/// A whole body: its content without coding, and where it ends in the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) content: Vec<u8>,
    pub(crate) end: usize,
}

fn refuse<T>(why: &'static str) -> Read<T> {
    Err(Stop::Refused(why))
}

struct Cursor<'a> {
    input: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Read<u8> {
        self.input.get(self.at).copied().ok_or(Stop::Partial)
    }

    fn next(&mut self) -> Read<u8> {
        let octet = self.peek()?;
        self.at += 1;
        Ok(octet)
    }

    fn expect(&mut self, wanted: u8) -> Read<()> {
        if self.next()? == wanted { Ok(()) } else { refuse("another octet expected") }
    }

    fn token(&mut self) -> Read<Vec<u8>> {
        let mut text = Vec::new();
        while token(&[self.peek()?]) {
            text.push(self.next()?);
        }
        if text.is_empty() { refuse("token") } else { Ok(text) }
    }

    fn size(&mut self) -> Read<u64> {
        let mut digits = String::new();
        while self.peek()?.is_ascii_hexdigit() {
            digits.push(char::from(self.next()?));
            if digits.len() > 16 || i64::from_str_radix(&digits, 16).is_err() {
                return refuse("size");
            }
        }
        u64::from_str_radix(&digits, 16).or(refuse("size"))
    }

    /// A choice: no white space anywhere.
    fn extension(&mut self) -> Read<()> {
        self.expect(b';')?;
        self.token()?;
        if self.peek()? != b'=' {
            return Ok(());
        }
        self.expect(b'=')?;
        if self.peek()? != b'"' {
            return self.token().map(|_| ());
        }
        self.expect(b'"')?;
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => clean(self.next()?)?,
                octet => clean(octet)?,
            }
        }
    }

    fn trailer(&mut self) -> Read<()> {
        let name = lower(&self.token()?).replace('_', "-");
        self.expect(b':')?;
        let framing =
            ["transfer-encoding", "content-length", "host", "connection", "keep-alive", "te", "trailer"];
        let meaning = ["upgrade", "expect", "max-forwards", "authorization", "proxy-authorization", "cookie"];
        let content =
            ["set-cookie", "content-encoding", "content-type", "content-range", "proxy-authenticate"];
        let identity =
            ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "x-forwarded-host", "x-real-ip"];
        let forbidden = [&framing[..], &meaning, &content, &identity, &["proxy-connection"]].concat();
        if forbidden.contains(&name.as_str()) {
            return refuse("forbidden trailer");
        }
        while self.peek()? != b'\r' {
            clean(self.next()?)?;
        }
        self.crlf()
    }

    fn crlf(&mut self) -> Read<()> {
        self.expect(b'\r')?;
        self.expect(b'\n')
    }
}

fn clean(octet: u8) -> Read<()> {
    if octet == b'\t' || (octet >= b' ' && octet != 0x7f) { Ok(()) } else { refuse("control character") }
}

pub(crate) fn body(framing: Body, input: &[u8]) -> Read<Whole> {
    match framing {
        Body::None => Ok(Whole { content: Vec::new(), end: 0 }),
        Body::Length(length) if length <= input.len() as u64 => {
            Ok(Whole { content: input[..length as usize].to_vec(), end: length as usize })
        }
        // Nothing says that more will not come.
        Body::Length(_) | Body::Close => Err(Stop::Partial),
        Body::Chunked => chunked(input),
    }
}

fn chunked(input: &[u8]) -> Read<Whole> {
    let mut cursor = Cursor { input, at: 0 };
    let mut content = Vec::new();
    loop {
        let size = cursor.size()?;
        while cursor.peek()? == b';' {
            cursor.extension()?;
        }
        cursor.crlf()?;
        if size == 0 {
            break;
        }
        for _ in 0..size {
            content.push(cursor.next()?);
        }
        cursor.crlf()?;
    }
    while cursor.peek()? != b'\r' {
        cursor.trailer()?;
    }
    cursor.crlf()?;
    Ok(Whole { content, end: cursor.at })
}
