//! Names over time: what is looked up when, and what is kept.

use std::net::IpAddr;

use super::*;

fn url(url: &str) -> Address {
    Address::parse_url(url).expect("url")
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn found(ips: &[u8], ttl: u64) -> Found {
    Found::Addresses(ips.iter().map(|&last| ip(last)).collect(), Duration::from_secs(ttl))
}

fn with<L>(look_up: impl Fn(Box<str>) -> L + Send + Sync + 'static) -> Resolver
where
    L: Future<Output = Found> + Send + 'static,
{
    Resolver::with(&UpstreamLimits::default(), &Alarm::default(), look_up)
}

async fn addresses(resolver: &Resolver, name: &str, dice: usize) -> Vec<String> {
    resolver.resolve(&url(name), dice).await.map(|socket| socket.to_string()).collect()
}

/// The background task without its loop: looked up from 1 s to 30 s after.
fn task() -> Task {
    let known = Arc::new(ArcSwap::from_pointee(Map::new()));
    Task { known, tell: watch::channel(0).0, pace: Pace { least: 1_000, most: 30_000 } }
}

impl Task {
    fn ips(&self, name: &str) -> usize {
        self.known.load()[name].ips.len()
    }

    fn is_due(&self, now: Millis) -> bool {
        !self.due(now).is_empty()
    }
}

#[tokio::test]
async fn names_resolve_once_and_addresses_at_once() {
    let resolver = Resolver::start(&UpstreamLimits::default(), &Alarm::default());
    assert_eq!(addresses(&resolver, "http://10.0.0.1:81", 7).await, ["10.0.0.1:81"]);
    let found = resolver.resolve(&url("http://localhost:82"), 0).await.next().expect("localhost has one");
    assert!(found.ip().is_loopback() && found.port() == 82);
    assert!(resolver.known.load().contains_key("localhost"));
}

#[tokio::test]
async fn a_name_without_an_address_is_no_endless_wait() {
    let resolver = Resolver::start(&UpstreamLimits::default(), &Alarm::default());
    assert!(addresses(&resolver, "http://no-such-name.invalid", 0).await.is_empty());
}

#[tokio::test]
async fn each_address_of_a_name_is_tried_once_and_those_that_failed_last() {
    let resolver = with(async |_| found(&[3, 1, 2, 1], 30));
    let name = "http://three.test:80";
    assert_eq!(addresses(&resolver, name, 1).await, ["10.0.0.2:80", "10.0.0.3:80", "10.0.0.1:80"]);

    let mut tried = resolver.resolve(&url(name), 1).await;
    assert_eq!((tried.left(), tried.next().is_some(), tried.left()), (3, true, 2));
    tried.avoid(now_ms());
    assert_eq!(tried.count(), 2, "the order of a walk does not change while it goes on");

    assert_eq!(addresses(&resolver, name, 1).await, ["10.0.0.3:80", "10.0.0.1:80", "10.0.0.2:80"]);
}

#[tokio::test]
async fn a_name_server_that_does_not_answer_holds_up_no_other_name() {
    let look_up = async |name: Box<str>| match &*name {
        "slow.test" => std::future::pending().await,
        _ => found(&[1], 30),
    };
    let resolver = with(look_up);
    let (slow, fast) = (url("http://slow.test"), "http://fast.test");
    tokio::select! {
        biased;
        _ = resolver.resolve(&slow, 0) => unreachable!("nobody answers"),
        found = addresses(&resolver, fast, 0) => assert_eq!(found, ["10.0.0.1:80"]),
    }
}

#[tokio::test]
async fn a_request_that_looks_for_a_connection_to_a_name_counts_nothing_that_threads_share() {
    let resolver = with(async |_| found(&[1, 2], 30));
    let name = url("http://two.test:80");
    let finds = |nth: usize| {
        let known = Arc::clone(&resolver.known.load()["two.test"]);
        let mut readers = Vec::new();
        let found = resolver.find(&name, 0, |socket| {
            readers.push(Arc::strong_count(&known));
            (readers.len() > nth).then_some(socket.to_string())
        });
        (found, readers)
    };
    assert_eq!(resolver.find(&name, 0, Some), None, "it was never looked up");
    assert_eq!(resolver.resolve(&name, 0).await.count(), 2);

    // Of the map and of this test.
    assert_eq!(finds(0), (Some("10.0.0.1:80".into()), vec![2]));
    assert_eq!(finds(1), (Some("10.0.0.2:80".into()), vec![2, 2]));
    assert_eq!(finds(2), (None, vec![2, 2]));
    assert_eq!(resolver.find(&url("http://10.0.0.9:81"), 7, Some), Some("10.0.0.9:81".parse().expect("one")));
}

#[test]
fn an_answer_holds_for_its_time_to_live_within_bounds() {
    let check = |ttl: u64, expected: Millis| {
        let task = task();
        task.note("a.test".into(), found(&[1], ttl), 100);
        assert!(!task.is_due(100 + expected - 1) && task.is_due(100 + expected), "{ttl} s");
    };
    check(0, 1_000);
    check(1, 1_000);
    check(7, 7_000);
    check(30, 30_000);
    check(86_400, 30_000);
    check(u64::MAX / 2_000, 30_000);
}

#[test]
fn an_address_that_is_gone_is_not_handed_out_any_more() {
    let task = task();
    task.note("a.test".into(), found(&[1, 2], 5), 100);

    task.note("a.test".into(), found(&[2, 3], 5), 5_100);

    assert_eq!(*task.known.load()["a.test"].ips, [ip(2), ip(3)]);
}

#[test]
fn name_servers_that_fail_take_no_address_away_and_are_asked_less_and_less() {
    let task = task();
    task.note("a.test".into(), found(&[1], 5), 0);
    let mut now = 5_000;
    for wait in [1_000, 2_000, 4_000, 8_000, 8_000, 8_000, 8_000] {
        task.note("a.test".into(), Found::Failed("no answer".into()), now);
        assert_eq!(task.ips("a.test"), 1);
        assert!(!task.is_due(now + wait - 1) && task.is_due(now + wait), "{now}");
        now += wait;
    }
    task.note("a.test".into(), found(&[1], 5), now);
    assert!(!task.is_due(now + 4_999), "all is well again");
}

#[test]
fn a_name_that_is_gone_for_a_moment_keeps_its_addresses_and_one_that_stays_away_does_not() {
    let task = task();
    task.note("a.test".into(), found(&[1], 5), 0);

    task.note("a.test".into(), Found::Nothing, 5_000);
    task.note("a.test".into(), Found::Nothing, 34_999);
    assert_eq!(task.ips("a.test"), 1);
    task.note("a.test".into(), found(&[1], 5), 35_000);
    task.note("a.test".into(), Found::Nothing, 40_000);
    task.note("a.test".into(), Found::Failed("no answer".into()), 50_000);
    task.note("a.test".into(), Found::Nothing, 60_000);
    task.note("a.test".into(), Found::Nothing, 89_999);
    assert_eq!(task.ips("a.test"), 1, "nobody said so for 30 s without a pause");
    task.note("a.test".into(), Found::Nothing, 90_000);

    assert_eq!(task.ips("a.test"), 0);
    task.note("a.test".into(), found(&[1], 5), 98_000);
    assert_eq!(task.ips("a.test"), 1);
}

#[test]
fn a_name_that_cannot_be_connected_to_is_looked_up_soon() {
    let task = task();
    task.note("a.test".into(), found(&[1], 30), 0);
    let known = Arc::clone(&task.known.load()["a.test"]);
    let mut walk = Addresses::of(known, 80, 0, 10);
    assert!(walk.next().is_some());

    walk.avoid(10);

    assert!(!task.is_due(999) && task.is_due(1_000), "and not at once, however often");
}

#[test]
fn a_name_that_has_an_address_at_last_is_found_soon() {
    let task = task();
    task.note("new.test".into(), Found::Nothing, 0);
    task.note("old.test".into(), found(&[1], 30), 0);
    assert!(task.due(999).is_empty());
    assert_eq!(task.due(1_000), ["new.test".into()]);
    task.note("old.test".into(), Found::Failed("no answer".into()), 2_000);
    assert_eq!(task.ips("old.test"), 1, "an address is not lost to a failed lookup");
    assert!(task.due(400_000).is_empty() && task.known.load().is_empty(), "forgotten by now");
}
