//! What happens between a client and us: cut, half-closed, stalled, garbled, at each stage of an exchange. Each exchange is
//! logged once, nobody else is to blame for it, and nothing is left behind.

use std::time::Duration;

use fault::Fault::{Cut, Delay, Flip, HalfClose, Insert, Stall, Swallow, Trickle};
use fault::Way::{Down, Up};
use fault::{Fault, FaultProxy, Way};
use proxy::config::{Config, LogFormat};

use crate::stage::{Call, GET, OK, Stage, eventually};

/// 57 octets of a head, ten of a body.
const POST: &str = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\n0123456789";
const LARGE: &str = "GET /large HTTP/1.1\r\nHost: a.test\r\n\r\n";
/// More than all buffers on the way hold.
const MUCH: usize = 32 << 20;

/// What is said, what is done to it, and how each exchange that comes of it ends in the log.
struct Row(&'static str, &'static str, Way, Fault, &'static [(u16, &'static str)]);

fn rows() -> Vec<Row> {
    let half_a_head = 30;
    let half_a_body = POST.len() as u64 - 5;
    let garbage = |after: &str, octets: &[u8]| Insert { after: after.len() as u64, octets: octets.to_vec() };
    vec![
        Row("cut before a word", GET, Up, Cut { after: 0 }, &[]),
        Row("cut in a head", GET, Up, Cut { after: half_a_head }, &[]),
        Row("ended in a head", GET, Up, HalfClose { after: half_a_head }, &[]),
        Row("a head that trickles", GET, Up, Trickle { per_second: 20 }, &[(408, "complete")]),
        Row("a head that is swallowed", GET, Up, Swallow, &[]),
        Row("a head of garbage", GET, Up, Flip { every: 5 }, &[(400, "complete")]),
        Row("cut in a body", POST, Up, Cut { after: half_a_body }, &[(0, "client_gone")]),
        Row("ended in a body", POST, Up, HalfClose { after: half_a_body }, &[(400, "complete")]),
        Row("a request that trickles", POST, Up, Trickle { per_second: 400 }, &[(200, "complete")]),
        Row(
            "garbage behind a request",
            GET,
            Up,
            garbage(GET, b"\0\x01\x02"),
            &[(200, "complete"), (400, "complete")],
        ),
        Row("cut in an answer's head", GET, Down, Cut { after: 10 }, &[(200, "complete")]),
        Row("cut in an answer", LARGE, Down, Cut { after: 100_000 }, &[(200, "client_gone")]),
        Row("an answer that is stalled", LARGE, Down, Stall, &[(200, "client_gone")]),
        Row("an answer that trickles", LARGE, Down, Trickle { per_second: 500 }, &[(200, "client_gone")]),
        Row("an answer that is swallowed", LARGE, Down, Swallow, &[(200, "complete")]),
        Row("an answer that is late", GET, Down, Delay(Duration::from_millis(100)), &[(200, "complete")]),
        Row("a request that is late", POST, Up, Delay(Duration::from_millis(100)), &[(200, "complete")]),
    ]
}

fn hasty(config: &mut Config) {
    config.access_log.format = LogFormat::Json;
    config.client.head_timeout = Duration::from_millis(500);
    config.client.idle_timeout = Duration::from_millis(500);
    config.client.keep_alive_timeout = Duration::from_millis(500);
    config.client.min_rate = 1 << 20;
    config.client.min_rate_window = Duration::from_secs(1);
}

/// Answers each request, the large ones with much.
fn serve(mut call: Call) {
    loop {
        let (head, ended) = call.take_until("\r\n\r\n");
        if ended {
            return;
        }
        if head.contains("Content-Length: 10") && call.take_most(10).len() < 10 {
            return;
        }
        if head.starts_with("GET /large ") {
            call.try_say(format!("HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n"));
            (0..MUCH >> 20).for_each(|_| call.try_say(vec![b'x'; 1 << 20]));
        } else {
            call.try_say(OK);
        }
    }
}

/// Plays a row on a stage of its own; says what was not as it should be.
fn play(Row(name, request, way, fault, ends): Row) -> Option<String> {
    let (origin, stage) = Stage::before_origin(hasty);
    let between = FaultProxy::start(stage.address).unwrap();
    std::thread::spawn(move || {
        while let Some(call) = origin.next_call() {
            std::thread::spawn(move || serve(call));
        }
    });
    between.set(way, fault);

    let mut client = stage.client_through(between.address());
    client.try_say(request);
    // Who sees nothing but a swallowed answer or a stall has to leave.
    let over = || stage.proxy.totals().connections_accepted > 0 && stage.proxy.connections() == 0;
    eventually(name, over);
    drop(client);

    let logged = stage.logged(ends.len());
    let told: Vec<_> = logged.iter().map(|l| (l["status"].as_u64(), l["end"].as_str())).collect();
    let wanted: Vec<_> = ends.iter().map(|(status, end)| (Some(u64::from(*status)), Some(*end))).collect();
    assert!(stage.drain());
    let lines = std::fs::read_to_string(stage.log.path()).unwrap().lines().count();
    let totals = stage.proxy.totals();
    let left = (totals.in_flight(), totals.dead_marks, totals.panics, lines);
    (told != wanted || left != (0, 0, 0, ends.len()))
        .then(|| format!("{name}: {told:?} instead of {wanted:?}; in flight, dead, panics, lines: {left:?}"))
}

#[test]
fn whatever_happens_between_a_client_and_us_its_exchanges_are_logged_once_and_nothing_is_left() {
    let wrong: Vec<_> = std::thread::scope(|scope| {
        let playing: Vec<_> = rows().into_iter().map(|row| scope.spawn(|| play(row))).collect();
        playing.into_iter().filter_map(|row| row.join().unwrap()).collect()
    });

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
