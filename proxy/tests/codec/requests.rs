//! Request heads: rows of the corpus, the naive reader, every split, and what is written.

use proxy::http::{Added, Framing, Limits, Parsed, RequestError, RequestHead, Version, write_request};

use super::corpus;
use super::naive::{self, Body, Pair, Request, Stop, lower, without};
use super::{LIMITS, WIDE};

const REPLACED: [&str; 3] = ["x-forwarded-for", "x-real-ip", "x-secrets"];
const ADDED: [Added<'static>; 2] =
    [Added { name: "X-Forwarded-For", value: b"10.0.0.1" }, Added { name: "X-Real-IP", value: b"10.0.0.1" }];

/// Every request of the corpus, whole, with the status that answers it (0: accepted).
pub(crate) fn all() -> Vec<(Vec<u8>, u16)> {
    let mut all: Vec<(Vec<u8>, u16)> = corpus::REQUESTS.iter().map(|(r, s)| (r.to_vec(), *s)).collect();
    for (line, status) in corpus::LINES {
        all.push(([line, &b"\r\nHost: a.b\r\nX: y\r\n\r\n"[..]].concat(), *status));
        all.push(([line, &b"\r\nHost: a.b\r\n\r\n"[..]].concat(), *status));
    }
    for (fields, status) in corpus::FIELDS {
        all.push(([b"POST /x HTTP/1.1\r\nHost: a.b\r\n", *fields, b"\r\n\r\n"].concat(), *status));
        all.push(([b"GET /x HTTP/1.1\r\n", *fields, b"\r\nHost: a.b\r\nZ: z\r\n\r\n"].concat(), *status));
    }
    for (host, expected) in corpus::HOSTS {
        let status = if expected.is_some() { 0 } else { 400 };
        all.push(([b"GET / HTTP/1.1\r\nHost: ", *host, b"\r\n\r\n"].concat(), status));
    }
    for (target, expected) in corpus::TARGETS {
        let status = if expected.is_some() { 0 } else { 400 };
        all.push(([b"GET ", *target, b" HTTP/1.1\r\nHost: a.b\r\n\r\n"].concat(), status));
    }
    all
}

fn show(input: &[u8]) -> String {
    input.escape_ascii().to_string()
}

/// What the naive reader says may go on.
fn end_to_end(request: &Request) -> Vec<Pair> {
    let fields = request.head.end_to_end();
    if request.old { without(fields, &["expect"]) } else { fields }
}

fn framing(body: Body) -> Framing {
    match body {
        Body::None => Framing::None,
        Body::Length(length) => Framing::Length(length),
        Body::Chunked => Framing::Chunked,
        Body::Close => Framing::UntilClose,
    }
}

fn assert_same(head: &RequestHead, buf: &[u8], expected: &Request) {
    let context = show(buf);
    assert_eq!(head.len(), expected.head.end, "length: {context}");
    assert_eq!(show(head.method_text(buf)), show(&expected.method), "method: {context}");
    assert_eq!(show(head.target(buf)), show(&expected.target), "target: {context}");
    assert_eq!(show(head.path(buf)), show(&expected.path), "path: {context}");
    assert_eq!((head.host(), head.port()), (expected.host.as_str(), expected.port), "host: {context}");
    assert_eq!(head.version() == Version::Http10, expected.old, "version: {context}");
    assert_eq!(head.framing(), framing(expected.body), "framing: {context}");
    assert_eq!(head.keep_alive(), expected.persistent, "persistence: {context}");
    assert_eq!(head.expects_continue(), expected.waits, "expectation: {context}");
    assert_eq!(head.upgrade(buf), expected.upgrade.as_deref(), "upgrade: {context}");
    let fields: Vec<Pair> = head.headers(buf).map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
    assert_eq!(fields, end_to_end(expected), "fields: {context}");
    for (name, _) in fields {
        let first = expected.head.all(&lower(&name)).into_iter().next();
        assert_eq!(head.header(buf, &lower(&name)).map(<[u8]>::to_vec), first, "lookup: {context}");
    }
}

/// `Max-Forwards` of OPTIONS and TRACE is written anew, one lower, when each of them is a number; else none passes.
fn hops_counted(request: &Request, fields: Vec<Pair>) -> Vec<Pair> {
    if request.method != b"OPTIONS" && request.method != b"TRACE" {
        return fields;
    }
    let hops = request.head.all("max-forwards");
    let number = |text: &Vec<u8>| {
        let digits =
            text.iter().all(u8::is_ascii_digit).then(|| lower(text)).filter(|text| !text.is_empty())?;
        Some(digits.parse::<u32>().unwrap_or(u32::MAX).saturating_sub(1))
    };
    let numbers: Option<Vec<u32>> = hops.iter().map(number).collect();
    let mut fields: Vec<Pair> =
        fields.into_iter().filter(|(name, _)| lower(name) != "max-forwards").collect();
    if let Some(least) = numbers.and_then(|numbers| numbers.into_iter().min()) {
        fields.push((b"Max-Forwards".to_vec(), least.to_string().into_bytes()));
    }
    fields
}

/// What is written says the same, and nothing else, to a reader that shares no code with the writer.
fn assert_written(head: &RequestHead, buf: &[u8], expected: &Request) {
    let mut out = b"kept".to_vec();
    let mut lines = Vec::new();
    ADDED.iter().for_each(|field| field.write(&mut lines));
    write_request(head, buf, &REPLACED, &[&lines], &mut out);
    let out = out.strip_prefix(b"kept").unwrap();
    let context = format!("{}\nbecame {}", show(buf), show(out));
    let read = naive::request(out, &WIDE).unwrap_or_else(|stop| panic!("{stop:?}: {context}"));
    let dropped = [&REPLACED[..], &["host", "content-length"]].concat();
    let mut fields = hops_counted(expected, without(end_to_end(expected), &dropped));
    fields.extend(ADDED.iter().map(|a| (a.name.as_bytes().to_vec(), a.value.to_vec())));
    assert_eq!(read.head.passing(), fields, "fields: {context}");
    assert_eq!(read.head.end, out.len(), "end: {context}");
    assert!(out.ends_with(&[&read.head.lines()[..], b"\r\n"].concat()), "spelling: {context}");
    let options: &[&str] = if expected.upgrade.is_some() { &["upgrade"] } else { &[] };
    assert_eq!(read.head.options, options, "connection: {context}");
    let same = Request { old: false, persistent: true, head: read.head.clone(), ..expected.clone() };
    assert_eq!(read, same, "{context}");
}

/// Codec and naive reader agree on `input`; true when both accepted it.
pub(crate) fn agree(head: &mut RequestHead, input: &[u8]) -> bool {
    let parsed = head.parse(input, &LIMITS);
    match (naive::request(input, &LIMITS), parsed) {
        (Ok(expected), Ok(Parsed::Complete)) => {
            assert_same(head, input, &expected);
            if expected.method != b"CONNECT" {
                assert_written(head, input, &expected);
            }
            true
        }
        (Err(Stop::Partial), Ok(Parsed::Partial) | Err(_)) | (Err(Stop::Refused(_)), Err(_)) => false,
        (Err(Stop::Refused(why)), Ok(Parsed::Partial)) => {
            // Not seen yet; it has to be, once the head ends.
            let ended = [input, b"\r\n\r\n"].concat();
            assert!(head.parse(&ended, &LIMITS).is_err(), "{why}: {}", show(&ended));
            false
        }
        (naive, codec) => panic!("naive {naive:?}, codec {codec:?}: {}", show(input)),
    }
}

pub(crate) fn agree_at_every_split(head: &mut RequestHead, input: &[u8]) {
    agree_at(head, input, 0..=input.len());
}

/// Every prefix is partial (or refused early) until the head is whole, and says the same from then on.
pub(crate) fn agree_at(head: &mut RequestHead, input: &[u8], cuts: impl Iterator<Item = usize>) {
    let whole = naive::request(input, &LIMITS);
    for n in cuts {
        let prefix = &input[..n];
        match (&whole, head.parse(prefix, &LIMITS)) {
            (Ok(expected), Ok(Parsed::Complete)) if n >= expected.head.end => {
                assert_same(head, prefix, expected);
            }
            (Ok(expected), Ok(Parsed::Partial)) if n < expected.head.end => {}
            (Err(_), Ok(Parsed::Partial) | Err(_)) => {}
            (whole, codec) => panic!("naive {whole:?}, codec {codec:?} at {n}: {}", show(input)),
        }
    }
}

#[test]
fn the_codec_gives_each_request_of_the_corpus_its_status() {
    let mut head = RequestHead::new();
    for (input, expected) in all() {
        let status = match head.parse(&input, &LIMITS) {
            Ok(Parsed::Complete) => 0,
            Ok(Parsed::Partial) => 1,
            Err(error) => error.status(),
        };
        assert_eq!(status, expected, "{}", show(&input));
    }
}

#[test]
fn codec_and_naive_reader_agree_on_each_request_of_the_corpus() {
    let mut head = RequestHead::new();
    for (input, expected) in all() {
        assert_eq!(agree(&mut head, &input), expected == 0, "{}", show(&input));
    }
}

#[test]
fn a_request_may_arrive_in_any_pieces() {
    let mut head = RequestHead::new();
    for (input, _) in all() {
        agree_at_every_split(&mut head, &input);
    }
}

#[test]
fn hosts_have_one_canonical_form() {
    for (host, expected) in corpus::HOSTS {
        let input = [b"GET / HTTP/1.1\r\nHost: ", *host, b"\r\n\r\n"].concat();
        let mut head = RequestHead::new();
        let parsed = head.parse(&input, &LIMITS).is_ok();
        assert_eq!(parsed.then(|| (head.host(), head.port())), *expected, "{}", show(host));
    }
}

#[test]
fn targets_have_one_canonical_form() {
    for (target, expected) in corpus::TARGETS {
        let input = [b"GET ", *target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        let mut head = RequestHead::new();
        let parsed = head.parse(&input, &LIMITS).is_ok();
        let canonical = parsed.then(|| String::from_utf8(head.target(&input).to_vec()).unwrap());
        assert_eq!(canonical.as_deref(), *expected, "{}", show(target));
    }
}

#[test]
fn limits_hold_to_the_octet_in_whole_and_partial_heads() {
    let check = |input: &[u8], limits: Limits, expected: Result<Parsed, RequestError>| {
        let mut head = RequestHead::new();
        assert_eq!(head.parse(input, &limits), expected, "{}", show(input));
        let early = (1..input.len()).find_map(|n| head.parse(&input[..n], &limits).err());
        assert!(early.is_none() || early == expected.err(), "{early:?}: {}", show(input));
    };
    let input = b"\r\nGET /abc HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\nbody";
    let fits = Limits { request_line: 17, head: 36, headers: 2 };
    check(input, fits, Ok(Parsed::Complete));
    check(input, Limits { request_line: 16, ..fits }, Err(RequestError::UriTooLong));
    check(input, Limits { head: 35, ..fits }, Err(RequestError::HeadTooLarge));
    check(input, Limits { headers: 1, ..fits }, Err(RequestError::TooManyFields));
    check(b"GET /aaaaaaaaaaaaaaaaaaaaaaaaa", fits, Err(RequestError::UriTooLong));
    check(&[b"GET / HTTP/1.1\r\nX: ", &[b'a'; 100][..]].concat(), fits, Err(RequestError::HeadTooLarge));
    check(b"GET / HTTP/1.1\r\nX: y\r\nX: y\r\nX: y\r\n", fits, Err(RequestError::TooManyFields));
}

#[test]
fn heads_with_more_fields_than_usual_are_read_where_the_limit_allows_them() {
    let fields: String = (0..200).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let input = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let limits = Limits { request_line: 100, head: 9000, headers: 201 };
    let mut head = RequestHead::new();
    assert_eq!(head.parse(input.as_bytes(), &limits), Ok(Parsed::Complete));
    assert_eq!(head.headers(input.as_bytes()).count(), 201);
    assert_eq!(head.header(input.as_bytes(), "x-199"), Some(&b"199"[..]));
    let fewer = Limits { headers: 200, ..limits };
    assert_eq!(head.parse(input.as_bytes(), &fewer), Err(RequestError::TooManyFields));
}
