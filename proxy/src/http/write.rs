//! Heads on their way out: one pass over the fields, into one buffer.
//!
//! Each field is re-serialised as `Name: value`. Where that is octet for octet what came in, which is checked
//! and nearly always so, neighbouring fields are copied as one run.

use super::Version;
use super::fields::{Field, FieldName, Fields, is_same_variable};
use super::framing::Framing;
use super::request::RequestHead;
use super::response::ResponseHead;

/// A field of ours. Neither part may hold CR, LF or NUL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added<'a> {
    /// The name, as it shall be spelled.
    pub name: &'a str,
    /// The value.
    pub value: &'a [u8],
}

impl Added<'_> {
    /// Appends its line.
    pub fn write(&self, out: &mut Vec<u8>) {
        debug_assert!(
            memchr::memchr3(b'\r', b'\n', 0, self.value).is_none(),
            "a value of ours breaks the line: {self:?}"
        );
        push_field(self.name.as_bytes(), self.value, out);
    }
}

/// Appends the request as the origin shall see it to `out`.
///
/// Always HTTP/1.1 in origin-form, the canonical host first. Dropped are fields that end at this hop and those
/// in `replaced` (lower-case names; `_` for `-` counts as the same name, since origins cannot tell them apart).
/// Framing is written anew; `lines` stand last, each of them any number of fields as [`Added::write`] makes them. `buf` is the
/// buffer `head` was parsed from.
pub fn write_request(head: &RequestHead, buf: &[u8], replaced: &[&str], lines: &[&[u8]], out: &mut Vec<u8>) {
    let target = head.target(buf);
    let added: usize = lines.iter().map(|lines| lines.len()).sum();
    out.reserve(head.len() + target.len() + head.host().len() + 128 + added);
    out.extend_from_slice(head.method_text(buf));
    out.push(b' ');
    out.extend_from_slice(target);
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    out.extend_from_slice(head.host().as_bytes());
    if let Some(port) = head.port() {
        out.push(b':');
        push_number(u64::from(port), out);
    }
    out.extend_from_slice(b"\r\n");
    // Counted down below, where it counts; else it passes as it came.
    let ours = if head.counts_hops() { FieldName::MaxForwards } else { FieldName::Host };
    write_fields(&head.fields, buf, head.len(), (replaced, ours), out);
    match head.framing() {
        Framing::Length(length) => push_length(length, out),
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Framing::None | Framing::UntilClose => {}
    }
    if let Ok(Some(left)) = head.hops_left(buf) {
        out.extend_from_slice(b"Max-Forwards: ");
        push_number(u64::from(left.saturating_sub(1)), out);
        out.extend_from_slice(b"\r\n");
    }
    if let Some(protocol) = head.upgrade(buf) {
        out.extend_from_slice(b"Connection: upgrade\r\n");
        push_field(b"Upgrade", protocol, out);
    }
    for lines in lines {
        out.extend_from_slice(lines);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the response as the client shall see it to `out`.
///
/// Always HTTP/1.1 (RFC 9110 §2.5), fields in their order and spelling, without those that end at this hop.
/// A `Host`, which means nothing in a response, does not pass. `close` says that the connection ends after this answer; where [`ResponseHead::needs_close`] says so, it
/// does in any case. A body that is chunked goes to an HTTP/1.0 client decoded, and without the field.
pub fn write_response(
    head: &ResponseHead,
    buf: &[u8],
    client: Version,
    close: bool,
    added: &[Added<'_>],
    out: &mut Vec<u8>,
) {
    out.reserve(head.len() + 128 + added_len(added));
    out.extend_from_slice(b"HTTP/1.1 ");
    push_number(u64::from(head.status()), out);
    out.push(b' ');
    out.extend_from_slice(head.reason.get(buf));
    out.extend_from_slice(b"\r\n");
    write_fields(&head.fields, buf, head.len(), (&[], FieldName::Host), out);
    match head.declared {
        Framing::Length(length) => push_length(length, out),
        Framing::Chunked if client == Version::Http11 => {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        Framing::Chunked | Framing::None | Framing::UntilClose => {}
    }
    if head.is_upgrade() {
        out.extend_from_slice(b"Connection: upgrade\r\n");
        if let Some(protocol) = head.fields.summary.upgrade {
            push_field(b"Upgrade", protocol.get(buf), out);
        }
    } else if head.status() == 426
        && let Some(protocol) = head.fields.summary.upgrade
    {
        // RFC 9110 §15.5.22: this one has to say to what.
        out.extend_from_slice(b"Connection: upgrade\r\n");
        push_field(b"Upgrade", protocol.get(buf), out);
    }
    // A 1xx says nothing of the connection: the final answer does.
    if head.status() >= 200 {
        if close || head.needs_close(client) {
            out.extend_from_slice(b"Connection: close\r\n");
        } else if client == Version::Http10 {
            out.extend_from_slice(b"Connection: keep-alive\r\n");
        }
    }
    for field in added {
        field.write(out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes what passes, in runs: neither names in `replaced` nor fields of the class `ours`.
fn write_fields(
    fields: &Fields,
    buf: &[u8],
    head_len: usize,
    (replaced, ours): (&[&str], FieldName),
    out: &mut Vec<u8>,
) {
    // Most names are told from all replaced ones by their length alone.
    let lengths = replaced.iter().fold(0u64, |mask, name| mask | 1 << (name.len() & 63));
    let mut run = 0..0;
    for (i, field) in fields.list.iter().enumerate() {
        let passes = field.end_to_end
            && !matches!(field.class, FieldName::Host | FieldName::ContentLength)
            && field.class != ours
            && !(lengths >> (field.name.len() & 63) & 1 == 1 && is_replaced(field.name.get(buf), replaced));
        if !passes {
            continue;
        }
        let start = field.name.start();
        let end = fields.list.get(i + 1).map_or(head_len - 2, |next| next.name.start());
        if !is_tidy(field, buf, end) {
            out.extend_from_slice(&buf[run]);
            run = end..end;
            push_field(field.name.get(buf), field.value.get(buf), out);
        } else if run.end == start {
            run.end = end;
        } else {
            out.extend_from_slice(&buf[run]);
            run = start..end;
        }
    }
    out.extend_from_slice(&buf[run]);
}

/// True when the line up to `end` is exactly `Name: value` CRLF.
fn is_tidy(field: &Field, buf: &[u8], end: usize) -> bool {
    field.value.start() == field.name.end() + 2
        && buf[field.name.end() + 1] == b' '
        && field.value.end() + 2 == end
}

fn is_replaced(name: &[u8], replaced: &[&str]) -> bool {
    replaced.iter().any(|lower| is_same_variable(name, lower.as_bytes()))
}

fn added_len(added: &[Added<'_>]) -> usize {
    added.iter().map(|a| a.name.len() + a.value.len() + 4).sum()
}

fn push_field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn push_length(length: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Content-Length: ");
    push_number(length, out);
    out.extend_from_slice(b"\r\n");
}

fn push_number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Asked, Limits, Parsed};

    const LIMITS: Limits = Limits { request_line: 1024, head: 8192, headers: 64 };

    fn request(input: &str, replaced: &[&str], lines: &str, expected: &str) {
        let mut head = RequestHead::new();
        assert_eq!(head.parse(input.as_bytes(), &LIMITS), Ok(Parsed::Complete), "{input:?}");
        let mut out = Vec::new();
        write_request(&head, input.as_bytes(), replaced, &[lines.as_bytes()], &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected, "{input:?}");
    }

    fn response(input: &str, client: Version, close: bool, expected: &str) {
        let mut head = ResponseHead::new();
        let asked = Asked { head: false, upgrade: true };
        assert_eq!(head.parse(input.as_bytes(), asked, &LIMITS), Ok(Parsed::Complete), "{input:?}");
        let mut out = Vec::new();
        write_response(&head, input.as_bytes(), client, close, &[], &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected, "{input:?}");
    }

    #[test]
    fn a_request_is_rewritten_in_canonical_form() {
        request(
            "GET /a/../b?c HTTP/1.1\r\naccept: */*\r\nHost: WWW.Example.com.:080\r\nX-A:  1 \r\n\r\n",
            &[],
            "X-Real-IP: 1.2.3.4\r\n",
            "GET /b?c HTTP/1.1\r\nHost: www.example.com:80\r\naccept: */*\r\nX-A: 1\r\nX-Real-IP: 1.2.3.4\r\n\r\n",
        );
    }

    #[test]
    fn hop_by_hop_fields_end_here_and_ours_replace_theirs_in_any_spelling() {
        request(
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Hop, host, content-length\r\nKeep-Alive: 5\r\n\
             X-Hop: 1\r\nTE: trailers\r\nProxy-Connection: close\r\nContent-Length: 003\r\nTrailer: x\r\n\
             X_Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 6.6.6.6\r\nX-Hope: 1\r\n\r\n",
            &["x-forwarded-for"],
            "X-Forwarded-For: 1.2.3.4\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTrailer: x\r\nX-Hope: 1\r\nContent-Length: 3\r\n\
             X-Forwarded-For: 1.2.3.4\r\n\r\n",
        );
    }

    #[test]
    fn an_upgrade_is_passed_on_only_when_connection_names_it() {
        request(
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\r\n",
            &[],
            "",
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        );
        request(
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
            &[],
            "",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        );
        request(
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nConnection: upgrade, http2-settings\r\n\r\n",
            &[],
            "",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        );
    }

    #[test]
    fn a_response_says_how_its_connection_goes_on() {
        let counted = "HTTP/1.1 200 Very OK\r\nserver: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\n";
        let head = "HTTP/1.1 200 Very OK\r\nserver: x\r\nContent-Length: 3\r\n";
        response(counted, Version::Http11, false, &format!("{head}\r\n"));
        response(counted, Version::Http11, true, &format!("{head}Connection: close\r\n\r\n"));
        response(counted, Version::Http10, false, &format!("{head}Connection: keep-alive\r\n\r\n"));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\n";
        response(chunked, Version::Http11, false, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        response(chunked, Version::Http10, false, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        response(
            "HTTP/1.0 200\r\n\r\n",
            Version::Http11,
            false,
            "HTTP/1.1 200 \r\nConnection: close\r\n\r\n",
        );
    }

    #[test]
    fn a_426_says_which_upgrade_is_required() {
        response(
            "HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
            Version::Http11,
            true,
            "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
             Connection: close\r\n\r\n",
        );
    }

    #[test]
    fn what_has_no_body_declares_none() {
        response(
            "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
            Version::Http11,
            false,
            "HTTP/1.1 204 No Content\r\n\r\n",
        );
        response(
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
            Version::Http11,
            false,
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
        );
        response(
            "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            Version::Http11,
            false,
            "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        );
    }
}
