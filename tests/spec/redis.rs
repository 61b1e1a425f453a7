//! Routes kept in a Redis, written by whoever writes there.

use std::process::Command;
use std::time::Duration;

use crate::world::{Origin, Portico, Script, World, eventually, get};

/// Freshness is promised within 50 ms and asserted at ten times that; benches measure it.
const FRESH: Duration = Duration::from_millis(500);

#[test]
fn what_redis_cli_pushes_is_routed() {
    let world = World::new();
    let redis = world.redis();
    let portico = world.portico(&["--registry", &redis.url()]);
    let origin = Origin::saying("my site");
    let push = |value: &str| {
        let port = redis.port().to_string();
        let status = Command::new("redis-cli")
            .args(["-p", &port, "RPUSH", "frontend:www.example.com", value])
            .output();
        assert!(status.unwrap().status.success());
    };
    eventually("portico follows", || get(portico.admin(), "127.0.0.1", "/readyz").status == 200);

    push("mysite");
    push(&origin.url());

    let took = eventually("it is routed", || get(portico.http(), "www.example.com", "/").body == "my site");
    assert!(took < FRESH, "took {took:?}");

    redis.command(&["DEL", "frontend:www.example.com"]);

    let took = eventually("it is gone", || get(portico.http(), "www.example.com", "/").status == 400);
    assert!(took < FRESH, "took {took:?}");
}

#[test]
fn what_portico_writes_is_a_list_as_hipache_reads_it() {
    let world = World::new();
    let redis = world.redis();
    let portico = world.portico(&["--registry", &redis.url()]);
    eventually("portico follows", || get(portico.admin(), "127.0.0.1", "/readyz").status == 200);

    portico.does(&["frontend", "add", "www.example.com", "http://10.0.0.7:8000", "http://10.0.0.8:8000"]);

    let list = redis.command(&["LRANGE", "frontend:www.example.com", "0", "-1"]);
    assert_eq!(list, "www.example.com\nhttp://10.0.0.7:8000\nhttp://10.0.0.8:8000");
}

#[test]
fn a_redis_that_is_gone_is_not_noticed_by_requests() {
    let world = World::new();
    let mut redis = world.redis();
    let origin = Origin::saying("still here");
    redis.command(&["RPUSH", "frontend:www.example.com", "x", &origin.url()]);
    let arguments = ["--registry", &redis.url()];
    let mut portico = world.portico(&arguments);
    eventually("it is routed", || get(portico.http(), "www.example.com", "/").status == 200);
    redis.stop();

    for _ in 0..20 {
        assert_eq!(get(portico.http(), "www.example.com", "/").body, "still here");
    }
    portico.signal("TERM");
    assert_eq!(portico.ended().code(), Some(0));
    let portico = world.portico(&arguments);
    eventually("the last known good routes serve", || {
        get(portico.http(), "www.example.com", "/").body == "still here"
    });

    let redis = redis.restart();
    redis.command(&["RPUSH", "frontend:www.example.com", "x", "http://127.0.0.1:1"]);

    eventually("what Redis says now counts", || get(portico.http(), "www.example.com", "/").status == 502);
}

#[test]
fn a_dead_endpoint_is_marked_as_hipache_marks_it_and_everybody_honours_the_mark() {
    let world = World::new();
    let redis = world.redis();
    let origin = Origin::saying("alive");
    redis.command(&["RPUSH", "frontend:*.example.com", "x", "http://127.0.0.1:1", &origin.url()]);
    let [one, two] = [0, 1].map(|_| World::new().portico(&["--registry", &redis.url()]));
    let mut channel = redis.subscribe("dead");

    for _ in 0..32 {
        assert_eq!(get(one.http(), "www.example.com", "/").body, "alive");
    }

    assert_eq!(channel.next(), "www.example.com;http://127.0.0.1:1/;0;2");
    assert_eq!(redis.command(&["SMEMBERS", "dead:www.example.com"]), "0");
    let ttl: u32 = redis.command(&["TTL", "dead:www.example.com"]).parse().unwrap();
    assert!((1..=30).contains(&ttl), "{ttl}");
    eventually("the other one honours it", || {
        two.does(&["explain", "http://www.example.com/"]).contains("marked dead in the registry")
    });
}

#[test]
fn two_nodes_whose_endpoints_all_die_and_come_back_serve_at_once() {
    let world = World::new();
    let redis = world.redis();
    let origins = [Origin::start(Script::Hang), Origin::start(Script::Hang)];
    redis.command(&["RPUSH", "frontend:www.example.com", "x", &origins[0].url(), &origins[1].url()]);
    let nodes = [0, 1].map(|_| World::new().portico(&["--registry", &redis.url()]));
    let at = |node: &Portico| get(node.http(), "www.example.com", "/").status;
    let rounds = 5;

    for round in 1..=rounds {
        std::thread::scope(|scope| {
            for node in &nodes {
                scope.spawn(|| (0..8).for_each(|_| assert_eq!(at(node), 502)));
            }
        });
        let marks = || redis.command(&["SCARD", "dead:www.example.com"]);
        eventually("one is marked", || marks() == "1");
        let explained = |node: &Portico| node.does(&["explain", "http://www.example.com/"]);
        eventually("both know", || nodes.iter().all(|node| explained(node).contains("out:")));

        origins.iter().for_each(|origin| origin.now(Script::Say("back".into())));

        for node in &nodes {
            assert!((0..8).all(|_| at(node) == 200), "round {round}: {}", explained(node));
        }
        assert_eq!(marks(), "1", "round {round}");
        origins.iter().for_each(|origin| origin.now(Script::Hang));
        redis.command(&["DEL", "dead:www.example.com"]);
    }
}

#[test]
fn while_an_active_checker_runs_marks_are_its_business_unless_told_otherwise() {
    for (flag, marks) in [("on", ""), ("off", "0")] {
        let world = World::new();
        let redis = world.redis();
        let origin = Origin::saying("alive");
        redis.command(&["RPUSH", "frontend:www.example.com", "x", "http://127.0.0.1:1", &origin.url()]);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        redis.command(&["SET", "hchecker_ping", &now.to_string()]);
        let portico = world.portico(&["--registry", &redis.url(), "--active-checks", flag]);
        let mut channel = redis.subscribe("dead");

        for _ in 0..32 {
            assert_eq!(get(portico.http(), "www.example.com", "/").body, "alive");
        }

        assert_eq!(channel.next(), "www.example.com;http://127.0.0.1:1/;0;2", "{flag}");
        assert_eq!(redis.command(&["SMEMBERS", "dead:www.example.com"]), marks, "{flag}");
    }
}

#[test]
fn whatever_a_plain_client_does_is_routed() {
    let world = World::new();
    let redis = world.redis();
    let portico = world.portico(&["--registry", &redis.url()]);
    eventually("portico follows", || get(portico.admin(), "127.0.0.1", "/readyz").status == 200);
    let origin = Origin::saying("a");
    let url = origin.url();
    let status = |host: &str| get(portico.http(), host, "/").status;
    let add = |host: &str| redis.command(&["RPUSH", &format!("frontend:{host}"), "x", &url]);

    for (command, host, before, after) in [
        (&["LREM", "frontend:www.example.com", "0", url.as_str()][..], "www.example.com", 200, 502),
        (&["RENAME", "frontend:www.example.com", "frontend:new.example.com"], "new.example.com", 400, 200),
        (&["PEXPIRE", "frontend:www.example.com", "100"], "www.example.com", 200, 400),
        (&["UNLINK", "frontend:www.example.com"], "www.example.com", 200, 400),
        (&["FLUSHDB"], "www.example.com", 200, 400),
        (&["FLUSHALL", "ASYNC"], "www.example.com", 200, 400),
        (&["EVAL", "return redis.call('DEL', 'frontend:www.example.com')", "0"], "www.example.com", 200, 400),
    ] {
        redis.command(&["FLUSHDB"]);
        add("www.example.com");
        eventually("it is as before", || status(host) == before && status("www.example.com") == 200);

        redis.command(command);

        let took = eventually(&format!("{command:?} is routed"), || status(host) == after);
        let allowed = if command[0] == "PEXPIRE" { FRESH + Duration::from_millis(200) } else { FRESH };
        assert!(took < allowed, "{command:?} took {took:?}");
    }
}

#[test]
fn one_bad_entry_is_one_bad_entry() {
    let world = World::new();
    let redis = world.redis();
    let origin = Origin::saying("fine");
    let url = origin.url();
    redis.command(&["RPUSH", "frontend:fine.example.com", "x", &url]);
    redis.command(&["SET", "frontend:string.example.com", "x"]);
    redis.command(&["RPUSH", "frontend:bad host", "x", &url]);
    redis.command(&["RPUSH", "frontend:part.example.com", "x", "ftp://10.0.0.1", &url]);
    redis.command(&["SET", "portico:frontend:json.example.com", "{"]);
    let many =
        format!("for i = 1, 1100 do redis.call('RPUSH', 'frontend:many.example.com', '{url}/' .. i) end");
    redis.command(&["EVAL", &many, "0"]);
    let portico = world.portico(&["--registry", &redis.url()]);

    eventually("it is routed", || get(portico.http(), "fine.example.com", "/").body == "fine");
    assert_eq!(
        get(portico.http(), "part.example.com", "/").body,
        "fine",
        "the other endpoint of the list serves"
    );

    let finished = portico.cli(&["verify"]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    for name in ["string.example.com", "bad host", "ftp://10.0.0.1", "json.example.com", "many.example.com"] {
        assert!(finished.stdout.contains(name), "{name}: {}", finished.stdout);
    }
}

#[test]
fn readiness_says_what_is_true_and_a_redis_that_returns_is_found() {
    let world = World::new();
    let mut redis = world.redis();
    redis.stop();
    let portico = world.portico(&["--registry", &redis.url()]);
    let ready = || get(portico.admin(), "127.0.0.1", "/readyz").status;
    assert_eq!(ready(), 503, "there is nothing to serve yet");
    assert_eq!(get(portico.admin(), "127.0.0.1", "/healthz").status, 200);

    let mut redis = redis.restart();

    let took = eventually("portico follows", || ready() == 200);
    assert!(took < Duration::from_secs(20), "took {took:?}");

    redis.stop();
    eventually("status says that it is gone", || portico.does(&["status"]).contains("lost"));

    assert_eq!(ready(), 200, "what was known serves on");
}
