//! Lengths and codings: whatever two readers could understand in two ways is refused; whatever breaks off looks so.

use super::behaviour::Behaviour;
use super::behaviour::Do::{Close, Flood, Pause, Say};
use super::behaviour::Seen;

pub(super) fn all() -> Vec<Behaviour> {
    [lengths(), codings(), chunks(), trailers()].concat()
}

fn lengths() -> Vec<Behaviour> {
    let with = |name, fields: &str| {
        Behaviour::saying(name, format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nforged and more forged"))
    };
    let closing = |name, length: &str| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        Behaviour::new(name, [Say(head.into_bytes()), Say(b"short".to_vec()), Close]).seen(Seen::Cut)
    };
    vec![
        with("a length and chunks", "Content-Length: 6\r\nTransfer-Encoding: chunked"),
        with("chunks and a length", "Transfer-Encoding: chunked\r\nContent-Length: 6"),
        with("two lengths", "Content-Length: 6\r\nContent-Length: 7"),
        with("the same length twice", "Content-Length: 6\r\nContent-Length: 6"),
        with("two lengths in one field", "Content-Length: 6, 7"),
        with("a negative length", "Content-Length: -6"),
        with("a length with a sign", "Content-Length: +6"),
        with("a hexadecimal length", "Content-Length: 0x6"),
        with("a length with a point", "Content-Length: 6.0"),
        with("an empty length", "Content-Length:"),
        with("a length with a space in it", "Content-Length: 6 6"),
        with("a length beyond 64 bits", "Content-Length: 18446744073709551622"),
        with("a length that is no number", "Content-Length: six"),
        closing("a body that is too short", "6").seen(Seen::Refused),
        closing("the largest length there is", "9223372036854775807"),
    ]
}

fn codings() -> Vec<Behaviour> {
    let coded = |name, fields: &str| {
        Behaviour::saying(name, format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n6\r\nforged\r\n0\r\n\r\n"))
    };
    vec![
        coded("chunked twice in one field", "Transfer-Encoding: chunked, chunked"),
        coded("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        coded("gzip before chunked", "Transfer-Encoding: gzip, chunked"),
        coded("gzip after chunked", "Transfer-Encoding: chunked, gzip"),
        coded("identity", "Transfer-Encoding: identity"),
        coded("a coding that nobody knows", "Transfer-Encoding: xchunked"),
        coded("a coding behind a vertical tab", "Transfer-Encoding: \x0bchunked"),
        coded("an empty coding", "Transfer-Encoding:"),
        coded("a coding with a parameter", "Transfer-Encoding: chunked;q=1"),
        coded("a coding in quotes", "Transfer-Encoding: \"chunked\""),
        coded("a coding with an underscore", "Transfer_Encoding: chunked"),
        Behaviour::saying(
            "chunks on http/1.0",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nforged\r\n0\r\n\r\n",
        ),
    ]
}

fn head() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()
}

/// Once with the head, once after it: the answer has begun then.
fn chunked(name: &'static str, later: &'static str, body: &str) -> [Behaviour; 2] {
    let (at_once, after) = ([head(), body.into()].concat(), body.as_bytes().to_vec());
    [
        Behaviour::new(name, [Say(at_once)]).seen(Seen::Refused),
        Behaviour::new(later, [Say(head()), Pause, Say(after)]).seen(Seen::Cut),
    ]
}

fn chunks() -> Vec<Behaviour> {
    let mut all = [
        chunked("a chunk size that is none", "the same, later", "forged\r\n"),
        chunked("a negative chunk size", "a negative size, later", "-6\r\nforged\r\n0\r\n\r\n"),
        chunked("a chunk size with 0x", "0x, later", "0x6\r\nforged\r\n0\r\n\r\n"),
        chunked("a chunk size beyond 64 bits", "64 bits, later", "10000000000000006\r\nforged"),
        chunked("a chunk size with a space", "a space, later", "6 \r\nforged\r\n0\r\n\r\n"),
        chunked("a chunk size line with lf alone", "lf alone, later", "6\nforged\r\n0\r\n\r\n"),
        chunked("a chunk longer than its size", "longer, later", "1\r\nxforged\r\n0\r\n\r\n"),
        chunked("an empty chunk size", "an empty size, later", "\r\nforged\r\n0\r\n\r\n"),
        chunked("an extension that is none", "an extension, later", "6;a b\r\nforged\r\n0\r\n\r\n"),
        chunked("an extension of a megabyte", "a megabyte, later", &format!("6;{}", "a".repeat(1 << 20))),
    ]
    .concat();
    all.push(
        Behaviour::new("leading zeros without end", [Say(head()), Flood(b"00000000", 100_000)])
            .seen(Seen::Refused),
    );
    all.push(
        Behaviour::new("chunks without a last one", [Say(head()), Say(b"5\r\nhello\r\n".to_vec()), Close])
            .seen(Seen::Cut),
    );
    all.push(Behaviour::fine(
        "chunks with extensions",
        [head(), b"5;a=1;b=\"x\\\"\";c\r\nhello\r\n00\r\n\r\n".to_vec()].concat(),
        200,
        "hello",
    ));
    all.push(Behaviour::fine(
        "chunked in capitals",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        200,
        "hello",
    ));
    all
}

fn trailers() -> Vec<Behaviour> {
    let trailer = |name, line: &str| {
        let body = [head(), format!("2\r\nok\r\n0\r\n{line}\r\n\r\n").into_bytes()].concat();
        Behaviour::new(name, [Say(body)]).seen(Seen::Refused)
    };
    vec![
        trailer("a length in the trailers", "Content-Length: 100"),
        trailer("a coding in the trailers", "Transfer-Encoding: chunked"),
        trailer("a cookie in the trailers", "Set-Cookie: forged=1"),
        trailer("a trailer that folds", "X: a\r\n forged"),
        trailer("a trailer without a colon", "forged"),
        Behaviour::new(
            "trailers without end",
            [Say(head()), Say(b"0\r\n".to_vec()), Flood(b"X-Sum: 1\r\n", 100_000)],
        )
        .seen(Seen::Refused),
        Behaviour::fine(
            "trailers that may be",
            [head(), b"2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n".to_vec()].concat(),
            200,
            "okX-Sum: 1\r\n",
        ),
    ]
}
