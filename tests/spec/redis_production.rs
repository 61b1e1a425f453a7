//! A Redis as it is run in production: flushed, restarted without its data, failed over, behind TLS.

use std::time::Duration;

use crate::world::{Origin, Redis, World, eventually, get};

/// Freshness is promised within 50 ms and asserted at ten times that; benches measure it.
const FRESH: Duration = Duration::from_millis(500);

/// `h1.example.com` to `h{count}.example.com`.
fn fill(redis: &Redis, count: usize, url: &str) {
    let script = "for i = 1, tonumber(ARGV[1]) do \
        redis.call('DEL', 'frontend:h' .. i .. '.example.com') \
        redis.call('RPUSH', 'frontend:h' .. i .. '.example.com', 'x', ARGV[2]) end";
    redis.command(&["EVAL", script, "0", &count.to_string(), url]);
}

#[test]
fn a_flush_of_a_large_table_is_held_and_alarmed_until_an_operator_accepts_it() {
    let world = World::new();
    let redis = world.redis();
    let origin = Origin::saying("served on");
    fill(&redis, 60, &origin.url());
    let portico = world.portico(&["--registry", &redis.url()]);
    let metric = |name: &str| {
        let metrics = get(portico.admin(), "127.0.0.1", "/metrics").body;
        let line = metrics.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap_or_default();
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    eventually("it is routed", || get(portico.http(), "h60.example.com", "/").status == 200);
    assert_eq!(metric("portico_registry_view_held"), 0.0);

    redis.command(&["FLUSHDB"]);
    let ready = || get(portico.admin(), "127.0.0.1", "/readyz");
    let told = || ready().body.contains(r#""held":true"#) && metric("portico_registry_view_held") == 1.0;
    let took = eventually("it is alarmed", told);
    assert!(took < FRESH, "took {took:?}");

    assert_eq!(get(portico.http(), "h60.example.com", "/").body, "served on");
    assert_eq!(metric("portico_registry_view_held_removes"), 60.0);
    assert!(metric("portico_registry_view_held_left_seconds") > 10.0);
    let status = portico.does(&["status"]);
    assert!(status.contains("the registry lost 60 of 60 frontends"), "{status}");
    let verified = portico.cli(&["verify"]);
    assert!(verified.stdout.contains("portico registry accept"), "{}", verified.stdout);
    assert_eq!(ready().status, 200, "what was known serves on");
    eventually("it is logged", || portico.log().contains("suddenly lost most of its frontends"));

    let told = portico.does(&["registry", "accept"]);
    assert!(told.starts_with("accepted: 60 frontends removed at revision"), "{told}");
    let took = eventually("it is gone", || get(portico.http(), "h60.example.com", "/").status == 400);
    assert!(took < FRESH, "took {took:?}");
    let refused = portico.cli(&["registry", "accept"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert!(refused.stderr.contains("no view of the registry is held"), "{}", refused.stderr);
    assert_eq!(portico.cli(&["verify"]).code, Some(0));
}

#[test]
fn a_redis_that_returns_without_its_data_and_is_restored_fails_no_request() {
    let world = World::new();
    let redis = world.redis();
    let origin = Origin::saying("served on");
    fill(&redis, 60, &origin.url());
    let portico = world.portico(&["--registry", &redis.url()]);
    let serves = |host: &str| get(portico.http(), host, "/").body == "served on";
    eventually("it is routed", || serves("h60.example.com"));

    let redis = redis.restart();
    eventually("it is held", || {
        assert!(serves("h1.example.com"));
        portico.does(&["status"]).contains("the registry lost 60 of 60 frontends")
    });
    fill(&redis, 60, &origin.url());

    eventually("it is held no longer", || {
        assert!(serves("h2.example.com"));
        !portico.does(&["status"]).contains("the registry lost")
    });
    assert!((1..=60).all(|i| serves(&format!("h{i}.example.com"))));
}

#[test]
fn told_to_believe_at_once_the_largest_table_is_gone_at_once() {
    let world = World::new();
    let redis = world.redis();
    let origin = Origin::saying("served");
    fill(&redis, 200, &origin.url());
    let portico =
        world.portico_command(&["--registry", &redis.url()]).env("PORTICO_REGISTRY__HOLD", "0s").start();
    eventually("it is routed", || get(portico.http(), "h200.example.com", "/").status == 200);

    redis.command(&["FLUSHDB"]);

    let took = eventually("it is gone", || get(portico.http(), "h200.example.com", "/").status == 400);
    assert!(took < FRESH, "took {took:?}");
}

#[test]
fn a_failover_under_load_fails_no_request_and_is_followed() {
    let world = World::new();
    let (mut master, replica, _sentinels, url) = world.redis_with_sentinels();
    let origin = Origin::saying("served on");
    fill(&master, 60, &origin.url());
    let portico = world.portico(&["--registry", &url]);
    eventually("it is routed", || get(portico.http(), "h60.example.com", "/").body == "served on");
    eventually("it is replicated", || replica.command(&["EXISTS", "frontend:h60.example.com"]) == "1");

    let (mut failed, mut requests) = (0, 0);
    let mut ask = || {
        let host = format!("h{}.example.com", requests % 60 + 1);
        failed += usize::from(get(portico.http(), &host, "/").body != "served on");
        requests += 1;
    };
    master.stop();
    eventually("the replica is promoted", || {
        ask();
        replica.command(&["INFO", "replication"]).contains("role:master")
    });
    replica.command(&["RPUSH", "frontend:new.example.com", "x", &origin.url()]);
    eventually("the new master is followed", || {
        ask();
        get(portico.http(), "new.example.com", "/").body == "served on"
    });

    assert_eq!(failed, 0, "of {requests}");
    assert!(requests > 100, "{requests}");
    portico.does(&["frontend", "add", "mine.example.com", &origin.url()]);
    assert_eq!(replica.command(&["LLEN", "frontend:mine.example.com"]), "2");
}
