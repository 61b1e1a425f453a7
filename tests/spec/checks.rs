//! Active checks, and habits of planb: hosts on one port, healthcheck: hashes, keys that are left alone.

use std::time::Duration;

use crate::world::{Origin, Script, World, eventually, get};

/// Checks every 100 ms at most 110 ms apart; three failures in a row are out, two passes back.
const OFTEN: [&str; 6] = ["--check-interval", "100ms", "--check-rise", "2", "--check-fall", "3"];

#[test]
fn an_endpoint_that_fails_its_check_leaves_in_time_and_comes_back() {
    let world = World::new();
    let portico = world.portico(&[]);
    let (one, two) = (Origin::saying("one"), Origin::saying("two"));
    let add = ["frontend", "add", "www.example.com", &one.url(), &two.url(), "--check-path", "/health"];
    portico.does(&[&add[..], &OFTEN].concat());
    let shown = portico.does(&["frontend", "show", "www.example.com"]);
    assert!(shown.contains("http GET /health, status 200 to 399, every 100 ms, rise 2, fall 3"), "{shown}");
    eventually("both are checked", || [&one, &two].iter().all(|origin| !origin.heads().is_empty()));
    let head = &one.heads()[0];
    assert!(
        head.starts_with("GET /health HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: portico-check"),
        "{head}"
    );

    two.now(Script::Status(503, ""));

    let explained = || portico.does(&["explain", "http://www.example.com/"]);
    let took =
        eventually("it is out", || explained().contains("out: check failed: 503, expected 200 to 399, "));
    assert!(took < Duration::from_millis(3 * 110 + 500), "{took:?}");
    for _ in 0..20 {
        assert_eq!(get(portico.http(), "www.example.com", "/").body, "one");
    }
    eventually("status says so", || {
        portico.does(&["status"]).contains("2 endpoints checked, 1 out because they failed")
    });
    let verified = portico.cli(&["verify"]).stdout;
    assert!(verified.contains("check failed: 503"), "{verified}");
    let metrics = get(portico.admin(), "127.0.0.1", "/metrics").body;
    assert!(
        metrics.contains("portico_failing_endpoints 1")
            && metrics.contains("portico_checks_total{result=\"failed\"}")
    );

    two.now(Script::Say("two".into()));

    eventually("it is back", || get(portico.http(), "www.example.com", "/").body == "two");
    assert!(!explained().contains("out:"));
}

#[test]
fn the_last_endpoint_serves_although_its_check_fails() {
    let world = World::new();
    let portico = world.portico(&[]);
    let only = Origin::start(Script::Status(404, ""));
    let add = ["frontend", "add", "www.example.com", &only.url(), "--check-status", "200"];
    portico.does(&[&add[..], &OFTEN].concat());

    eventually("it is said", || {
        let explained = portico.does(&["explain", "http://www.example.com/"]);
        explained.contains("serves, although its check failed: 404, expected 200")
    });
    assert_eq!(get(portico.http(), "www.example.com", "/").status, 404);

    portico.does(&["frontend", "add", "www.example.com", &only.url(), "--no-check"]);

    assert!(!portico.does(&["frontend", "show", "www.example.com"]).contains("check"));
}

#[test]
fn planbs_hash_drives_checks_whose_results_hipaches_nodes_follow() {
    let world = World::new();
    let redis = world.redis();
    let (one, two) = (Origin::saying("one"), Origin::saying("two"));
    redis.command(&["RPUSH", "frontend:www.example.com", "web", &one.url(), &two.url()]);
    redis.command(&["HSET", "healthcheck:www.example.com", "path", "up", "status", "200"]);
    let quick = [("PORTICO_HEALTH__CHECK_INTERVAL", "100ms"), ("PORTICO_HEALTH__CHECK_RISE", "1")];
    let with = |world: &World, arguments: &[&str]| {
        let command = world.portico_command(&[&["--registry", &redis.url()], arguments].concat());
        quick.into_iter().fold(command, |command, (name, value)| command.env(name, value)).start()
    };
    let (portico, apart) = (with(&world, &[]), World::new());
    let follower = with(&apart, &["--active-checks", "off"]);
    eventually("it is checked", || two.heads().iter().any(|head| head.starts_with("GET /up HTTP/1.1\r\n")));
    eventually("it says so", || redis.command(&["EXISTS", "hchecker_ping"]) == "1");

    two.now(Script::Status(503, ""));

    eventually("it is marked", || redis.command(&["SMEMBERS", "dead:www.example.com"]) == "1");
    eventually("who does not check follows", || {
        (0..8).all(|_| get(follower.http(), "www.example.com", "/").body == "one")
    });
    assert_eq!(get(portico.http(), "www.example.com", "/").body, "one");

    two.now(Script::Say("two".into()));

    eventually("it is taken back", || redis.command(&["EXISTS", "dead:www.example.com"]) == "0");
    for node in [&portico, &follower] {
        eventually("it is back", || get(node.http(), "www.example.com", "/").body == "two");
    }
    redis.command(&["DEL", "healthcheck:www.example.com"]);
    eventually("it is checked no more", || !portico.does(&["status"]).contains("endpoints checked"));
    assert_eq!(redis.command(&["LLEN", "frontend:www.example.com"]), "3");
}

#[test]
fn marks_of_others_on_endpoints_that_pass_their_check_keep_nobody_out_and_are_lifted() {
    let world = World::new();
    let redis = world.redis();
    let (one, two) = (Origin::saying("one"), Origin::saying("two"));
    redis.command(&["RPUSH", "frontend:www.example.com", "web", &one.url(), &two.url()]);
    redis.command(&["HSET", "healthcheck:www.example.com", "path", "up", "status", "200"]);
    let command = world.portico_command(&["--registry", &redis.url()]);
    let portico = command.env("PORTICO_HEALTH__CHECK_INTERVAL", "100ms").start();
    eventually("both are checked", || [&one, &two].iter().all(|origin| origin.requests() > 3));

    redis.command(&["SADD", "dead:www.example.com", "0", "1"]);

    let took = eventually("they are lifted", || {
        assert_eq!(get(portico.http(), "www.example.com", "/").status, 200);
        redis.command(&["EXISTS", "dead:www.example.com"]) == "0"
    });
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_host_on_a_port_is_tried_before_the_host_as_in_planb() {
    let world = World::new();
    let redis = world.redis();
    let (all, one) = (Origin::saying("all ports"), Origin::saying("one port"));
    redis.command(&["RPUSH", "frontend:www.example.com", "web", &all.url()]);
    redis.command(&["RPUSH", "frontend:www.example.com:8080", "web", &one.url()]);
    let portico = world.portico(&["--registry", &redis.url()]);

    eventually("it is routed", || get(portico.http(), "www.example.com:8080", "/").body == "one port");
    for host in ["www.example.com", "www.example.com:80", "WWW.example.com.:8081"] {
        assert_eq!(get(portico.http(), host, "/").body, "all ports", "{host}");
    }
    let explained = portico.does(&["explain", "http://www.example.com:8080/"]);
    assert!(explained.contains("->  www.example.com:8080"), "{explained}");
    let explained = portico.does(&["explain", "http://www.example.com:81/"]);
    assert!(explained.contains("www.example.com:81  no such frontend"), "{explained}");

    portico.does(&["frontend", "rm", "www.example.com:8080"]);

    assert_eq!(redis.command(&["EXISTS", "frontend:www.example.com:8080"]), "0");
    assert_eq!(get(portico.http(), "www.example.com:8080", "/").body, "all ports");
}

#[test]
fn certificates_that_planb_keeps_in_redis_are_left_alone() {
    let world = World::new();
    let redis = world.redis();
    let origin = Origin::saying("here");
    redis.command(&["RPUSH", "frontend:www.example.com", "web", &origin.url()]);
    redis.command(&["HSET", "tls:www.example.com", "certificate", "PEM", "key", "PEM"]);
    let portico = world.portico(&["--registry", &redis.url()]);
    eventually("it is routed", || get(portico.http(), "www.example.com", "/").body == "here");

    let verified = portico.does(&["verify"]);
    portico.does(&["frontend", "rm", "www.example.com"]);

    assert!(!verified.contains("tls:"), "{verified}");
    assert_eq!(redis.command(&["HLEN", "tls:www.example.com"]), "2");
}
