//! What must not happen twice happens at most once, whatever the endpoints do.
//!
//! Two origins follow random scripts, a third endpoint refuses every connection. One request after the other is sent by a
//! route to two of them, and every origin counts how often octets of a request reached it. In a second play the clients are
//! as unreliable as the origins: whatever happens, each exchange is logged once, and nothing is left behind.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fastrand::Rng;

use crate::stage::{Call, PATIENCE, Stage, eventually, frontend, nobody};

const ROUNDS: u64 = 120;

/// How many octets of a request say which round's it is: `METHOD /round`, with as many zeros as that needs.
const START: usize = 16;

/// What an origin does with the next request.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Answers, and keeps the connection.
    Answer,
    /// Answers, and closes the connection without a word.
    AnswerAndClose,
    /// Resets the connection after so many octets of the request.
    Reset(usize),
    /// Reads the request and closes.
    Close,
    /// Begins to answer and closes.
    HalfAnswer,
    /// Says that it goes on, and closes.
    Interim,
    /// Never answers.
    Silence,
}

impl Act {
    fn random(rng: &mut Rng) -> Self {
        match rng.u8(..16) {
            0..4 => Self::Answer,
            4..7 => Self::AnswerAndClose,
            7..10 => Self::Reset(rng.usize(1..120)),
            10..12 => Self::Close,
            12..14 => Self::HalfAnswer,
            14 => Self::Interim,
            _ => Self::Silence,
        }
    }
}

/// How often each round's request arrived. A proxy that gave up on an endpoint does not wait until that has seen what is in
/// its receive buffer, so a request may come to light in a later round than its own.
type Received = Arc<[AtomicUsize]>;

/// An origin that follows a script.
struct Actor {
    address: SocketAddr,
    act: Arc<Mutex<Act>>,
    received: Received,
    /// Connections that were taken and have ended.
    ended: Arc<AtomicUsize>,
}

impl Actor {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received: Received = (0..ROUNDS).map(|_| AtomicUsize::new(0)).collect();
        let actor = Self { address, act: Arc::new(Mutex::new(Act::Answer)), received, ended: Arc::default() };
        let (act, received, ended) =
            (Arc::clone(&actor.act), Arc::clone(&actor.received), Arc::clone(&actor.ended));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (act, received, ended) = (Arc::clone(&act), Arc::clone(&received), Arc::clone(&ended));
                thread::spawn(move || {
                    perform(stream.unwrap(), &act, &received);
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        actor
    }
}

/// One connection: request after request, until an act ends it.
fn perform(mut stream: TcpStream, script: &Mutex<Act>, received: &[AtomicUsize]) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    loop {
        let mut seen = vec![0; START];
        if stream.read_exact(&mut seen).is_err() {
            return;
        }
        received[round_of(&seen)].fetch_add(1, Ordering::SeqCst);
        let act = *script.lock().unwrap();
        let most = if let Act::Reset(octets) = act { octets } else { usize::MAX };
        while seen.len() < most && !is_whole(&seen) {
            let mut octet = [0];
            match stream.read(&mut octet) {
                Ok(1) => seen.push(octet[0]),
                _ => return,
            }
        }
        let said = match act {
            Act::Answer | Act::AnswerAndClose => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            Act::HalfAnswer => "HTTP/1.1 200 OK\r\nContent-",
            Act::Interim => "HTTP/1.1 103 Early Hints\r\n\r\n",
            Act::Reset(_) | Act::Close | Act::Silence => "",
        };
        // A proxy that is gone has had enough.
        let _gone = stream.write_all(said.as_bytes());
        match act {
            Act::Answer => {}
            Act::Silence => drop(stream.read(&mut [0])),
            Act::Reset(_) => {
                socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
                return;
            }
            Act::AnswerAndClose | Act::Close | Act::HalfAnswer | Act::Interim => return,
        }
    }
}

/// The round in the first [`START`] octets of a request.
fn round_of(start: &[u8]) -> usize {
    std::str::from_utf8(start).unwrap().split_once('/').unwrap().1.parse().unwrap()
}

/// Heads end with an empty line, bodies with `end`: a counted and a chunked one alike.
fn is_whole(seen: &[u8]) -> bool {
    let head = seen.windows(4).position(|w| w == b"\r\n\r\n");
    let Some(head) = head else { return false };
    // The head's last field may well end in a zero.
    let (text, body) = (String::from_utf8_lossy(&seen[..head]).to_lowercase(), &seen[head + 4..]);
    match (text.contains("content-length"), text.contains("chunked")) {
        (false, false) => true,
        (true, _) => body.ends_with(b"end"),
        (_, true) => body.ends_with(b"0\r\n\r\n"),
    }
}

/// A random request of this round, and whether its method is idempotent.
fn request(rng: &mut Rng, round: u64, host: &str) -> (String, bool) {
    let (method, idempotent) =
        [("GET", true), ("PUT", true), ("POST", false), ("POST", false), ("PATCH", false), ("LOCK", false)]
            [rng.usize(..6)];
    let body = "x".repeat(rng.usize(..200)) + "end";
    let (fields, body) = match rng.u8(..3) {
        0 => (String::new(), String::new()),
        1 => (format!("Content-Length: {}\r\n", body.len()), body),
        _ => ("Transfer-Encoding: chunked\r\n".into(), format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())),
    };
    let digits = START - method.len() - " /".len();
    let head = format!("{method} /{round:0digits$} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
    (head + &body, idempotent)
}

/// Sends `request` over the client's connection, or a new one, and reads its answer. Returns the status.
fn exchange(stage: &Stage, client: &mut Option<Call>, request: &str) -> u16 {
    let mut call = client.take().unwrap_or_else(|| stage.client());
    call.say(request);
    loop {
        let head = call.head();
        let status: u16 = head[9..12].parse().unwrap();
        if status < 200 {
            continue;
        }
        let lower = head.to_lowercase();
        let length = lower.split_once("content-length: ").unwrap().1.split_once("\r\n").unwrap().0;
        call.take(length.parse().unwrap());
        if !lower.contains("connection: close") {
            *client = Some(call);
        }
        return status;
    }
}

/// A proxy before two actors and an endpoint that refuses, in three frontends.
fn cast() -> ([Actor; 2], Stage) {
    let actors = [Actor::start(), Actor::start()];
    let (first, second) = (actors[0].address, actors[1].address);
    let frontends = vec![
        frontend("both.test", &[first, second]),
        frontend("first.test", &[first, nobody()]),
        frontend("second.test", &[nobody(), second]),
    ];
    let stage = Stage::with_frontends(frontends, |config| {
        config.client.idle_timeout = Duration::from_millis(20);
        config.upstream.response_timeout = Duration::from_millis(20);
        config.upstream.retries = 5;
        config.upstream.retry_budget_percent = 1000;
        config.health.dead_ttl = Duration::from_millis(1);
    });
    (actors, stage)
}

/// Gives both actors something to do, and returns it with a host to ask for.
fn direct(actors: &[Actor; 2], rng: &mut Rng) -> ([Act; 2], &'static str) {
    let acts = [Act::random(rng), Act::random(rng)];
    for (actor, act) in actors.iter().zip(acts) {
        *actor.act.lock().unwrap() = act;
    }
    (acts, ["both.test", "both.test", "first.test", "second.test"][rng.usize(..4)])
}

#[test]
fn a_request_that_is_not_idempotent_reaches_at_most_one_endpoint_once() {
    let (actors, stage) = cast();
    let times = |round: usize| -> usize {
        actors.iter().map(|actor| actor.received[round].load(Ordering::SeqCst)).sum()
    };
    let (mut client, mut told) = (None, Vec::new());

    for seed in 0..ROUNDS {
        let mut rng = Rng::with_seed(seed);
        let (acts, host) = direct(&actors, &mut rng);
        let (request, idempotent) = request(&mut rng, seed, host);
        let status = exchange(&stage, &mut client, &request);
        told.push((status, idempotent, format!("{acts:?}, {status} to {request}")));
    }

    assert!(stage.drain());
    let ended = || actors.iter().map(|actor| actor.ended.load(Ordering::SeqCst) as u64).sum::<u64>();
    eventually("the actors have seen all that was sent", || {
        ended() == stage.proxy.totals().upstream_connects
    });
    let mut repeated = 0;
    for (round, (status, idempotent, told)) in told.iter().enumerate() {
        let times = times(round);
        assert!(*idempotent || times <= 1, "{times} times: {told}");
        assert!(*status != 200 || times >= 1, "{times} times: {told}");
        assert!([200, 502, 504].contains(status), "{told}");
        repeated += usize::from(times > 1);
    }
    assert!(repeated > 0, "what may be repeated is");
}

#[test]
fn whoever_leaves_when_each_exchange_is_logged_once_and_nothing_is_left_behind() {
    let (actors, stage) = cast();

    for seed in 0..ROUNDS {
        let mut rng = Rng::with_seed(seed);
        let (_, host) = direct(&actors, &mut rng);
        let (request, _) = request(&mut rng, seed, host);
        let mut client = stage.client();
        let said = if rng.bool() { request.len() } else { rng.usize(..request.len()) };
        client.say(&request[..said]);
        match rng.u8(..4) {
            0 => client.reset(),
            1 => drop(client),
            2 => {
                client.finish();
                client.rest();
            }
            _ if said == request.len() => drop(exchange(&stage, &mut Some(client), "")),
            _ => {}
        }
    }

    let ended = || stage.proxy.totals().connections_accepted == ROUNDS && stage.proxy.connections() == 0;
    eventually("every connection was taken and has ended", ended);
    for host in ["both.test", "first.test", "second.test"] {
        let matched = stage.proxy.explain(host, "/").matched.unwrap();
        assert!(matched.endpoints.iter().all(|endpoint| endpoint.in_flight == 0), "{host}: {matched:?}");
    }
    assert!(stage.drain());
    let totals = stage.proxy.totals();
    let lines = std::fs::read_to_string(stage.log.path()).unwrap().lines().count() as u64;
    assert_eq!((totals.in_flight(), totals.log_lines_dropped), (0, 0));
    assert!(
        lines == totals.requests() && lines > ROUNDS / 2,
        "{lines} lines of {} requests",
        totals.requests()
    );
}
