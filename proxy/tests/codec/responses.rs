//! Response heads: rows of the corpus, the naive reader, every split, and what is written.

use proxy::http::{Added, Asked, Framing, Parsed, ResponseHead, Version, write_response};

use super::corpus;
use super::naive::{self, Body, Pair, Response, Stop};
use super::{LIMITS, WIDE};

const ADDED: [Added<'static>; 1] = [Added { name: "X-Debug", value: b"1" }];
/// Whatever may have been asked.
pub(crate) const ASKED: [Asked; 3] = [
    Asked { head: false, upgrade: false },
    Asked { head: true, upgrade: false },
    Asked { head: false, upgrade: true },
];

/// Fields that only matter in responses.
const FIELDS: &[&[u8]] = &[
    b"Retry-After: 5",
    b"Close: x",
    b"Connection: retry-after\r\nRetry-After: 5",
    b"Set-Cookie: a=b\r\nSet-Cookie: c=d",
    b"Upgrade: h2,h2c\r\nConnection: Upgrade",
    b"Upgrade: websocket\r\nConnection: Upgrade",
    b"Upgrade: websocket\r\nConnection: Upgrade, close",
    b"WWW-Authenticate: Basic\r\nProxy-Authenticate: Basic",
];

/// Every response of the corpus.
pub(crate) fn all() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for (line, _) in corpus::STATUS_LINES {
        all.push([line, &b"\r\nContent-Length: 3\r\n\r\nabc"[..]].concat());
        all.push([line, &b"\r\nServer: x\r\n\r\n"[..]].concat());
        all.push([line, &b"\r\n\r\n"[..]].concat());
    }
    let fields = corpus::FIELDS.iter().map(|(fields, _)| fields).chain(FIELDS);
    let lines: [&[u8]; 7] = [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 204 No Content",
        b"HTTP/1.1 304 Not Modified",
        b"HTTP/1.1 101 Switching Protocols",
        b"HTTP/1.1 100 Continue",
        b"HTTP/1.1 426 Upgrade Required",
    ];
    for fields in fields {
        for line in lines {
            all.push([line, b"\r\nServer: x\r\n", *fields, b"\r\n\r\n"].concat());
        }
    }
    all
}

fn show(input: &[u8]) -> String {
    input.escape_ascii().to_string()
}

fn framing(body: Body) -> Framing {
    match body {
        Body::None => Framing::None,
        Body::Length(length) => Framing::Length(length),
        Body::Chunked => Framing::Chunked,
        Body::Close => Framing::UntilClose,
    }
}

fn assert_same(head: &ResponseHead, buf: &[u8], expected: &Response) {
    let context = show(buf);
    assert_eq!(head.len(), expected.head.end, "length: {context}");
    assert_eq!(head.status(), expected.status, "status: {context}");
    assert_eq!(head.version() == Version::Http10, expected.old, "version: {context}");
    assert_eq!(head.framing(), framing(expected.body), "framing: {context}");
    assert_eq!(head.reusable(), expected.persistent, "persistence: {context}");
    let end_to_end = expected.head.end_to_end();
    let retry = end_to_end.iter().any(|(name, _)| naive::lower(name) == "retry-after");
    assert_eq!(head.has_retry_after(), retry, "retry-after: {context}");
    let fields: Vec<Pair> = head.headers(buf).map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
    assert_eq!(fields, end_to_end, "fields: {context}");
}

/// What is written says the same, and how the connection goes on, to a reader that shares no code with the writer.
fn assert_written(head: &ResponseHead, buf: &[u8], asked: Asked, expected: &Response) {
    for (client, close) in
        [(Version::Http11, false), (Version::Http11, true), (Version::Http10, false), (Version::Http10, true)]
    {
        let mut out = Vec::new();
        write_response(head, buf, client, close, &ADDED, &mut out);
        let context = format!("{}\nbecame {}", show(buf), show(&out));
        let read = naive::response(&out, asked.head, asked.upgrade, &WIDE)
            .unwrap_or_else(|stop| panic!("{stop:?}: {context}"));
        assert_eq!((read.status, &read.reason), (expected.status, &expected.reason), "{context}");
        assert_eq!(read.head.end, out.len(), "{context}");
        let decoded = client == Version::Http10 && expected.body == Body::Chunked;
        let body = if decoded { Body::Close } else { expected.body };
        assert_eq!(read.body, body, "{context}");
        assert_eq!(head.needs_close(client), body == Body::Close, "{context}");
        let mut fields = expected.head.passing();
        // A field of that name (RFC 9110 reserves it for this) ends at the next hop, once `Connection` says `close`.
        if read.head.options.iter().any(|option| option == "close") {
            fields = naive::without(fields, &["close"]);
        }
        fields.push((b"X-Debug".to_vec(), b"1".to_vec()));
        assert_eq!(read.head.passing(), fields, "{context}");
        assert!(out.ends_with(&[&read.head.lines()[..], b"\r\n"].concat()), "spelling: {context}");
        let goes_on = |option: &str| read.head.options.iter().any(|o| o == option);
        let closes = close || body == Body::Close;
        if expected.status >= 200 {
            assert_eq!(goes_on("close"), closes, "{context}");
            assert_eq!(goes_on("keep-alive"), !closes && client == Version::Http10, "{context}");
        }
        if expected.status < 200 || expected.status == 204 {
            assert!(read.head.all("content-length").is_empty(), "{context}");
            assert!(read.head.all("transfer-encoding").is_empty(), "{context}");
        }
        assert_eq!(goes_on("upgrade"), !read.head.all("upgrade").is_empty(), "{context}");
    }
}

/// Codec and naive reader agree on `input`; true when both accepted it.
pub(crate) fn agree(head: &mut ResponseHead, input: &[u8], asked: Asked) -> bool {
    let naive = naive::response(input, asked.head, asked.upgrade, &LIMITS);
    match (naive, head.parse(input, asked, &LIMITS)) {
        (Ok(expected), Ok(Parsed::Complete)) => {
            assert_same(head, input, &expected);
            assert_written(head, input, asked, &expected);
            true
        }
        (Err(Stop::Partial), Ok(Parsed::Partial) | Err(_)) | (Err(Stop::Refused(_)), Err(_)) => false,
        (Err(Stop::Refused(why)), Ok(Parsed::Partial)) => {
            let ended = [input, b"\r\n\r\n"].concat();
            assert!(head.parse(&ended, asked, &LIMITS).is_err(), "{why}: {}", show(&ended));
            false
        }
        (naive, codec) => panic!("naive {naive:?}, codec {codec:?}: {}", show(input)),
    }
}

/// Every prefix is partial (or refused early) until the head is whole, and says the same from then on.
pub(crate) fn agree_at(
    head: &mut ResponseHead,
    input: &[u8],
    asked: Asked,
    cuts: impl Iterator<Item = usize>,
) {
    let whole = naive::response(input, asked.head, asked.upgrade, &LIMITS);
    for n in cuts {
        match (&whole, head.parse(&input[..n], asked, &LIMITS)) {
            (Ok(expected), Ok(Parsed::Complete)) if n >= expected.head.end => {
                assert_same(head, &input[..n], expected);
            }
            (Ok(expected), Ok(Parsed::Partial)) if n < expected.head.end => {}
            (Err(_), Ok(Parsed::Partial) | Err(_)) => {}
            (whole, codec) => panic!("naive {whole:?}, codec {codec:?} at {n}: {}", show(input)),
        }
    }
}

#[test]
fn the_codec_refuses_the_status_lines_it_should() {
    let mut head = ResponseHead::new();
    for (line, expected) in corpus::STATUS_LINES {
        let input = [line, &b"\r\nX: y\r\n\r\n"[..]].concat();
        let accepted = head.parse(&input, ASKED[0], &LIMITS) == Ok(Parsed::Complete);
        assert_eq!(accepted, *expected == 0, "{}", show(&input));
    }
}

#[test]
fn codec_and_naive_reader_agree_on_each_response_of_the_corpus() {
    let mut head = ResponseHead::new();
    for asked in ASKED {
        let accepted = all().iter().filter(|input| agree(&mut head, input, asked)).count();
        assert!(accepted > 100, "{accepted} accepted");
    }
}

#[test]
fn a_response_may_arrive_in_any_pieces() {
    let mut head = ResponseHead::new();
    for input in all() {
        agree_at(&mut head, &input, ASKED[2], 0..=input.len());
    }
}

#[test]
fn a_103_passes_its_fields_and_says_nothing_of_the_connection() {
    let input = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: keep-alive\r\n\r\n";
    let mut head = ResponseHead::new();
    assert_eq!(head.parse(input, ASKED[0], &LIMITS), Ok(Parsed::Complete));
    assert!(head.is_informational() && !head.is_upgrade());
    let mut out = Vec::new();
    write_response(&head, input, Version::Http11, true, &[], &mut out);
    assert_eq!(show(&out), show(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"));
}
