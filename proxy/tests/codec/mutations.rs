//! Random damage to the corpus, and octets out of nothing: both readers agree, and nothing panics.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proxy::http::{Asked, Framing, RequestHead, ResponseHead};

use super::naive::Body;
use super::{bodies, requests, responses};

/// Octets and words that parsers disagree about.
const PIECES: [&[u8]; 40] = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b"\0",
    b"\x0b",
    b"\x7f",
    b"\x80",
    b"\xff",
    b":",
    b";",
    b",",
    b"=",
    b"\"",
    b"\\",
    b"%",
    b"%2e",
    b"/",
    b"/..",
    b"?",
    b"#",
    b"@",
    b"0",
    b"5",
    b"-",
    b"_",
    b"+",
    b"x",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Host: b\r\n",
    b"Connection: x\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: websocket\r\nConnection: upgrade\r\n",
    b"HTTP/1.0",
    b"HTTP/1.1",
    b"chunked",
    b"X: y\r\n",
];

#[derive(Debug, Clone)]
enum Mutation {
    Insert(Index, &'static [u8]),
    Replace(Index, u8),
    Delete(Index, usize),
    /// A stretch from elsewhere in the message comes here too.
    Repeat(Index, Index, usize),
    /// The case of a letter changes.
    Case(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        4 => (any::<Index>(), select(&PIECES[..])).prop_map(|(at, piece)| Mutation::Insert(at, piece)),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, octet)| Mutation::Replace(at, octet)),
        2 => (any::<Index>(), 1usize..6).prop_map(|(at, n)| Mutation::Delete(at, n)),
        1 => (any::<Index>(), any::<Index>(), 1usize..40).prop_map(|(to, from, n)| Mutation::Repeat(to, from, n)),
        2 => any::<Index>().prop_map(Mutation::Case),
    ]
}

fn apply(message: &mut Vec<u8>, mutations: &[Mutation]) {
    for mutation in mutations {
        let size = message.len() + 1;
        match mutation {
            Mutation::Insert(at, piece) => {
                let at = at.index(size);
                message.splice(at..at, piece.iter().copied());
            }
            Mutation::Replace(at, octet) => {
                if let Some(slot) = message.get_mut(at.index(size)) {
                    *slot = *octet;
                }
            }
            Mutation::Delete(at, n) => {
                let at = at.index(size);
                message.drain(at..message.len().min(at + n));
            }
            Mutation::Repeat(to, from, n) => {
                let from = from.index(size);
                let part = message[from..message.len().min(from + n)].to_vec();
                let to = to.index(size);
                message.splice(to..to, part);
            }
            Mutation::Case(at) => {
                if let Some(slot) = message.get_mut(at.index(size)) {
                    *slot ^= if slot.is_ascii_alphabetic() { 0x20 } else { 0 };
                }
            }
        }
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn check(cases: u32, corpus: Vec<Vec<u8>>, test: impl Fn(Vec<u8>)) {
    let strategy = (select(corpus), vec(mutation(), 1..5));
    let mut runner = proptest::test_runner::TestRunner::new(config(cases));
    let result = runner.run(&strategy, |(mut message, mutations)| {
        apply(&mut message, &mutations);
        test(message);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

fn accepted_requests() -> Vec<Vec<u8>> {
    requests::all().into_iter().filter(|(_, status)| *status == 0).map(|(input, _)| input).collect()
}

#[test]
fn readers_agree_on_damaged_requests() {
    check(4000, accepted_requests(), |message| {
        requests::agree(&mut RequestHead::new(), &message);
    });
}

#[test]
fn readers_agree_on_damaged_requests_at_every_split() {
    check(300, accepted_requests(), |message| {
        requests::agree_at_every_split(&mut RequestHead::new(), &message);
    });
}

#[test]
fn readers_agree_on_damaged_responses() {
    for (head, upgrade) in [(false, false), (true, false), (false, true)] {
        check(1500, responses::all(), |message| {
            responses::agree(&mut ResponseHead::new(), &message, Asked { head, upgrade });
        });
    }
}

#[test]
fn readers_agree_on_damaged_chunked_bodies_at_every_split() {
    let corpus = bodies::CHUNKED.iter().filter(|(_, e)| e.is_some()).map(|(b, _)| b.to_vec()).collect();
    check(1500, corpus, |message| bodies::agree(Framing::Chunked, Body::Chunked, &message));
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn readers_agree_on_octets_out_of_nothing(octets in vec(any::<u8>(), 0..300)) {
        requests::agree(&mut RequestHead::new(), &octets);
        responses::agree(&mut ResponseHead::new(), &octets, Asked::default());
        bodies::agree(Framing::Chunked, Body::Chunked, &octets);
    }

    #[test]
    fn readers_agree_on_heads_put_together_from_pieces(
        pieces in vec(select(&PIECES[..]), 0..30),
        target in "[a-z%/.2eE?#\\\\é]{0,20}",
    ) {
        let head = [b"GET /", target.as_bytes(), b" HTTP/1.1\r\nHost: a\r\nX: ", &pieces.concat(), b"\r\n\r\n"].concat();
        requests::agree(&mut RequestHead::new(), &head);
        let head = [b"HTTP/1.1 200 OK\r\nX: ", &pieces.concat()[..], b"\r\n\r\n"].concat();
        responses::agree(&mut ResponseHead::new(), &head, Asked::default());
        let body = [b"1\r\nx\r\n", &pieces.concat()[..], b"\r\n0\r\n\r\n"].concat();
        bodies::agree(Framing::Chunked, Body::Chunked, &body);
    }
}
