//! hipache's line:
//! `::ffff:10.0.0.1 - - [16/Feb/2014:00:43:10 +0000] "GET / HTTP/1.1" 200 3236 "" "curl/7.30.0" "mywebsite" 0.011 0.009`
//!
//! Client, time, request, status (0: none was sent), octets sent, referer, user agent, backend, seconds in all, seconds
//! with the endpoint. Two things are stricter than in hipache: quotes, backslashes, control characters and what is not
//! ASCII are written `\x22`, and the octets are those of this request, not of its connection so far.

use super::escape::quoted;
use super::line::{Asked, Line};
use super::time::{SecondText, seconds};
use crate::config::{MAX_LOGGED_FIELD, MAX_LOGGED_TARGET};
use crate::http::Version;

pub(super) fn write(line: &Line<'_>, time: &mut SecondText, out: &mut Vec<u8>) {
    let mut number = itoa::Buffer::new();
    // hipache tells its readers IPv4 addresses in IPv6, and asks no further than for the first two octets.
    if !line.client.starts_with(b"::") {
        out.extend_from_slice(b"::ffff:");
    }
    quoted(line.client, MAX_LOGGED_FIELD, out);
    out.extend_from_slice(b" - - [");
    out.extend_from_slice(time.hipache(line.unix_us.div_euclid(1_000_000)));
    out.extend_from_slice(b" +0000] \"");
    match line.asked {
        Asked::Parsed { method, target, version } => {
            quoted(method, MAX_LOGGED_FIELD, out);
            out.push(b' ');
            quoted(target, MAX_LOGGED_TARGET, out);
            out.extend_from_slice(if version == Version::Http10 { b" HTTP/1.0" } else { b" HTTP/1.1" });
        }
        Asked::Raw(raw) => quoted(raw, MAX_LOGGED_TARGET, out),
    }
    out.extend_from_slice(b"\" ");
    out.extend_from_slice(number.format(line.status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(number.format(line.bytes_out).as_bytes());
    for text in [line.referer, line.user_agent, line.backend] {
        out.extend_from_slice(b" \"");
        quoted(text, MAX_LOGGED_FIELD, out);
        out.push(b'"');
    }
    out.push(b' ');
    seconds(line.total_us, out);
    out.push(b' ');
    seconds(line.upstream_us.unwrap_or(0), out);
    out.push(b'\n');
}
