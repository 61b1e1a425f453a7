//! Bodies: rows, the naive reader, every split.

use proxy::http::{BodyError, BodyReader, Framing};

use super::naive::{Body, Stop};
use super::naive_body;

/// Chunked bodies with what they say; `None`: refused. Octets behind the body belong to another message.
pub(crate) const CHUNKED: &[(&[u8], Option<&str>)] = &[
    (b"0\r\n\r\n", Some("")),
    (b"5\r\nhello\r\n0\r\n\r\n", Some("hello")),
    (b"5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n", Some("hello")),
    (b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", Some("hello")),
    (b"A\r\n0123456789\r\n0\r\n\r\n", Some("0123456789")),
    (b"a\r\n0123456789\r\n000\r\n\r\n", Some("0123456789")),
    (b"0000000000000001\r\nx\r\n0\r\n\r\n", Some("x")),
    (b"2\r\n\r\n\r\n0\r\n\r\n", Some("\r\n")),
    (b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", Some("0\r\n\r\n")),
    (b"1;a\r\nx\r\n0;b;c=d;e=\"f\\\"\\\\ \t\xff;\"\r\n\r\n", Some("x")),
    (b"0\r\nX: y\r\n\r\n", Some("")),
    (b"0\r\nX-Checksum:1\r\nY:\r\nx!#$%&'*+-.^_`|~:\t a\xff\r\n\r\n", Some("")),
    (b"0\r\nTransfer-Encodingx: 1\r\n\r\n", Some("")),
    (b"00000000000000001\r\nx\r\n0\r\n\r\n", None),
    (b"7fffffffffffffff\r\n", Some("partial")),
    (b"8000000000000000\r\n", None),
    (b"ffffffffffffffff\r\n", None),
    (b"10000000000000005\r\nhello\r\n", None),
    (b"\r\nhello\r\n0\r\n\r\n", None),
    (b"\r\n5\r\nhello\r\n0\r\n\r\n", None),
    (b" 5\r\nhello\r\n", None),
    (b"5 \r\nhello\r\n", None),
    (b"5\t\r\nhello\r\n", None),
    (b"5 ;a\r\nhello\r\n", None),
    (b"5; a\r\nhello\r\n", None),
    (b"5;a =b\r\nhello\r\n", None),
    (b"5;a= b\r\nhello\r\n", None),
    (b"0x5\r\nhello\r\n", None),
    (b"+5\r\nhello\r\n", None),
    (b"-5\r\nhello\r\n", None),
    (b"5_0\r\nhello\r\n", None),
    (b"5,\r\nhello\r\n", None),
    (b"g\r\n", None),
    (b"5\nhello\r\n", None),
    (b"5\rhello\r\n", None),
    (b"5\r\r\nhello\r\n", None),
    (b"5\x00\r\nhello\r\n", None),
    (b"5;\r\nhello\r\n", None),
    (b"5;;a\r\nhello\r\n", None),
    (b"5;a=\r\nhello\r\n", None),
    (b"5;=b\r\nhello\r\n", None),
    (b"5;a=b=c\r\nhello\r\n", None),
    (b"5;a\nhello\r\n", None),
    (b"5;a\n\r\nhello\r\n", None),
    (b"5;a\rb\r\nhello\r\n", None),
    (b"5;a=\"b\r\n\"\r\nhello\r\n", None),
    (b"5;a=\"b\\\r\n\"\r\nhello\r\n", None),
    (b"5;a=\"b\nc\"\r\nhello\r\n", None),
    (b"5;a=\"b\"c\r\nhello\r\n", None),
    (b"5;a=\"\x7f\"\r\nhello\r\n", None),
    (b"5;a=b\"c\r\nhello\r\n", None),
    (b"5;a(b)\r\nhello\r\n", None),
    (b"5;\xc3\xa9\r\nhello\r\n", None),
    (b"5\r\nhelloo\r\n0\r\n\r\n", None),
    (b"5\r\nhell\r\n0\r\n\r\n", None),
    (b"5\r\nhello\n0\r\n\r\n", None),
    (b"5\r\nhello\r0\r\n\r\n", None),
    (b"5\r\nhelloX\n0\r\n\r\n", None),
    (b"5\r\nhelloXX0\r\n\r\n", None),
    (b"5\r\nhello0\r\n\r\n", None),
    (b"0\n\r\n", None),
    (b"0\r\n\n", None),
    (b"0\r\n\rX", None),
    (b"0\r\n X: y\r\n\r\n", None),
    (b"0\r\nX : y\r\n\r\n", None),
    (b"0\r\nX\r\n\r\n", None),
    (b"0\r\n: y\r\n\r\n", None),
    (b"0\r\nX: y\n\r\n", None),
    (b"0\r\nX: y\r\n z\r\n\r\n", None),
    (b"0\r\nX: y\rz\r\n\r\n", None),
    (b"0\r\nX: \x00\r\n\r\n", None),
    (b"0\r\nX: \x7f\r\n\r\n", None),
    (b"0\r\nX\xc3\xa9: y\r\n\r\n", None),
    (b"0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", None),
    (b"0\r\nTransfer-Encoding: chunked\r\n\r\n", None),
    (b"0\r\ncontent-length: 5\r\n\r\n", None),
    (b"0\r\nContent_Length: 5\r\n\r\n", None),
    (b"0\r\nA: b\r\nHOST: a\r\n\r\n", None),
    (b"0\r\nConnection: close\r\n\r\n", None),
    (b"0\r\nTrailer: x\r\n\r\n", None),
    (b"0\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n", None),
    (b"0\r\nx_real_ip: 6.6.6.6\r\n\r\n", None),
    (b"0\r\nproxy-authorization: 6\r\n\r\n", None),
    (b"0\r\nProxy-Authenticate: 6\r\n\r\n", None),
    (b"0\r\nSet-Cookie: a\r\n\r\n", None),
];

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Whole { content: Vec<u8>, end: usize },
    Partial,
    Refused,
}

fn naive(body: Body, input: &[u8]) -> Outcome {
    match naive_body::body(body, input) {
        Ok(whole) => Outcome::Whole { content: whole.content, end: whole.end },
        Err(Stop::Partial) => Outcome::Partial,
        Err(Stop::Refused(_)) => Outcome::Refused,
    }
}

/// Feeds the pieces to a reader that forwards and one that decodes; both have to agree.
fn codec<'a>(framing: Framing, pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut forwarding = BodyReader::new(framing);
    let mut decoding = BodyReader::new(framing);
    let mut content = Vec::new();
    let mut end = 0;
    for piece in pieces {
        let forwarded = forwarding.advance(piece);
        assert_eq!(decoding.advance_decoding(piece, &mut content), forwarded);
        let Ok(advance) = forwarded else { return Outcome::Refused };
        end += advance.consumed;
        assert_eq!(advance.complete, forwarding.is_complete());
        if advance.complete {
            assert_eq!(forwarding.finish_at_eof(), Ok(()));
            assert_eq!(forwarding.advance(b"next").map(|a| (a.consumed, a.complete)), Ok((0, true)));
            return Outcome::Whole { content, end };
        }
        assert_eq!(advance.consumed, piece.len());
    }
    assert_eq!(forwarding.finish_at_eof(), Err(BodyError::Truncated));
    Outcome::Partial
}

/// Codec and naive reader agree, whole, cut in two anywhere, and octet by octet.
pub(crate) fn agree(framing: Framing, body: Body, input: &[u8]) {
    agree_at(framing, body, input, 1..input.len());
}

/// As [`agree`], cut at some places only; the content and where it ends, if it does.
pub(crate) fn agree_at(
    framing: Framing,
    body: Body,
    input: &[u8],
    cuts: impl Iterator<Item = usize>,
) -> Option<(Vec<u8>, usize)> {
    let context = input.escape_ascii().to_string();
    let expected = naive(body, input);
    assert_eq!(codec(framing, std::iter::once(input)), expected, "whole: {context}");
    assert_eq!(codec(framing, input.chunks(1)), expected, "octets: {context}");
    for n in cuts {
        let (first, second) = input.split_at(n);
        assert_eq!(codec(framing, [first, second].into_iter()), expected, "cut at {n}: {context}");
    }
    match expected {
        Outcome::Whole { content, end } => Some((content, end)),
        Outcome::Partial | Outcome::Refused => None,
    }
}

#[test]
fn chunked_bodies_are_read_or_refused_as_the_rows_say() {
    for (input, expected) in CHUNKED {
        let found = match codec(Framing::Chunked, std::iter::once(*input)) {
            Outcome::Whole { content, .. } => Some(String::from_utf8(content).unwrap()),
            Outcome::Partial => Some("partial".to_owned()),
            Outcome::Refused => None,
        };
        assert_eq!(found.as_deref(), *expected, "{}", input.escape_ascii());
    }
}

#[test]
fn codec_and_naive_reader_agree_on_bodies_at_every_split() {
    for (input, _) in CHUNKED {
        agree(Framing::Chunked, Body::Chunked, input);
        for n in 1..input.len() {
            agree(Framing::Chunked, Body::Chunked, &input[..n]);
        }
    }
    for length in 0..8 {
        agree(Framing::Length(length), Body::Length(length), b"hello");
    }
}

#[test]
fn a_body_until_close_ends_there_and_not_before() {
    let mut reader = BodyReader::new(Framing::UntilClose);
    let advance = reader.advance(b"0\r\n\r\n").unwrap();
    assert_eq!((advance.consumed, advance.complete), (5, false));
    assert_eq!(reader.finish_at_eof(), Ok(()));
}

#[test]
fn extensions_and_trailers_are_bounded_over_the_whole_body() {
    let mut reader = BodyReader::new(Framing::Chunked);
    let refused = (0..5000).any(|_| reader.advance(b"1;a\r\nx\r\n").is_err());
    assert!(refused, "extensions without end");
    let mut reader = BodyReader::new(Framing::Chunked);
    reader.advance(b"0\r\n").unwrap();
    let refused = (0..5000).any(|_| reader.advance(b"X: y\r\n").is_err());
    assert!(refused, "trailers without end");
    let mut reader = BodyReader::new(Framing::Chunked);
    reader.advance(b"0\r\n").unwrap();
    let refused = (0..5000).any(|_| reader.advance(b"Name").is_err());
    assert!(refused, "a trailer's name without end");
}

#[test]
fn octets_that_went_past_unseen_are_counted() {
    let mut reader = BodyReader::new(Framing::Length(10));
    reader.skip(6).unwrap();
    assert_eq!(reader.remaining(), Some(4));
    assert!(reader.skip(5).is_err());
    let advance = reader.advance(b"abcdef").unwrap();
    assert_eq!((advance.consumed, advance.complete), (4, true));
    assert!(BodyReader::new(Framing::Chunked).skip(1).is_err());
}
