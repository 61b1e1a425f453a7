//! A reply of ours as octets.

use model::Revision;

use super::pages::Page;
use super::{DEBUG_VERSION, HttpDate, LocalReply, Pages, REVISION};
use crate::http::Version;

/// What of the request and its connection shapes a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyTo {
    /// What the client speaks: to HTTP/1.0, keeping the connection must be said.
    pub client: Version,
    /// The connection ends after this reply.
    pub close: bool,
    /// The method was HEAD: the head alone is sent (RFC 9110 §9.3.2).
    pub head_request: bool,
    /// `X-Debug` was asked for and is allowed.
    pub debug: bool,
    /// The revision of the table that the request was looked up in; told where `debug` is.
    pub revision: Option<Revision>,
    /// Now, in seconds since 1970.
    pub unix_seconds: i64,
}

/// Appends the whole response to `out`: the head with hipache's fields, and the page or text.
pub fn write_reply(reply: LocalReply, pages: &Pages, to: ReplyTo, out: &mut Vec<u8>) {
    let page = pages.page(reply);
    let (kind, body) = match page {
        Page::Html(body) => ("text/html", body),
        Page::Text(text) => ("text/plain", text.as_bytes()),
    };
    let mut number = itoa::Buffer::new();
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(number.format(reply.status()).as_bytes());
    out.push(b' ');
    out.extend_from_slice(reply.reason().as_bytes());
    out.extend_from_slice(b"\r\ndate: ");
    out.extend_from_slice(HttpDate::from_unix(to.unix_seconds).as_bytes());
    out.extend_from_slice(b"\r\n");
    field(out, "content-type", kind);
    field(out, "cache-control", "no-cache");
    field(out, "pragma", "no-cache");
    field(out, "expires", "-1");
    field(out, "content-length", number.format(body.len()));
    if let Some((name, value)) = reply.field() {
        field(out, name, value);
    }
    if to.debug {
        field(out, "x-debug-error", reply.message());
        field(out, "x-debug-version-hipache", DEBUG_VERSION);
        if let Some(revision) = to.revision {
            field(out, REVISION, number.format(revision.number()));
        }
    }
    if to.close {
        field(out, "connection", "close");
    } else if to.client == Version::Http10 {
        field(out, "connection", "keep-alive");
    }
    out.extend_from_slice(b"\r\n");
    if !to.head_request {
        out.extend_from_slice(body);
    }
}

fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: ReplyTo = ReplyTo {
        client: Version::Http11,
        close: false,
        head_request: false,
        debug: false,
        revision: None,
        unix_seconds: 784_111_777,
    };

    fn written(reply: LocalReply, pages: &Pages, to: ReplyTo) -> String {
        let mut out = Vec::new();
        write_reply(reply, pages, to, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_reply_has_the_fields_of_hipache() {
        let expected = "HTTP/1.1 400 Bad Request\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
            content-type: text/plain\r\ncache-control: no-cache\r\npragma: no-cache\r\nexpires: -1\r\n\
            content-length: 18\r\n\r\nfrontend not found";
        assert_eq!(written(LocalReply::FrontendNotFound, &Pages::default(), PLAIN), expected);
    }

    #[test]
    fn a_ping_is_answered_ok() {
        let reply = written(LocalReply::Pong, &Pages::default(), PLAIN);
        assert!(
            reply.starts_with("HTTP/1.1 200 OK\r\n") && reply.ends_with("content-length: 2\r\n\r\nok"),
            "{reply}"
        );
    }

    #[test]
    fn debug_says_what_and_who() {
        let reply = written(LocalReply::NoEndpoint, &Pages::default(), ReplyTo { debug: true, ..PLAIN });
        assert!(reply.contains("\r\nx-debug-error: Cannot find a valid backend\r\n"), "{reply}");
        assert!(reply.contains("\r\nx-debug-version-hipache: portico/"), "{reply}");
        assert!(!reply.contains("portico-revision"), "it was not routed: {reply}");
        let routed = ReplyTo { debug: true, revision: Some(Revision::new(42)), ..PLAIN };
        let reply = written(LocalReply::NoEndpoint, &Pages::default(), routed);
        assert!(reply.contains("\r\nportico-revision: 42\r\n"), "{reply}");
    }

    #[test]
    fn the_connection_field_says_what_the_version_does_not() {
        let connection = |client, close| {
            let reply =
                written(LocalReply::NoEndpoint, &Pages::default(), ReplyTo { client, close, ..PLAIN });
            reply.lines().find_map(|line| line.strip_prefix("connection: ").map(str::to_owned))
        };
        assert_eq!(connection(Version::Http11, false), None);
        assert_eq!(connection(Version::Http11, true).as_deref(), Some("close"));
        assert_eq!(connection(Version::Http10, false).as_deref(), Some("keep-alive"));
        assert_eq!(connection(Version::Http10, true).as_deref(), Some("close"));
    }

    #[test]
    fn the_answer_to_head_has_the_length_and_no_body() {
        let reply =
            written(LocalReply::NoEndpoint, &Pages::default(), ReplyTo { head_request: true, ..PLAIN });
        assert!(reply.contains("\r\ncontent-length: 27\r\n") && reply.ends_with("\r\n\r\n"), "{reply}");
    }

    #[test]
    fn statuses_that_ask_for_a_field_get_it() {
        let allow = written(LocalReply::MethodNotAllowed, &Pages::default(), PLAIN);
        assert!(allow.contains("\r\nallow: GET, HEAD, "), "{allow}");
        let retry = written(LocalReply::Unavailable, &Pages::default(), PLAIN);
        assert!(retry.contains("\r\nretry-after: 1\r\n"), "{retry}");
    }

    #[test]
    fn every_reply_is_one_well_formed_response() {
        for reply in LocalReply::EACH {
            let text = written(reply, &Pages::default(), ReplyTo { debug: true, close: true, ..PLAIN });
            let mut fields = [httparse::EMPTY_HEADER; 16];
            let mut head = httparse::Response::new(&mut fields);
            let length = head.parse(text.as_bytes()).unwrap().unwrap();
            assert_eq!(head.code, Some(reply.status()));
            let stated = head.headers.iter().find(|field| field.name == "content-length").unwrap().value;
            assert_eq!(stated, (text.len() - length).to_string().as_bytes(), "{reply:?}");
        }
    }
}
