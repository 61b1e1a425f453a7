//! Bodies where none may be, more of them than were asked for, and answers that come in the wrong order.

use super::behaviour::Behaviour;
use super::behaviour::Do::{Close, Flood, Hold, Pause, Say, Take};
use super::behaviour::Seen;

const FORGED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
const UPGRADE: &str = "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

pub(super) fn all() -> Vec<Behaviour> {
    [bodiless(), excess(), interim(), early(), odd_but_fine()].concat()
}

fn say(octets: impl AsRef<[u8]>) -> super::behaviour::Do {
    Say(octets.as_ref().to_vec())
}

fn bodiless() -> Vec<Behaviour> {
    let none = |name, head: &str, status| {
        Behaviour::saying(name, format!("HTTP/1.1 {head}\r\n\r\nforged")).seen(Seen::Whole(status, ""))
    };
    let to_head = |behaviour: Behaviour| behaviour.to("HEAD / HTTP/1.1\r\n\r\n");
    vec![
        none("a 204 with a body", "204 No Content\r\nContent-Length: 6", 204),
        none("a 204 with a body that nobody announced", "204 No Content", 204),
        none("a 204 in chunks", "204 No Content\r\nTransfer-Encoding: chunked", 204),
        none("a 304 with a body", "304 Not Modified\r\nContent-Length: 6", 304),
        none("a 304 in chunks", "304 Not Modified\r\nTransfer-Encoding: chunked", 304),
        to_head(none("a head with a body", "200 OK\r\nContent-Length: 6", 200)),
        to_head(none("a head in chunks", "200 OK\r\nTransfer-Encoding: chunked", 200)),
        to_head(none("a head until close", "200 OK", 200)),
        Behaviour::new(
            "a 204 whose body comes later",
            [say("HTTP/1.1 204 None\r\n\r\n"), Pause, say("forged")],
        )
        .seen(Seen::Whole(204, ""))
        .not_reused(),
    ]
}

fn excess() -> Vec<Behaviour> {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let more = |name, first: &str, then: &str| {
        Behaviour::saying(name, format!("{first}{then}")).seen(Seen::Whole(200, "ok"))
    };
    vec![
        more("two answers for one request", ok, FORGED),
        more("an answer and half another one", ok, "HTTP/1.1 200 O"),
        more("an octet too many", ok, "x"),
        more("an empty line too many", ok, "\r\n"),
        more("two answers in chunks", chunked, FORGED),
        more("a whole megabyte too much", ok, &"forged".repeat(200_000)),
        Behaviour::new("a second answer that comes later", [say(ok), Pause, say(FORGED)])
            .seen(Seen::Whole(200, "ok")),
        Behaviour::new(
            "a farewell behind the answer",
            [say(ok), Pause, say("HTTP/1.1 408 Late\r\n\r\n"), Close],
        )
        .seen(Seen::Whole(200, "ok")),
        Behaviour::new("a close behind the answer", [say(ok), Close]).seen(Seen::Whole(200, "ok")),
    ]
}

fn interim() -> Vec<Behaviour> {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let switch = |more: &str| format!("HTTP/1.1 101 Switching Protocols\r\n{more}\r\n{FORGED}");
    vec![
        Behaviour::new("interim answers without end", [Flood(b"HTTP/1.1 103 Early Hints\r\n\r\n", 10_000)]),
        Behaviour::new(
            "interim answers, one too many",
            [Flood(b"HTTP/1.1 102 Processing\r\n\r\n", 17), say(ok)],
        ),
        Behaviour::saying(
            "an interim answer with a body",
            "HTTP/1.1 103 H\r\nContent-Length: 6\r\n\r\nforged",
        ),
        Behaviour::saying(
            "an interim answer in chunks",
            "HTTP/1.1 103 H\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nforged",
        ),
        Behaviour::new("an interim answer and nothing more", [say("HTTP/1.1 100 Continue\r\n\r\n"), Close])
            .dead(),
        Behaviour::new("an interim answer and silence", [say("HTTP/1.1 100 Continue\r\n\r\n"), Hold])
            .seen(Seen::Status(504))
            .dead(),
        Behaviour::saying(
            "a switch that nobody asked for",
            switch("Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        ),
        Behaviour::saying("a switch without a protocol", switch("Connection: Upgrade\r\n")).to(UPGRADE),
        Behaviour::saying("a switch that Connection does not name", switch("Upgrade: websocket\r\n"))
            .to(UPGRADE),
        Behaviour::saying("a switch to two protocols", switch("Connection: Upgrade\r\nUpgrade: a, b\r\n"))
            .to(UPGRADE),
        Behaviour::fine("a switch that is refused", ok, 200, "ok").to(UPGRADE),
        Behaviour::fine("a continue that nobody asked for", format!("HTTP/1.1 100 C\r\n\r\n{ok}"), 200, "ok"),
        Behaviour::fine("sixteen interim answers", "HTTP/1.1 103 H\r\n\r\n".repeat(16) + ok, 200, "ok"),
    ]
}

/// The answer is there before the request is, or before all of it.
fn early() -> Vec<Behaviour> {
    let post = |length: usize, body: usize| {
        let head = format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
        [head.into_bytes(), vec![b'x'; body]].concat()
    };
    let refused = "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno";
    vec![
        Behaviour::new("refused before all was said", [say(refused), Close])
            .to(post(1_000_000, 10))
            .seen(Seen::Whole(413, "no")),
        Behaviour::new("refused while a lot is said", [Take(10_000), say(refused), Hold])
            .to(post(10_000_000, 10_000_000))
            .seen(Seen::Whole(413, "no")),
        Behaviour::saying("an answer before all was said", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .to(post(100, 10))
            .seen(Seen::Whole(200, "ok")),
        Behaviour::new(
            "a farewell before anybody asked",
            [say("HTTP/1.1 408 Late\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), Close],
        )
        .when_accepted()
        .seen(Seen::Whole(408, "")),
        Behaviour::new("garbage before anybody asked", [say("220 mail.forged.test ESMTP\r\n")])
            .when_accepted(),
    ]
}

fn odd_but_fine() -> Vec<Behaviour> {
    let until_close = |name, head: &str| {
        Behaviour::new(name, [say(format!("{head}\r\n\r\nall of it")), Close])
            .seen(Seen::Whole(200, "all of it"))
    };
    let bomb = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n\x1f\x0b\x08bombed";
    vec![
        until_close("a body until close", "HTTP/1.1 200 OK"),
        until_close("a body until close that is to be kept", "HTTP/1.1 200 OK\r\nConnection: keep-alive"),
        until_close("an old answer", "HTTP/1.0 200 OK"),
        Behaviour::fine(
            "an old answer that is kept",
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
            200,
            "ok",
        ),
        Behaviour::fine("a body that is packed small is not unpacked", bomb, 200, "\x1f\x0b\x08bombed"),
        Behaviour::fine("a 205 with a length", "HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n", 205, ""),
        Behaviour::fine("an empty body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, ""),
        Behaviour::fine(
            "a length with zeros before it",
            "HTTP/1.1 200 OK\r\nContent-Length: 0002\r\n\r\nok",
            200,
            "ok",
        ),
        Behaviour::fine(
            "a 304 with the length of what is not there",
            "HTTP/1.1 304 Same\r\nContent-Length: 600\r\n\r\n",
            304,
            "",
        ),
    ]
}
