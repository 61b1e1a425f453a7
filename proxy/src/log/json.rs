//! The JSON line: one object, keys always in this order.
//!
//! | key | what |
//! |---|---|
//! | `time` | when the request began, RFC 3339 in UTC, with milliseconds |
//! | `client` | the client's address: `X-Real-IP` of a trusted peer, else the peer |
//! | `peer` | the address of the other side of the connection |
//! | `method`, `target`, `version` | the request line; instead of them `malformed`: a first line that was not understood, as it came |
//! | `host` | the host that was asked for, canonical |
//! | `status` | the status that was sent; 0: none |
//! | `end` | `complete`, `client_gone`, `upstream_broken`, `abandoned` or `panicked` |
//! | `reply` | only on an answer of portico's own: its name, such as `frontend_not_found` |
//! | `bytes_in`, `bytes_out` | octets read from and written to the client |
//! | `referer`, `user_agent` | the request's fields, empty when absent |
//! | `backend`, `endpoint` | the backend's name and the address that was tried last, empty when none was |
//! | `attempts` | how many endpoints were tried |
//! | `duration_us` | microseconds from the request's first octet to the end of the exchange |
//! | `upstream_us` | … from the start of the last attempt to the end; absent without an attempt |
//! | `upstream_head_us` | … from the start of the last attempt to the head of its answer; absent without one |
//!
//! Strings are ASCII. An octet of a peer that is a quote, a backslash, a control character or not ASCII stands as
//! `\u00xx` with the octet's number; a text that was too long ends in `...`.

use super::escape::json;
use super::line::{Asked, Line};
use super::time::SecondText;
use crate::config::{MAX_LOGGED_FIELD, MAX_LOGGED_TARGET};
use crate::http::Version;

pub(super) fn write(line: &Line<'_>, time: &mut SecondText, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"time\":\"");
    out.extend_from_slice(time.iso(line.unix_us.div_euclid(1_000_000)));
    let ms = line.unix_us.rem_euclid(1_000_000) / 1000;
    let digit = |n: i64| b'0' + (n % 10) as u8;
    out.extend_from_slice(&[b'.', digit(ms / 100), digit(ms / 10), digit(ms), b'Z', b'"']);
    text(out, "client", line.client, MAX_LOGGED_FIELD);
    text(out, "peer", line.peer, MAX_LOGGED_FIELD);
    match line.asked {
        Asked::Parsed { method, target, version } => {
            text(out, "method", method, MAX_LOGGED_FIELD);
            text(out, "target", target, MAX_LOGGED_TARGET);
            text(out, "version", if version == Version::Http10 { b"1.0" } else { b"1.1" }, MAX_LOGGED_FIELD);
        }
        Asked::Raw(raw) => text(out, "malformed", raw, MAX_LOGGED_TARGET),
    }
    text(out, "host", line.host, MAX_LOGGED_FIELD);
    number(out, "status", line.status.into());
    text(out, "end", line.end.name().as_bytes(), MAX_LOGGED_FIELD);
    if let Some(reply) = line.reply {
        text(out, "reply", reply.name().as_bytes(), MAX_LOGGED_FIELD);
    }
    number(out, "bytes_in", line.bytes_in);
    number(out, "bytes_out", line.bytes_out);
    text(out, "referer", line.referer, MAX_LOGGED_FIELD);
    text(out, "user_agent", line.user_agent, MAX_LOGGED_FIELD);
    text(out, "backend", line.backend, MAX_LOGGED_FIELD);
    text(out, "endpoint", line.endpoint, MAX_LOGGED_FIELD);
    number(out, "attempts", line.attempts.into());
    number(out, "duration_us", line.total_us);
    if let Some(us) = line.upstream_us {
        number(out, "upstream_us", us);
    }
    if let Some(us) = line.upstream_head_us {
        number(out, "upstream_head_us", us);
    }
    out.extend_from_slice(b"}\n");
}

fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn text(out: &mut Vec<u8>, name: &str, value: &[u8], limit: usize) {
    key(out, name);
    out.push(b'"');
    json(value, limit, out);
    out.push(b'"');
}

fn number(out: &mut Vec<u8>, name: &str, value: u64) {
    key(out, name);
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}
