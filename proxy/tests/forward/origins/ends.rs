//! Ends and silences at every stage, and statuses that speak of the origin's own health.

use super::behaviour::Behaviour;
use super::behaviour::Do::{Close, Finish, Hold, Pause, Reset, Say, Take, Trickle};
use super::behaviour::Seen;

pub(super) fn all() -> Vec<Behaviour> {
    [before_an_answer(), in_a_head(), in_a_body(), in_a_request(), statuses()].concat()
}

fn say(octets: &str) -> super::behaviour::Do {
    Say(octets.as_bytes().to_vec())
}

fn before_an_answer() -> Vec<Behaviour> {
    vec![
        Behaviour::new("closes at once", [Close]).when_accepted().dead(),
        Behaviour::new("resets at once", [Reset]).when_accepted().dead(),
        Behaviour::new("closes when asked", [Close]).dead(),
        Behaviour::new("resets when asked", [Reset]).dead(),
        Behaviour::new("ends its side when asked", [Finish, Hold]).dead(),
        Behaviour::new("says nothing when asked", [Hold]).seen(Seen::Status(504)).dead(),
        Behaviour::new("says nothing at all", [Hold]).when_accepted().seen(Seen::Status(504)).dead(),
    ]
}

fn in_a_head() -> Vec<Behaviour> {
    vec![
        Behaviour::new("closes in the status line", [say("HTTP/1.1 20"), Close]).dead(),
        Behaviour::new("resets in the status line", [say("HTTP/1.1 20"), Pause, Reset]).dead(),
        Behaviour::new("closes in a field", [say("HTTP/1.1 200 OK\r\nContent-"), Close]).dead(),
        Behaviour::new(
            "closes before the empty line",
            [say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"), Close],
        )
        .dead(),
        Behaviour::new("falls silent in a field", [say("HTTP/1.1 200 OK\r\nContent-"), Hold])
            .seen(Seen::Status(504))
            .dead(),
    ]
}

fn in_a_body() -> Vec<Behaviour> {
    let counted = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    let until_close = "HTTP/1.1 200 OK\r\n\r\nhalf";
    let cut = |name, begin, end| Behaviour::new(name, [say(begin), Pause, end]).seen(Seen::Cut);
    vec![
        // Small ones have not begun until they are whole, or slow.
        cut("closes in a counted body", counted, Close).seen(Seen::Refused),
        cut("resets in a counted body", counted, Reset).seen(Seen::Refused),
        cut("closes in a chunked body", chunked, Close),
        cut("resets in a chunked body", chunked, Reset),
        cut("resets in a body until close", until_close, Reset),
        cut("falls silent in a counted body", counted, Hold).dead(),
        cut("falls silent in a chunked body", chunked, Hold).dead(),
        cut("falls silent in a body until close", until_close, Hold).dead(),
        Behaviour::new("closes in a chunk size", [say(&format!("{chunked}4")), Close]).seen(Seen::Cut),
        Behaviour::new("closes before the last line", [say(&format!("{chunked}0\r\n")), Close])
            .seen(Seen::Cut),
        Behaviour::new(
            "a body that trickles",
            [
                say("HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n"),
                Trickle(b"this takes its time, but comes"),
            ],
        )
        .seen(Seen::Whole(200, "this takes its time, but comes"))
        .reused(),
    ]
}

fn in_a_request() -> Vec<Behaviour> {
    let post =
        [&b"POST / HTTP/1.1\r\nContent-Length: 10000000\r\n\r\n"[..], &vec![b'x'; 10_000_000]].concat();
    vec![
        Behaviour::new("resets while a lot is said", [Take(10_000), Reset]).to(&post).dead_or_not(),
        Behaviour::new("closes while a lot is said", [Take(10_000), Close]).to(&post).dead_or_not(),
        Behaviour::new("does not listen", vec![Pause; 60]).to(&post).seen(Seen::Status(504)).dead(),
    ]
}

fn statuses() -> Vec<Behaviour> {
    let says = |name, line: &str, status| {
        Behaviour::fine(name, format!("HTTP/1.1 {line}\r\nContent-Length: 4\r\n\r\noops"), status, "oops")
    };
    vec![
        says("fails one request", "500 Oops", 500),
        says("cannot do that at all", "501 Not Implemented", 501).dead(),
        says("does not know a method that few know", "501 Not Implemented", 501)
            .to("BREW / HTTP/1.1\r\n\r\n"),
        says("has a bad gateway behind it", "502 Bad", 502).dead(),
        says("has no room", "503 Busy", 503).dead(),
        says("has no room and says for how long", "503 Busy\r\nRetry-After: 1", 503),
        says("found a loop", "508 Loop Detected", 508),
        says("refuses", "403 No", 403),
    ]
}
