//! A Redis that does whatever a server and the way to it can do, under load: no request for a known route fails, and what was
//! acknowledged is never taken back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fault::{Door, Fault, FaultProxy, Way};
use serde_json::Value;

use crate::world::{Ask, Connection, Judge, Load, Origin, Portico, Redis, Reply, World, eventually, get};

/// How often something happens to Redis.
const ROUNDS: usize = 20;
/// The order of it.
const SEED: u64 = 20_261_122;
/// How long a fault lasts at least: longer than the patience with a silent Redis.
const LASTS: Duration = Duration::from_millis(500);
/// Redis' return is noticed within 2 s, asserted at ten times that.
const BACK: Duration = Duration::from_secs(20);
/// Enough to be a large table.
const FRONTENDS: usize = 60;

/// What happens to Redis, or between it and portico.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Happens {
    Killed,
    KilledAndEmpty,
    Hung,
    Flushed,
    Slowed,
    Trickling,
    Cut,
    CutInTheMiddle,
    HalfClosed,
    Stalled,
    Swallowed,
    Garbage,
    Refused,
    Silent,
}

const ALL: [Happens; 14] = [
    Happens::Killed,
    Happens::KilledAndEmpty,
    Happens::Hung,
    Happens::Flushed,
    Happens::Slowed,
    Happens::Trickling,
    Happens::Cut,
    Happens::CutInTheMiddle,
    Happens::HalfClosed,
    Happens::Stalled,
    Happens::Swallowed,
    Happens::Garbage,
    Happens::Refused,
    Happens::Silent,
];

/// Routes that are known, one of which changes: its answer is a number that only grows.
pub(crate) struct Known {
    pub(crate) newest: Arc<AtomicUsize>,
}

impl Ask for Known {
    fn ask(&self, number: usize) -> (String, Judge) {
        if !number.is_multiple_of(3) {
            let host = format!("h{}.example.com", number % FRONTENDS + 1);
            return (host, Box::new(|reply| reply.body == "served on"));
        }
        let newest = self.newest.load(Ordering::SeqCst);
        let is_right = move |reply: &Reply| reply.body.parse::<usize>().is_ok_and(|said| said >= newest);
        ("newest.example.com".to_owned(), Box::new(is_right))
    }
}

/// `newest.example.com`, written by portico: once it says that a write is live, nothing older may be served.
pub(crate) struct Newest {
    pub(crate) number: Arc<AtomicUsize>,
    origins: Vec<Origin>,
}

impl Newest {
    pub(crate) fn new() -> Self {
        Self { number: Arc::default(), origins: Vec::new() }
    }

    pub(crate) fn write(&mut self, portico: &Portico) {
        let number = self.origins.len() + 1;
        let origin = Origin::saying(&number.to_string());
        let body = format!(r#"{{"endpoints":["{}"]}}"#, origin.url());
        self.origins.push(origin);
        let admin = portico.admin();
        let mut written = None;
        // A store that has just come back may still be listed.
        eventually("it is written", || {
            let head = format!("PUT /v1/frontends/newest.example.com HTTP/1.1\r\nHost: {admin}\r\n");
            let length = body.len();
            let rest = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
            written = Connection::open(admin).send(head + &rest).read();
            written.as_ref().is_some_and(|reply| reply.status < 300)
        });
        assert!(written.is_some_and(|reply| reply.body.contains("\"live\":true")));
        self.number.store(number, Ordering::SeqCst);
    }
}

/// Fills `redis` with the routes that are known, but for the one that portico writes.
pub(crate) fn fill(redis: &Redis, url: &str) {
    let script = "for i = 1, tonumber(ARGV[1]) do \
        redis.call('DEL', 'frontend:h' .. i .. '.example.com') \
        redis.call('RPUSH', 'frontend:h' .. i .. '.example.com', 'x', ARGV[2]) end";
    redis.command(&["EVAL", script, "0", &FRONTENDS.to_string(), url]);
}

fn is_live(portico: &Portico) -> bool {
    let ready = get(portico.admin(), "127.0.0.1", "/readyz");
    assert_eq!(ready.status, 200, "{}", ready.body);
    ready.body.contains(r#""registry":"live""#)
}

/// Waits until a fault has had its effect and lasted a while.
fn lasts(load: &Load, mut had_effect: impl FnMut() -> bool) {
    let (begun, before) = (Instant::now(), load.requests());
    eventually("it lasts", || had_effect() && begun.elapsed() > LASTS && load.requests() > before + 50);
}

/// Makes something happen to `redis` and ends it again. Returns the server that is there then.
fn happen(what: Happens, mut redis: Redis, way: &FaultProxy, load: &Load, portico: &Portico) -> Redis {
    let lost = || !is_live(portico);
    let held = || get(portico.admin(), "127.0.0.1", "/readyz").body.contains(r#""held":true"#);
    match what {
        Happens::Killed | Happens::KilledAndEmpty => {
            redis.command(&[if what == Happens::Killed { "SAVE" } else { "FLUSHALL" }]);
            redis.command(&["SAVE"]);
            redis.stop();
            lasts(load, lost);
            return redis.restart();
        }
        Happens::Hung => {
            redis.signal("STOP");
            lasts(load, lost);
            redis.signal("CONT");
            return redis;
        }
        Happens::Flushed => {
            redis.command(&["FLUSHALL"]);
            lasts(load, held);
            return redis;
        }
        // Slow is not gone.
        Happens::Slowed => {
            way.set_both(Fault::Delay(Duration::from_millis(100)));
            lasts(load, || true);
        }
        Happens::Trickling => {
            way.set(Way::Down, Fault::Trickle { per_second: 500 });
            lasts(load, || true);
        }
        Happens::Cut => {
            way.cut();
            lasts(load, || true);
        }
        Happens::CutInTheMiddle => {
            way.set(Way::Down, Fault::Cut { after: 3000 });
            lasts(load, lost);
        }
        Happens::HalfClosed => {
            way.set(Way::Down, Fault::HalfClose { after: 1000 });
            lasts(load, lost);
        }
        Happens::Stalled => {
            way.set_both(Fault::Stall);
            lasts(load, lost);
        }
        Happens::Swallowed => {
            way.set(Way::Down, Fault::Swallow);
            lasts(load, lost);
        }
        Happens::Garbage => {
            way.set(Way::Down, Fault::Insert { after: 40, octets: b"\xff\0$-7\r\n*9999999\r\n%".to_vec() });
            lasts(load, lost);
        }
        Happens::Refused | Happens::Silent => {
            way.door(if what == Happens::Refused { Door::Refuse } else { Door::Silent });
            way.cut();
            lasts(load, lost);
        }
    }
    way.heal();
    redis
}

#[test]
fn whatever_happens_to_redis_twenty_times_under_load_no_request_fails_and_nothing_is_taken_back() {
    let (world, origin, mut newest) = (World::new(), Origin::saying("served on"), Newest::new());
    let mut redis = world.redis();
    fill(&redis, &origin.url());
    let way = FaultProxy::start(SocketAddr::from(([127, 0, 0, 1], redis.port()))).unwrap();
    let url = format!("redis://{}", way.address());
    let command = world.portico_command(&["--registry", &url, "--access-log", "off"]);
    let portico = command.env("PORTICO_REGISTRY__TIMEOUT", "400ms").start();
    eventually("it is routed", || get(portico.http(), "h60.example.com", "/").body == "served on");
    newest.write(&portico);
    let load = Load::start(portico.http(), 2, Known { newest: Arc::clone(&newest.number) });

    let mut slowest = Duration::ZERO;
    for (round, what) in order().into_iter().enumerate() {
        newest.write(&portico);
        redis = happen(what, redis, &way, &load, &portico);
        let back = Instant::now();
        let fresh = format!("back-{round}.example.com");
        redis.command(&["RPUSH", &format!("frontend:{fresh}"), "x", &origin.url()]);
        eventually(&format!("what is new is routed after {what:?}"), || {
            get(portico.http(), &fresh, "/").body == "served on"
        });
        slowest = slowest.max(back.elapsed());
        fill(&redis, &origin.url());
        newest.write(&portico);
        eventually(&format!("all is believed again after {what:?}"), || {
            is_live(&portico) && accepted(&portico, round)
        });
        assert_eq!(load.failures(), Vec::<String>::new(), "{what:?} in round {round}");
    }

    assert!(slowest < BACK, "{slowest:?}");
    assert!(load.requests() > 100 * ROUNDS, "{}", load.requests());
}

/// What is lost for good (one route of each of `rounds` before) is accepted, so that the next round begins with nothing held; not before
/// the view has all else that was filled in again.
fn accepted(portico: &Portico, rounds: usize) -> bool {
    let held = || -> Value {
        let status = get(portico.admin(), "127.0.0.1", "/v1/status").body;
        serde_json::from_str::<Value>(&status).unwrap()["registry"]["held"].clone()
    };
    let is_whole = |held: &Value| held["removes"].as_u64().is_some_and(|removes| removes <= rounds as u64);
    let now = held();
    now.is_null()
        || is_whole(&now) && portico.cli(&["registry", "accept"]).code == Some(0) && held().is_null()
}

/// Each of them, and some again, in an order that only the seed knows.
fn order() -> Vec<Happens> {
    let mut state = SEED;
    let mut dice = |sides: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % sides
    };
    let mut order: Vec<Happens> = ALL.to_vec();
    order.extend((ALL.len()..ROUNDS).map(|_| ALL[dice(ALL.len())]));
    for i in (1..order.len()).rev() {
        order.swap(i, dice(i + 1));
    }
    order
}
