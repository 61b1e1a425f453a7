//! What the codec writes, and what it lets pass, as h11 reads it: a reader by others, in another language.

use std::io::Write;
use std::process::{Command, Stdio};

use proxy::http::{
    Asked, BodyReader, Framing, Parsed, RequestHead, ResponseHead, Version, write_request, write_response,
};
use serde_json::Value;

use super::naive::{Pair, lower};
use super::{LIMITS, bodies, requests, responses};

/// A message, and what is to be read of it.
#[derive(Debug)]
struct Message {
    kind: &'static str,
    octets: Vec<u8>,
    start: [String; 2],
    /// Without those that frame it or are for one hop.
    fields: Vec<Pair>,
    body: Vec<u8>,
    /// Whether its end can be seen.
    ended: bool,
}

/// Asks h11 about all of `messages` at once.
fn h11(messages: &[Message]) -> Vec<Value> {
    let mut reader = Command::new("/usr/bin/python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/codec/h11_reader.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let asked: String = messages.iter().map(|m| format!("{} {}\n", m.kind, hex(&m.octets))).collect();
    let mut stdin = reader.stdin.take().unwrap();
    let asking = std::thread::spawn(move || stdin.write_all(asked.as_bytes()).unwrap());
    let answered = reader.wait_with_output().unwrap();
    asking.join().unwrap();
    let text = String::from_utf8(answered.stdout).unwrap();
    let told: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), messages.len(), "is python3-h11 installed? tests/run does it");
    told
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn unhex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn is_of_the_hop(name: &[u8]) -> bool {
    ["content-length", "transfer-encoding", "connection", "upgrade", "host"].contains(&&*lower(name))
}

fn assert_read(message: &Message, told: &Value) {
    let context = format!("{}\nh11: {told}", message.octets.escape_ascii());
    assert!(told["refused"].is_null(), "{context}");
    assert_eq!(told["start"], serde_json::json!(message.start), "{context}");
    let pairs = told["fields"].as_array().unwrap().iter().map(|pair| (unhex(&pair[0]), unhex(&pair[1])));
    let fields: Vec<Pair> = pairs.filter(|(name, _)| !is_of_the_hop(name)).collect();
    assert_eq!(fields, message.fields, "{context}");
    assert_eq!(
        unhex(&told["body"]).escape_ascii().to_string(),
        message.body.escape_ascii().to_string(),
        "{context}"
    );
    assert_eq!(told["ended"], message.ended, "{context}");
}

/// A body of that framing, what it says, and whether its end can be seen.
fn sample(framing: Framing) -> (Vec<u8>, Vec<u8>, bool) {
    match framing {
        Framing::None => (Vec::new(), Vec::new(), true),
        Framing::Length(length) => {
            let body = vec![b'z'; usize::try_from(length.min(100)).unwrap()];
            (body.clone(), body, length <= 100)
        }
        Framing::Chunked => (b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n".to_vec(), b"hello".to_vec(), true),
        Framing::UntilClose => (b"hello".to_vec(), b"hello".to_vec(), false),
    }
}

fn passing<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<Pair> {
    fields.filter(|(name, _)| !is_of_the_hop(name)).map(|(n, v)| (n.to_vec(), v.to_vec())).collect()
}

#[test]
fn h11_reads_each_request_that_leaves_us_as_it_was_meant() {
    let mut head = RequestHead::new();
    let mut messages = Vec::new();
    for (input, _) in requests::all() {
        if head.parse(&input, &LIMITS) != Ok(Parsed::Complete) || head.method_text(&input) == b"CONNECT" {
            continue;
        }
        let mut octets = Vec::new();
        write_request(&head, &input, &[], &[], &mut octets);
        let (sent, body, ended) = sample(head.framing());
        octets.extend(sent);
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let start = [text(head.method_text(&input)), text(head.target(&input))];
        messages.push(Message {
            kind: "request",
            octets,
            start,
            fields: passing(head.headers(&input)),
            body,
            ended,
        });
    }

    let told = h11(&messages);

    assert!(messages.len() > 150, "{} of the corpus", messages.len());
    messages.iter().zip(&told).for_each(|(message, told)| assert_read(message, told));
}

#[test]
fn h11_reads_each_answer_that_leaves_us_as_it_was_meant() {
    let mut head = ResponseHead::new();
    let mut messages = Vec::new();
    for input in responses::all() {
        if head.parse(&input, Asked::default(), &LIMITS) != Ok(Parsed::Complete) || head.is_upgrade() {
            continue;
        }
        let mut octets = Vec::new();
        write_response(&head, &input, Version::Http11, false, &[], &mut octets);
        let (sent, body, ended) = sample(head.framing());
        octets.extend(sent);
        let line = octets.split(|&octet| octet == b'\r').next().unwrap();
        let reason: String = line[13.min(line.len())..].iter().map(|&octet| char::from(octet)).collect();
        let start = [head.status().to_string(), reason];
        let ended = ended && !head.is_informational();
        messages.push(Message {
            kind: "response",
            octets,
            start,
            fields: passing(head.headers(&input)),
            body,
            ended,
        });
    }

    let told = h11(&messages);

    assert!(messages.len() > 300, "{} of the corpus", messages.len());
    messages.iter().zip(&told).for_each(|(message, told)| assert_read(message, told));
}

#[test]
fn h11_reads_the_same_in_each_chunked_body_that_passes() {
    let mut messages = Vec::new();
    for (input, content) in bodies::CHUNKED {
        let Ok(advance) = BodyReader::new(Framing::Chunked).advance(input) else { continue };
        let mut octets = b"POST / HTTP/1.1\r\nHost: a.b\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        octets.extend(&input[..advance.consumed]);
        let body = if advance.complete { content.unwrap().as_bytes().to_vec() } else { Vec::new() };
        let (start, ended) = (["POST".to_owned(), "/".to_owned()], advance.complete);
        messages.push(Message { kind: "request", octets, start, fields: Vec::new(), body, ended });
    }

    let told = h11(&messages);

    assert!(messages.len() > 10, "{} of the rows", messages.len());
    messages.iter().zip(&told).for_each(|(message, told)| assert_read(message, told));
}
