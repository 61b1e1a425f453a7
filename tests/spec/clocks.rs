//! A wall clock that jumps: no timeout changes, no mark ends early or late.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::world::{Connection, Origin, Portico, Redis, World, eventually, get};

/// Makes the wall clock of a process what a file says (libfaketime); its monotonic clock stays as it is.
const FAKETIME: &str = "/usr/$LIB/faketime/libfaketime.so.1";

/// A portico whose wall clock can be set.
struct Jumpy {
    portico: Portico,
    offset: PathBuf,
    looks: Cell<u32>,
}

impl Jumpy {
    fn start(world: &World, redis: &Redis, settings: &[(&str, &str)]) -> Self {
        let offset = world.write("offset", "+0s");
        let command = settings
            .iter()
            .fold(world.portico_command(&["--registry", &redis.url()]), |command, (name, value)| {
                command.env(name, value)
            });
        let portico = command
            .env("LD_PRELOAD", FAKETIME)
            .env("FAKETIME_TIMESTAMP_FILE", offset.to_str().unwrap())
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .start();
        let jumpy = Self { portico, offset, looks: Cell::new(0) };
        assert!(jumpy.is_at(0), "is libfaketime there? tests/run installs it");
        jumpy
    }

    /// From now on its wall clock is off by so many seconds.
    fn jump(&self, seconds: i64) {
        let beside = self.offset.with_extension("new");
        std::fs::write(&beside, format!("{seconds:+}s")).unwrap();
        std::fs::rename(beside, &self.offset).unwrap();
        eventually("the clock has jumped", || self.is_at(seconds));
    }

    /// Whether it takes the time for that, by what it writes into the history.
    fn is_at(&self, seconds: i64) -> bool {
        let number = self.looks.get() + 1;
        self.looks.set(number);
        self.portico.does(&["frontend", "add", &format!("clock-{number}.example.com"), "http://127.0.0.1:9"]);
        let history = get(self.portico.admin(), "127.0.0.1", "/v1/history?limit=1").body;
        let at = history.split("\"at_ms\":").nth(1).unwrap_or_else(|| panic!("{history}"));
        let at: i64 = at.trim().split([',', '}']).next().unwrap().parse().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        (at - i64::try_from(now).unwrap() - seconds * 1000).abs() < 60_000
    }

    fn explains(&self, host: &str, text: &str) -> bool {
        self.portico.does(&["explain", &format!("http://{host}/")]).contains(text)
    }

    fn status(&self, host: &str) -> u16 {
        get(self.portico.http(), host, "/").status
    }
}

/// Waits until `is`, which takes two seconds from `begun` on by a clock that never jumps.
fn in_two_seconds(what: &str, begun: Instant, is: impl FnMut() -> bool) {
    eventually(what, is);
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(1500) && took < Duration::from_secs(12), "{what} after {took:?}");
}

fn seconds_since_the_epoch() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn a_wall_clock_that_jumps_an_hour_changes_no_timeout_and_ends_no_mark_early_or_late() {
    let world = World::new();
    let (redis, origin) = (world.redis(), Origin::saying("alive"));
    let two = "2s";
    let settings = [("PORTICO_HEALTH__DEAD_TTL", two), ("PORTICO_CLIENT__HEAD_TIMEOUT", two)];
    let jumpy = Jumpy::start(&world, &redis, &settings);
    let http = jumpy.portico.http();

    for (i, jump) in [3600, 0, -3600, 0].into_iter().enumerate() {
        let [half, ending] = ["half", "ending"].map(|name| format!("{name}-{i}.example.com"));
        redis.command(&["RPUSH", &format!("frontend:{half}"), "x", "http://127.0.0.1:1", &origin.url()]);
        redis.command(&["RPUSH", &format!("frontend:{ending}"), "x", &origin.url()]);
        eventually("it is routed", || jumpy.status(&ending) == 200);
        let mut kept = Connection::open(http);
        assert_eq!(kept.get(&ending, "/").read().unwrap().body, "alive");
        eventually("one is marked", || {
            assert_eq!(jumpy.status(&half), 200);
            jumpy.explains(&half, "connect refused")
        });
        let begun = Instant::now();
        redis.command(&["PEXPIRE", &format!("frontend:{ending}"), "2000"]);
        let mut slow = Connection::open(http);
        slow.send("GET / HTTP/1.1\r\nHost: ");

        jumpy.jump(jump);

        if begun.elapsed() < Duration::from_secs(1) {
            assert!(jumpy.explains(&half, "connect refused") && jumpy.status(&ending) == 200, "not early");
        }
        assert_eq!(kept.get(&half, "/").read().unwrap().body, "alive", "the connection is kept");
        let slow =
            std::thread::spawn(move || in_two_seconds("408", begun, || slow.read().unwrap().status == 408));
        in_two_seconds("the key has ended", begun, || jumpy.status(&ending) == 400);
        eventually("the mark has ended", || !jumpy.explains(&half, "connect refused"));
        assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
        slow.join().unwrap();
    }

    let status = get(jumpy.portico.admin(), "127.0.0.1", "/v1/status").body;
    let uptime: u64 =
        status.split("\"uptime_ms\":").nth(1).unwrap().split(',').next().unwrap().trim().parse().unwrap();
    assert!(uptime < 3_000_000, "{uptime}");
}

#[test]
fn a_view_is_held_for_its_time_however_the_wall_clock_jumps() {
    let world = World::new();
    let (redis, origin) = (world.redis(), Origin::saying("served on"));
    let jumpy = Jumpy::start(&world, &redis, &[("PORTICO_REGISTRY__HOLD", "2s")]);
    let fill = "for i = 1, 60 do redis.call('RPUSH', 'frontend:h' .. i .. '.example.com', 'x', ARGV[1]) end";

    for jump in [3600, -3600] {
        redis.command(&["EVAL", fill, "0", &origin.url()]);
        eventually("it is routed", || jumpy.status("h60.example.com") == 200);
        redis.command(&["FLUSHDB"]);
        let begun = Instant::now();

        jumpy.jump(jump);

        in_two_seconds("it is believed", begun, || jumpy.status("h60.example.com") == 400);
    }
}

#[test]
fn an_active_checker_is_believed_by_its_word_that_moves_on_and_not_by_clocks() {
    let world = World::new();
    let (redis, origin) = (world.redis(), Origin::saying("alive"));
    let ping = || redis.command(&["SET", "hchecker_ping", &seconds_since_the_epoch().to_string()]);
    ping();
    let jumpy = Jumpy::start(&world, &redis, &[]);

    for jump in [3600, -3600] {
        jumpy.jump(jump);
        let second = seconds_since_the_epoch();
        eventually("the checker goes on", || {
            ping();
            seconds_since_the_epoch() > second + 2
        });
        let host = format!("at{jump}.example.com").replace('-', "minus");
        redis.command(&["RPUSH", &format!("frontend:{host}"), "x", "http://127.0.0.1:1", &origin.url()]);
        let mut channel = redis.subscribe("dead");
        eventually("it is routed and marked", || {
            jumpy.status(&host) == 200 && jumpy.explains(&host, "connect refused")
        });

        assert!(channel.next().starts_with(&host));
        assert_eq!(
            redis.command(&["SMEMBERS", &format!("dead:{host}")]),
            "",
            "marks are the checker's business"
        );
    }
}
