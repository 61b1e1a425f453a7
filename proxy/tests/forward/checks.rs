//! Active checks of endpoints that follow a script.

use std::num::NonZeroU8;
use std::time::Duration;

use model::{Check, CheckKind, ExpectedStatus, Frontend, HealthVerdict, HttpCheck};
use proxy::config::Config;

use crate::stage::{Call, OK, OriginServer, Stage, eventually, frontend, nobody};

fn http(path: &str, status: ExpectedStatus, body: &str) -> Check {
    Check::new(CheckKind::Http(HttpCheck::new(path, status, body).unwrap()))
}

fn checked(host: &str, endpoints: &[std::net::SocketAddr], check: Check) -> Frontend {
    let mut frontend = frontend(host, endpoints);
    frontend.policy.check = Some(Box::new(check));
    frontend
}

/// Checks every 20 ms, and one result is enough.
fn quick(config: &mut Config) {
    let check = &mut config.health.check;
    (check.interval, check.timeout) = (Duration::from_millis(20), Duration::from_secs(30));
    (check.rise, check.fall) = (NonZeroU8::MIN, NonZeroU8::MIN);
}

fn stage(frontends: Vec<Frontend>) -> Stage {
    Stage::with_frontends(frontends, quick)
}

/// Why the first endpoint of `a.test` is out.
fn why(stage: &Stage) -> Option<String> {
    let endpoint = stage.proxy.explain("a.test", "/").matched.unwrap().endpoints.remove(0);
    endpoint.out.filter(|out| out.by_check).and(endpoint.check_failure).map(|why| why.to_string())
}

fn answer(mut call: Call, with: &str) {
    call.head();
    call.say(with);
}

const BROKEN: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";

#[test]
fn one_that_fails_is_out_says_why_and_comes_back() {
    let (bad, good) = (OriginServer::start(), OriginServer::start());
    let check = http("/health?full=1", ExpectedStatus::Code(200), "");
    let mut stage = stage(vec![checked("a.test", &[bad.address, good.address], check)]);

    let mut call = bad.call();
    let head = call.head();
    call.say(BROKEN);

    assert!(
        head.starts_with("GET /health?full=1 HTTP/1.1\r\nHost: a.test\r\nUser-Agent: portico-check\r\n"),
        "{head}"
    );
    eventually("it is out", || why(&stage).as_deref() == Some("check failed: 503, expected 200, 1 in a row"));
    let report = stage.health_report();
    assert_eq!(report.verdict, HealthVerdict::CheckFailed { ttl_seconds: 60, again: false });
    assert_eq!((&*report.host, report.address), ("a.test", bad.address.into()));
    answer(bad.call(), OK);
    eventually("it is back", || why(&stage).is_none());
    assert_eq!(stage.health_report().verdict, HealthVerdict::CheckPassed);
    let checks = stage.proxy.checks();
    assert!(checks.passed >= 1 && checks.failed >= 1 && checks.checked == 2, "{checks:?}");
}

#[test]
fn every_way_to_fail_has_words() {
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n{}", "x".repeat(70_000));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nnothe\r\n";
    let early = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(17);
    for (said, expected) in [
        ("HTTP/1.1 404 Not Found\r\n\r\n", "404, expected 200 to 399"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong",
            "the wanted text is not in the 5 octets of its body",
        ),
        (&*long, "the wanted text is not in the 65536 octets of its body"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", "the connection ended before the answer did"),
        (chunked, "answer was not HTTP"),
        (&*early, "answer was not HTTP"),
        ("SSH-2.0-OpenSSH\r\n", "answer was not HTTP"),
        ("", "the connection ended before the answer did"),
    ] {
        let (bad, good) = (OriginServer::start(), OriginServer::start());
        let check = http("/", ExpectedStatus::Success, "all is well");
        let stage = stage(vec![checked("a.test", &[bad.address, good.address], check)]);

        answer(bad.call(), said);

        let expected = format!("check failed: {expected}, 1 in a row");
        eventually(&expected, || why(&stage).is_some());
        assert_eq!(why(&stage).unwrap(), expected);
    }
}

#[test]
fn the_text_is_found_however_it_comes() {
    let (one, two) = (OriginServer::start(), OriginServer::start());
    let check = http("/", ExpectedStatus::Any, "all is well");
    let stage = stage(vec![checked("a.test", &[one.address, two.address], check)]);

    let mut call = one.call();
    call.head();
    call.say("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for chunk in ["5\r\nall i\r\n", "6\r\ns well\r\n"] {
        call.say(chunk);
    }

    eventually("it passed", || stage.proxy.checks().passed == 1);
    assert_eq!(why(&stage), None);
}

#[test]
fn silence_and_refusal_are_failures_of_a_connect_alone_too() {
    let (silent, good) = (OriginServer::start(), OriginServer::start());
    let mut slow = http("/", ExpectedStatus::Success, "");
    slow.timeout = Some(Duration::from_millis(30));
    let quiet = stage(vec![checked("a.test", &[silent.address, good.address], slow)]);
    let kept = silent.call();
    // Nobody answers: one is out, the other one is the last.
    eventually("it is noted", || {
        let endpoint = quiet.proxy.explain("a.test", "/").matched.unwrap().endpoints.remove(0);
        endpoint.check_failure.is_some_and(|why| why.starts_with("check failed: no answer in time"))
    });
    drop(kept);

    let tcp = Check::new(CheckKind::Tcp);
    let stage = stage(vec![checked("a.test", &[nobody(), good.address], tcp)]);
    eventually("it is out", || {
        why(&stage).is_some_and(|why| why.starts_with("check failed: connect refused"))
    });
    eventually("the other one passed", || stage.proxy.checks().passed > 0);
}

#[test]
fn a_check_goes_nowhere_where_no_request_may_go() {
    let (inside, good) = (OriginServer::start(), OriginServer::start());
    let denied = inside.address.ip().into();
    let tcp = Check::new(CheckKind::Tcp);
    let stage = Stage::with_frontends(vec![checked("a.test", &[inside.address], tcp)], |config| {
        quick(config);
        config.upstream.deny = vec![denied];
    });

    eventually("it failed", || stage.proxy.checks().failed > 2);

    assert!(inside.is_left_alone() && good.is_left_alone());
}

#[test]
fn the_last_one_serves_on_and_is_marked_for_nobody() {
    let bad = OriginServer::start();
    let mut stage = stage(vec![checked("a.test", &[bad.address], http("/", ExpectedStatus::Success, ""))]);
    answer(bad.call(), BROKEN);
    answer(bad.call(), BROKEN);

    let endpoint = |stage: &Stage| stage.proxy.explain("a.test", "/").matched.unwrap().endpoints.remove(0);
    eventually("it is noted", || endpoint(&stage).check_failure.is_some());
    assert!(endpoint(&stage).serves && endpoint(&stage).out.is_none());
    assert!(stage.health.try_recv().is_err());
}

#[test]
fn a_check_that_is_taken_away_keeps_nobody_out() {
    let (bad, good) = (nobody(), OriginServer::start());
    let tcp = Check::new(CheckKind::Tcp);
    let stage = stage(vec![checked("a.test", &[bad, good.address], tcp)]);
    eventually("it is out", || why(&stage).is_some());

    stage.publish(2, vec![frontend("a.test", &[bad, good.address])]);

    eventually("it is forgotten", || stage.dead() == 0 && stage.proxy.checks().checked == 0);
}

#[test]
fn no_more_checks_than_allowed_go_on_at_once() {
    let origins: Vec<OriginServer> = (0..4).map(|_| OriginServer::start()).collect();
    let addresses: Vec<_> = origins.iter().map(|origin| origin.address).collect();
    let stage = Stage::with_frontends(
        vec![checked("a.test", &addresses, http("/", ExpectedStatus::Success, ""))],
        |config| {
            quick(config);
            config.health.check.timeout = Duration::from_secs(60);
            config.health.check.at_once = 2;
        },
    );
    let open = || origins.iter().filter_map(OriginServer::try_call).collect::<Vec<_>>();

    let mut held = Vec::new();
    eventually("two are asked", || {
        held.extend(open());
        held.len() == 2
    });
    eventually("the others wait", || stage.proxy.checks().delayed > 0);
    assert!(open().is_empty());
    held.into_iter().for_each(|call| answer(call, OK));

    eventually("the others are asked", || !open().is_empty());
}

#[test]
fn a_500_is_death_where_a_check_brings_the_endpoint_back() {
    for (check, expected) in [(Some(http("/up", ExpectedStatus::Success, "")), 1), (None, 0)] {
        let (bad, good) = (OriginServer::start(), OriginServer::start());
        let mut frontend = frontend("a.test", &[bad.address, good.address]);
        frontend.policy.check = check.map(|mut check| {
            check.interval = Some(Duration::from_secs(3600));
            Box::new(check)
        });
        let stage = stage(vec![frontend]);

        let mut client = stage.client();
        client.say(crate::stage::GET);
        let call = crate::stage::first_call(&bad, &good);
        answer(call, "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
        client.expect("500 Oh");

        eventually("it is judged", || stage.proxy.totals().requests_by_class[5] == 1);
        assert_eq!(stage.proxy.totals().dead_marks, expected);
    }
}

#[test]
fn nothing_is_checked_where_checks_are_off() {
    let origin = OriginServer::start();
    let check = http("/", ExpectedStatus::Success, "");
    let stage = Stage::with_frontends(vec![checked("a.test", &[origin.address], check)], |config| {
        quick(config);
        config.health.active_checks = false;
    });
    stage.publish(2, vec![frontend("b.test", &[])]);
    assert!(origin.is_left_alone() && stage.proxy.checks().checked == 0);
}

#[test]
fn marks_of_others_are_lifted_where_the_check_passes_once_a_row_and_meanwhile_it_serves() {
    let (one, two) = (OriginServer::start(), OriginServer::start());
    let with = |config: &mut Config| {
        quick(config);
        config.health.check.rise = NonZeroU8::new(5).unwrap();
    };
    let checked = checked("a.test", &[one.address, two.address], Check::new(CheckKind::Tcp));
    let mut stage = Stage::with_frontends(vec![checked], with);
    eventually("both have risen", || stage.proxy.checks().passed >= 20);

    let before = stage.proxy.checks().passed;
    stage.mark("a.test", &[one.address, two.address]);

    // Nobody takes the marks back, as where another node disagrees and marks again at once.
    for _ in 0..8 {
        assert_eq!(stage.health_report().verdict, HealthVerdict::CheckPassed);
        assert_eq!(stage.proxy.explain("a.test", "/").matched.unwrap().endpoints[0].out, None);
    }
    let passed = stage.proxy.checks().passed - before;
    assert!(passed >= 30, "8 words of 2 endpoints after {passed} checks");
}
