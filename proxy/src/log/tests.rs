//! The whole way of a line: entry, sink, writer, file.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use model::Address;

use super::target::Target;
use super::{End, Request, Sink, Writer};
use crate::config::{AccessLog, LogFormat, LogTarget};
use crate::http::Version;
use crate::metrics::Metrics;
use crate::middleware::Peer;
use crate::respond::LocalReply;

const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    folder: tempfile::TempDir,
    metrics: Arc<Metrics>,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), metrics: Metrics::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self, name: &str) -> AccessLog {
        AccessLog { target: Some(LogTarget::File(self.path(name))), ..AccessLog::default() }
    }

    fn writer(&self, name: &str) -> Writer {
        Writer::start(&self.config(name), 1, &self.metrics).unwrap()
    }

    fn sink(&self, writer: &Writer) -> Sink {
        writer.sink(self.metrics.counters())
    }

    fn lines(&self, name: &str) -> Vec<String> {
        fs::read_to_string(self.path(name)).unwrap().lines().map(str::to_owned).collect()
    }
}

fn peer() -> Peer {
    Peer::new("10.0.0.1:4000".parse().unwrap(), &[])
}

fn request(target: &[u8]) -> Request<'_> {
    let (version, host) = (Version::Http11, "www.example.com");
    Request { method: b"GET", target, version, host, referer: None, user_agent: Some(b"test") }
}

fn exchange(sink: &Sink, target: &str) {
    let mut entry = sink.open(&peer());
    entry.request(request(target.as_bytes()));
    entry.sent(200);
    entry.wrote(10);
    entry.ended(End::Complete);
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::yield_now();
    }
}

fn exists_with_lines(path: &Path, lines: usize) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.lines().count() == lines)
}

#[test]
fn an_exchange_is_one_line_and_one_count() {
    let world = World::new();
    let writer = world.writer("access.log");
    let sink = world.sink(&writer);

    let mut entry = sink.open(&peer());
    entry.request(Request { referer: Some(b"http://r/"), ..request(b"/a") });
    entry.client(b"203.0.113.5");
    entry.received(50);
    entry.backend("web");
    entry.attempt(&Address::parse_url("http://10.0.0.6:80").unwrap());
    entry.attempt(&Address::parse_url("http://10.0.0.7:80").unwrap());
    entry.answered();
    entry.sent(204);
    entry.wrote(100);
    entry.ended(End::Complete);
    drop(entry);
    drop(sink);
    assert!(writer.close(PATIENCE));

    let lines = world.lines("access.log");
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("::ffff:203.0.113.5 - - ["), "{}", lines[0]);
    let rest = r#" +0000] "GET /a HTTP/1.1" 204 100 "http://r/" "test" "web" 0"#;
    assert!(lines[0].contains(rest), "{}", lines[0]);
    let totals = world.metrics.totals();
    assert_eq!((totals.requests_by_class[2], totals.bytes_in, totals.bytes_out), (1, 50, 100));
    assert_eq!((totals.duration.count(), totals.upstream_duration.count(), totals.in_flight()), (1, 1, 0));
}

#[test]
fn whatever_ends_an_exchange_it_is_logged_once() {
    let world = World::new();
    let config = AccessLog { format: LogFormat::Json, ..world.config("access.log") };
    let writer = Writer::start(&config, 1, &world.metrics).unwrap();
    let sink = world.sink(&writer);

    let mut refused = sink.open(&peer());
    refused.malformed(b"GET\x00 / HTTP/1.1\r\nHost: a\r\n");
    refused.replied(LocalReply::BadRequest("why"));
    refused.ended(End::Complete);
    drop(refused);
    drop(sink.open(&peer()));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut entry = sink.open(&peer());
        entry.request(request(b"/boom"));
        panic!("as a test wants it");
    }));
    assert!(panicked.is_err());
    drop(sink);
    assert!(writer.close(PATIENCE));

    let lines = world.lines("access.log");
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].contains(r#""malformed":"GET\u0000 / HTTP/1.1","host":"","status":400,"end":"complete","reply":"bad_request""#), "{}", lines[0]);
    assert!(lines[1].contains(r#""malformed":"","host":"","status":0,"end":"abandoned""#), "{}", lines[1]);
    assert!(
        lines[2].contains(r#""target":"/boom""#) && lines[2].contains(r#""end":"panicked""#),
        "{}",
        lines[2]
    );
    let totals = world.metrics.totals();
    assert_eq!(totals.requests_by_class, [2, 0, 0, 0, 1, 0]);
    assert_eq!(totals.in_flight(), 0);
}

#[test]
fn only_an_address_is_taken_for_a_client() {
    let world = World::new();
    let writer = world.writer("access.log");
    let sink = world.sink(&writer);

    for junk in [b"1.1.1.1, 2.2.2.2".as_slice(), b"nobody", b"", b"1.1.1.1 - - [\" 200"] {
        sink.open(&peer()).client(junk);
    }
    drop(sink);
    assert!(writer.close(PATIENCE));

    let lines = world.lines("access.log");
    assert_eq!(lines.len(), 4);
    assert!(lines.iter().all(|line| line.starts_with("::ffff:10.0.0.1 - - [")), "{lines:?}");
}

#[test]
fn a_log_that_is_off_still_counts() {
    let world = World::new();
    let config = AccessLog { target: None, ..AccessLog::default() };
    let writer = Writer::start(&config, 1, &world.metrics).unwrap();
    let sink = world.sink(&writer);

    exchange(&sink, "/");

    assert_eq!(world.metrics.totals().requests(), 1);
    assert_eq!(world.metrics.totals().log_lines_dropped, 0);
}

#[test]
fn an_idle_sink_is_flushed() {
    let world = World::new();
    let writer = world.writer("access.log");
    let sink = world.sink(&writer);

    exchange(&sink, "/1");
    sink.flush();
    wait_for("the first line", || exists_with_lines(&world.path("access.log"), 1));

    exchange(&sink, "/2");
    wait_for("the second line", || {
        sink.flush();
        exists_with_lines(&world.path("access.log"), 2)
    });
}

#[test]
fn memory_that_is_let_go_is_made_anew_and_no_line_is_lost() {
    let world = World::new();
    let writer = world.writer("access.log");
    let sink = world.sink(&writer);

    for lines in 1..=50 {
        exchange(&sink, "/");
        sink.let_go();
        wait_for("the line", || {
            sink.flush();
            sink.let_go();
            exists_with_lines(&world.path("access.log"), lines)
        });
    }

    assert_eq!(world.metrics.totals().log_lines_dropped, 0);
}

#[test]
fn a_blocked_target_never_blocks_the_sink() {
    let world = World::new();
    let (mut reader, pipe) = std::io::pipe().unwrap();
    let target = Target::over(File::from(OwnedFd::from(pipe)));
    let config = AccessLog { queue_bytes: 256 << 10, ..AccessLog::default() };
    let writer = Writer::start_on(Some(target), &config, 1, &world.metrics).unwrap();
    let sink = world.sink(&writer);

    let (count, mut slowest) = (20_000, Duration::ZERO);
    for i in 0..count {
        let start = Instant::now();
        exchange(&sink, &format!("/{i}"));
        sink.flush();
        slowest = slowest.max(start.elapsed());
    }
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    let dropped = world.metrics.totals().log_lines_dropped;
    assert!(dropped > 0 && dropped < count, "{dropped}");
    assert!(!writer.close(Duration::from_millis(1)), "the pipe is full");

    let reading = thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text)
    });
    drop(sink);
    drop(writer);
    let text = reading.join().unwrap().unwrap();
    assert!(text.ends_with('\n'));
    let dropped = world.metrics.totals().log_lines_dropped;
    assert_eq!(text.lines().count() as u64 + dropped, count);
    assert!(text.lines().all(|line| line.starts_with("::ffff:10.0.0.1 - - [") && line.ends_with('0')));
}

#[test]
fn what_a_full_queue_dropped_is_followed_by_what_comes_after() {
    let world = World::new();
    let (mut reader, pipe) = std::io::pipe().unwrap();
    let target = Target::over(File::from(OwnedFd::from(pipe)));
    let config = AccessLog { queue_bytes: 0, ..AccessLog::default() };
    let writer = Writer::start_on(Some(target), &config, 1, &world.metrics).unwrap();
    let sink = world.sink(&writer);
    while world.metrics.totals().log_lines_dropped == 0 {
        exchange(&sink, "/early");
    }

    let reading = thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text)
    });
    wait_for("room for a line", || {
        let before = world.metrics.totals().log_lines_dropped;
        exchange(&sink, "/late");
        world.metrics.totals().log_lines_dropped == before
    });
    drop(sink);
    assert!(writer.close(PATIENCE));
    drop(writer);

    assert!(reading.join().unwrap().unwrap().lines().last().is_some_and(|line| line.contains("/late")));
}

#[test]
fn a_failing_target_costs_its_lines_and_nothing_else() {
    let world = World::new();
    let config = AccessLog { target: Some(LogTarget::File("/dev/full".into())), ..AccessLog::default() };
    let writer = Writer::start(&config, 1, &world.metrics).unwrap();
    let sink = world.sink(&writer);

    exchange(&sink, "/1");
    exchange(&sink, "/2");
    sink.flush();
    wait_for("the loss", || world.metrics.totals().log_lines_dropped == 2);

    writer.reload(&world.config("access.log")).unwrap();
    exchange(&sink, "/3");
    drop(sink);
    assert!(writer.close(PATIENCE));
    assert_eq!(world.lines("access.log").len(), 1);
}

#[test]
fn reopen_goes_on_in_a_new_file_and_loses_nothing() {
    let world = World::new();
    let writer = world.writer("access.log");
    let sink = world.sink(&writer);
    exchange(&sink, "/before");
    sink.flush();
    wait_for("the line", || exists_with_lines(&world.path("access.log"), 1));

    fs::rename(world.path("access.log"), world.path("access.log.1")).unwrap();
    writer.reopen();
    exchange(&sink, "/after");
    drop(sink);
    assert!(writer.close(PATIENCE));

    assert!(world.lines("access.log.1").iter().all(|line| line.contains("/before")));
    assert!(world.lines("access.log").iter().all(|line| line.contains("/after")));
    assert_eq!((world.lines("access.log.1").len(), world.lines("access.log").len()), (1, 1));
}

#[test]
fn reload_takes_over_target_and_format_or_nothing() {
    let world = World::new();
    let writer = world.writer("old.log");
    let sink = world.sink(&writer);
    exchange(&sink, "/1");
    sink.flush();
    wait_for("the line", || exists_with_lines(&world.path("old.log"), 1));

    let impossible = AccessLog { format: LogFormat::Json, ..world.config("no/new.log") };
    assert!(writer.reload(&impossible).is_err());
    exchange(&sink, "/2");
    wait_for("the old form in the old file", || {
        sink.flush();
        exists_with_lines(&world.path("old.log"), 2)
    });

    writer.reload(&AccessLog { format: LogFormat::Json, ..world.config("new.log") }).unwrap();
    exchange(&sink, "/3");
    drop(sink);
    assert!(writer.close(PATIENCE));
    assert_eq!(world.lines("old.log").len(), 2);
    assert!(world.lines("new.log")[0].starts_with(r#"{"time":"#));
}

#[test]
fn a_line_that_is_written_in_another_form_than_it_began_in_says_all() {
    let world = World::new();
    let writer = world.writer("access.log");
    let sink = world.sink(&writer);
    let mut entry = sink.open(&peer());
    entry.request(request(b"/"));
    entry.attempt(&Address::parse_url("http://10.0.0.7:80").unwrap());

    writer.reload(&AccessLog { format: LogFormat::Json, ..world.config("access.log") }).unwrap();
    drop(entry);
    drop(sink);

    assert!(writer.close(PATIENCE));
    let line = &world.lines("access.log")[0];
    assert!(line.contains(r#""endpoint":"10.0.0.7:80","attempts":1"#), "{line}");
}

#[test]
fn every_line_of_every_thread_is_written_whole() {
    let world = World::new();
    let writer = Writer::start(&world.config("access.log"), 3, &world.metrics).unwrap();

    thread::scope(|scope| {
        for thread in 0..3 {
            let (world, writer) = (&world, &writer);
            scope.spawn(move || {
                let sink = world.sink(writer);
                for i in 0..2_000 {
                    exchange(&sink, &format!("/{thread}/{i}"));
                }
            });
        }
    });
    assert!(writer.close(PATIENCE));

    let lines = world.lines("access.log");
    assert_eq!(lines.len() as u64 + world.metrics.totals().log_lines_dropped, 6_000);
    assert!(
        lines
            .iter()
            .all(|line| line.starts_with("::ffff:10.0.0.1 - - [") && line.contains("HTTP/1.1\" 200 10 "))
    );
    let distinct: std::collections::BTreeSet<_> = lines.iter().map(|line| line.split(' ').nth(6)).collect();
    assert_eq!(distinct.len(), lines.len());
}

#[test]
fn after_the_end_lines_are_counted_as_dropped() {
    let world = World::new();
    let writer = world.writer("access.log");
    let sink = world.sink(&writer);
    assert!(writer.close(PATIENCE));
    assert!(writer.close(PATIENCE), "a second time is no wait");

    exchange(&sink, "/late");
    wait_for("the queue to go", || {
        sink.flush();
        world.metrics.totals().log_lines_dropped == 1
    });
}
