//! Heads that are none, or nearly none; and odd ones that are fine.

use super::behaviour::Behaviour;
use super::behaviour::Do::{Flood, Pause, Say, Trickle};
use super::behaviour::Seen;

const END: &str = "Content-Length: 2\r\n\r\nok";

pub(super) fn all() -> Vec<Behaviour> {
    [other_protocols(), status_lines(), fields(), floods(), odd_but_fine()].concat()
}

fn other_protocols() -> Vec<Behaviour> {
    vec![
        Behaviour::saying("an ssh banner", "SSH-2.0-OpenSSH_9.2p1\r\nforged"),
        Behaviour::saying("a tls alert", b"\x15\x03\x01\x00\x02\x02\x28"),
        Behaviour::saying("http/2 settings", b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80forged"),
        Behaviour::saying("an http/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        Behaviour::saying("http/0.9", "<html>forged</html>"),
        Behaviour::saying("zeros", [0; 4096]),
        Behaviour::saying("a request", "GET /forged HTTP/1.1\r\nHost: a\r\n\r\n"),
    ]
}

fn status_lines() -> Vec<Behaviour> {
    let line =
        |name, line: &str| Behaviour::saying(name, format!("{line}\r\nContent-Length: 6\r\n\r\nforged"));
    vec![
        line("http/2 in the status line", "HTTP/2.0 200 OK"),
        line("http/1.2", "HTTP/1.2 200 OK"),
        line("a small http", "http/1.1 200 OK"),
        line("a status of two digits", "HTTP/1.1 20 OK"),
        line("a status of four digits", "HTTP/1.1 2000 OK"),
        line("a status below 100", "HTTP/1.1 099 What"),
        line("a status of 600", "HTTP/1.1 600 Beyond"),
        line("a negative status", "HTTP/1.1 -20 OK"),
        line("a status that is no number", "HTTP/1.1 abc OK"),
        line("two spaces before the status", "HTTP/1.1  200 OK"),
        line("a tab before the status", "HTTP/1.1\t200 OK"),
        line("a space before the status line", " HTTP/1.1 200 OK"),
        line("an empty line before the status line", "\r\nHTTP/1.1 200 OK"),
        line("a carriage return in the reason", "HTTP/1.1 200 OK\rSet-Cookie: forged=1"),
        line("a nul in the reason", "HTTP/1.1 200 O\0K"),
        line("a field on the status line's end", "HTTP/1.1 200 OK\nSet-Cookie: forged=1"),
    ]
}

fn fields() -> Vec<Behaviour> {
    let field = |name, field: &str| {
        let head = format!("HTTP/1.1 200 OK\r\nX-Fine: 1\r\n{field}\r\nContent-Length: 6\r\n\r\nforged");
        Behaviour::saying(name, head)
    };
    vec![
        field("a folded field", "X: a\r\n forged"),
        field("a fold before the first field", " folded: forged"),
        field("a space before the colon", "X-Forged : forged"),
        field("a field without a colon", "forged"),
        field("a field without a name", ": forged"),
        field("a space in a name", "X Forged: forged"),
        field("a nul in a name", "X\0Forged: forged"),
        field("a nul in a value", "X: for\0ged"),
        field("a carriage return in a value", "X: a\rSet-Cookie: forged=1"),
        field("an escape in a value", "X: \x1b[2Jforged"),
        field("a name that is not ascii", "X-F\u{f6}rged: forged"),
        field("a framing field with an underscore", "Content_Length: 60"),
        Behaviour::saying("lines that end with lf alone", "HTTP/1.1 200 OK\nContent-Length: 6\n\nforged"),
        Behaviour::saying("an end with lf alone", "HTTP/1.1 200 OK\r\nContent-Length: 6\n\nforged"),
    ]
}

fn floods() -> Vec<Behaviour> {
    let begin = || Say(b"HTTP/1.1 200 OK\r\n".to_vec());
    let many = "X: forged\r\n".repeat(1000);
    vec![
        Behaviour::new("a head without end", [begin(), Flood(b"X-Flood: forged forged\r\n", 100_000)]),
        Behaviour::new("a field without end", [begin(), Say(b"X: ".to_vec()), Flood(b"forged", 400_000)]),
        Behaviour::new("a reason without end", [Say(b"HTTP/1.1 200 ".to_vec()), Flood(b"forged", 400_000)]),
        Behaviour::saying("a thousand fields", format!("HTTP/1.1 200 OK\r\n{many}{END}")),
        Behaviour::new(
            "a head that trickles",
            [Trickle(b"HTTP/1.1 200 OK\r\nX-Slow: "), Trickle(&[b'x'; 200])],
        )
        .seen(Seen::Status(504))
        .dead(),
    ]
}

fn odd_but_fine() -> Vec<Behaviour> {
    let fine =
        |name, line: &str| Behaviour::fine(name, format!("HTTP/1.1 {line}\r\n{END}"), number(line), "ok");
    let cookies = "Set-Cookie: a=1\r\n".repeat(200);
    vec![
        fine("no reason", "200 "),
        fine("neither reason nor space", "200"),
        fine("a reason that is not ascii", "200 D\u{f6}ne"),
        fine("a status that nobody knows", "299 Fine"),
        fine("an empty value", "200 OK\r\nX-Empty:"),
        fine("a value that is not ascii", "200 OK\r\nX-Name: \u{f6}\u{fc}"),
        fine("white space around a value", "200 OK\r\nX-Wide: \t a \t "),
        fine("an upgrade that is only offered", "200 OK\r\nUpgrade: h2c\r\nConnection: Upgrade"),
        fine("a connection that names the framing", "200 OK\r\nConnection: Content-Length, Host"),
        fine("a host in an answer", "200 OK\r\nHost: elsewhere.test"),
        fine("a keep-alive of no time", "200 OK\r\nKeep-Alive: timeout=0, max=1"),
        fine("two hundred cookies", &format!("200 OK\r\n{cookies}X-Last: 1")),
        Behaviour::new(
            "a head in two pieces",
            [Say(b"HTTP/1.1 200 OK\r\nConte".to_vec()), Pause, Say(b"nt-Length: 2\r\n\r\nok".to_vec())],
        )
        .seen(Seen::Whole(200, "ok"))
        .reused(),
        fine("a connection that is both closed and kept", "200 OK\r\nConnection: keep-alive, close")
            .not_reused(),
    ]
}

fn number(line: &str) -> u16 {
    line[..3].parse().unwrap()
}
