//! How portico starts, reloads and ends.

use std::time::Duration;

use crate::world::{Connection, Origin, Script, World, eventually, get, portico, until};

#[test]
fn sigterm_finishes_what_is_in_flight_and_takes_no_more() {
    let world = World::new();
    let mut portico = world.portico(&[]);
    let origin = Origin::start(Script::Slow("done".into(), Duration::from_millis(500)));
    portico.does(&["frontend", "add", "www.example.com", &origin.url()]);
    let mut idle = Connection::open(portico.http());
    assert_eq!(idle.get("__ping__", "/").read().unwrap().status, 200);
    let mut busy = Connection::open(portico.http());
    busy.get("www.example.com", "/");
    eventually("the request is at the origin", || origin.requests() == 1);
    let (http, admin) = (portico.http(), portico.admin());

    portico.signal("TERM");

    assert!(idle.is_ended(), "a connection between two requests ends");
    eventually("readiness is off, or the door closed", || {
        std::net::TcpStream::connect(admin).is_err() || get(admin, "127.0.0.1", "/readyz").status == 503
    });
    let reply = busy.read().unwrap();
    assert_eq!((reply.status, reply.body.as_str()), (200, "done"));
    assert_eq!(reply.header("connection"), Some("close"));
    assert_eq!(portico.ended().code(), Some(0), "{}", portico.log());
    assert!(std::net::TcpStream::connect(http).is_err());
}

#[test]
fn a_second_sigterm_ends_at_once() {
    let world = World::new();
    let mut portico = world.portico(&[]);
    let origin = Origin::start(Script::Slow("late".into(), Duration::from_secs(15)));
    portico.does(&["frontend", "add", "www.example.com", &origin.url()]);
    let mut busy = Connection::open(portico.http());
    busy.get("www.example.com", "/");
    eventually("the request is at the origin", || origin.requests() == 1);

    portico.signal("TERM");
    eventually("it is ending", || portico.log().contains("ending"));
    portico.signal("TERM");

    let begin = std::time::Instant::now();
    assert_eq!(portico.ended().code(), Some(1), "{}", portico.log());
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(busy.read(), None);
}

#[test]
fn a_port_that_is_taken_is_named_with_its_holder() {
    let world = World::new();
    let first = world.portico(&[]);
    let other = World::new();
    let (http, admin) = (first.http().to_string(), first.admin().to_string());
    let data = other.path("data").display().to_string();

    for taken in [["--http", &http, "--admin", "off"], ["--http", "127.0.0.1:0", "--admin", &admin]] {
        let finished = portico(&[&["run", "--data", &data][..], &taken].concat()).finish();

        let address = if taken[1] == http { &http } else { &admin };
        assert_eq!(finished.code, Some(1), "{}", finished.stderr);
        assert!(finished.stderr.contains(address), "{}", finished.stderr);
        assert!(
            finished.stderr.contains(&format!("process {} (portico)", first.pid())),
            "{}",
            finished.stderr
        );
    }
}

#[test]
fn a_registry_that_another_portico_holds_is_named_with_its_holder() {
    let world = World::new();
    let first = world.portico(&[]);

    let finished = world.portico_command(&[]).finish();

    assert_eq!(finished.code, Some(1));
    let pid = first.pid().to_string();
    assert!(
        finished.stderr.contains("registry.redb") && finished.stderr.contains(&pid),
        "{}",
        finished.stderr
    );
}

#[test]
fn routes_survive_kill_9() {
    let world = World::new();
    let origin = Origin::saying("kept");

    for round in 0..5 {
        let mut portico = world.portico(&[]);
        portico.does(&["frontend", "add", &format!("{round}.example.com"), &origin.url()]);
        portico.kill();
    }

    let portico = world.portico(&[]);
    for round in 0..5 {
        assert_eq!(get(portico.http(), &format!("{round}.example.com"), "/").body, "kept", "round {round}");
    }
    assert_eq!(portico.does(&["history"]).matches(".example.com").count(), 5);
}

#[test]
fn sighup_takes_a_good_file_over_and_keeps_the_old_one_when_it_is_bad() {
    let world = World::new();
    let file = world.write("portico.toml", "[client]\nhead = \"64KiB\"\n");
    let portico = world.portico(&["--config", file.to_str().unwrap()]);
    let long = format!("/{}", "x".repeat(9000));
    let status = || get(portico.http(), "__ping__", &long).status;
    assert_eq!(status(), 200);

    world.write("portico.toml", "[client]\nhead = \"8KiB\"\n[admin]\npage = 5\n");
    portico.signal("HUP");

    eventually("the new limit counts", || status() == 431 || status() == 414);
    eventually("what needs a restart is named", || portico.log().contains("settings=admin.page"));

    world.write("portico.toml", "[client]\nhead = \"64KiB\"\nhed = 1\n");
    portico.signal("HUP");

    eventually("the bad file is named", || {
        portico.log().contains("portico.toml:3: unknown key `client.hed`")
    });
    assert!(matches!(status(), 414 | 431), "the old one stays");
}

#[test]
fn sigusr1_opens_the_access_log_anew() {
    let world = World::new();
    let log = world.path("access.log");
    let portico = world.portico(&["--access-log", log.to_str().unwrap()]);
    let lines = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_default().lines().count();
    get(portico.http(), "__ping__", "/");
    eventually("the first access is logged", || lines(&log) == 1);

    let moved = world.path("access.log.1");
    std::fs::rename(&log, &moved).unwrap();
    portico.signal("USR1");
    eventually("the log is there again", || log.exists());
    get(portico.http(), "__ping__", "/");

    eventually("the second access is in the new file", || lines(&log) == 1);
    assert_eq!(lines(&moved), 1);
}

#[test]
fn health_readiness_and_metrics_are_served() {
    let world = World::new();
    let portico = world.portico(&[]);

    for (path, part) in [("/healthz", ""), ("/readyz", ""), ("/metrics", "portico_")] {
        let reply = get(portico.admin(), "127.0.0.1", path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        assert!(reply.body.contains(part), "{path}: {}", reply.body);
    }
}

#[test]
fn its_own_log_can_be_json() {
    let world = World::new();
    let portico = world.portico_command(&["--log-format", "json"]).spawn();

    let line = until("the ready line", || {
        portico.log().lines().find(|line| line.contains("ready")).map(str::to_owned)
    });

    let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(entry["message"], "ready");
    assert_eq!(entry["level"], "INFO");
    assert!(entry["http"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
}

#[test]
fn an_admin_listener_that_others_can_reach_needs_a_token() {
    let world = World::new();

    let finished = world.portico_command(&["--admin", "0.0.0.0:0"]).finish();

    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("flag --admin: `admin.listen` is 0.0.0.0:0"), "{}", finished.stderr);
    assert!(finished.stderr.contains("PORTICO_ADMIN_TOKEN"), "{}", finished.stderr);
}
