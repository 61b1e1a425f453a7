//! Who is believed, what an error looks like, what a tunnel may do, what a damaged store leaves behind.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::world::{Connection, Origin, World, eventually, get, send};

#[test]
fn forwarded_headers_and_debug_are_believed_of_trusted_peers_only() {
    let world = World::new();
    let origin = Origin::saying("fine");
    let request = "GET / HTTP/1.1\r\nHost: www.example.com\r\nX-Debug: 1\r\nX-Forwarded-For: 203.0.113.9\r\n\
                   X-Real-IP: 203.0.113.9\r\nX_Forwarded_For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n";

    for (trusted, seen, debugged) in
        [("[]", "127.0.0.1", None), (r#"["127.0.0.0/8"]"#, "203.0.113.9", Some("0"))]
    {
        let file = world.write("portico.toml", &format!("[http]\ntrusted = {trusted}\n"));
        let portico = World::new().portico(&["--config", file.to_str().unwrap(), "--registry", "memory:"]);
        portico.does(&["frontend", "add", "www.example.com", &origin.url()]);

        let reply = send(portico.http(), request).unwrap();

        assert_eq!(reply.header("x-debug-backend-id"), debugged, "{trusted}");
        assert_eq!(reply.header("portico-revision"), debugged.map(|_| "1"), "{trusted}");
        let head = origin.heads().pop().unwrap().to_ascii_lowercase();
        assert!(head.contains(&format!("\r\nx-real-ip: {seen}\r\n")), "{trusted}: {head}");
        assert!(!head.contains("6.6.6.6"), "{trusted}: {head}");
        eventually("the log says who asked", || portico.output().contains(&format!("::ffff:{seen} - - [")));
    }
}

#[test]
fn error_pages_come_from_a_folder_and_change_by_sighup() {
    let world = World::new();
    let pages = world.path("pages");
    std::fs::create_dir(&pages).unwrap();
    world.write("pages/error_400.html", "<p>nobody here</p>");
    world.write("pages/error_default.html", "<p>out of order</p>");
    let file = world.write("portico.toml", &format!("[http]\nerror_pages = \"{}\"\n", pages.display()));
    let portico = world.portico(&["--config", file.to_str().unwrap()]);
    portico.does(&["frontend", "add", "dead.example.com", "http://127.0.0.1:1"]);

    let missing = get(portico.http(), "www.example.com", "/");
    let dead = get(portico.http(), "dead.example.com", "/");

    assert_eq!((missing.status, missing.body.as_str()), (400, "<p>nobody here</p>"));
    assert_eq!((dead.status, dead.body.as_str()), (502, "<p>out of order</p>"));
    assert_eq!(missing.header("content-type"), Some("text/html"));
    world.write("pages/error_400.html", "<p>new words</p>");
    portico.signal("HUP");
    eventually("the new page is there", || {
        get(portico.http(), "www.example.com", "/").body == "<p>new words</p>"
    });
}

#[test]
fn a_websocket_passes_and_what_was_sent_early_waits_for_the_101() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let origin = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut octet = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut octet).unwrap();
            head.push(octet[0]);
        }
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let early = stream.read(&mut octet).is_ok();
        let reply = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        stream.write_all(reply.as_bytes()).unwrap();
        stream.set_read_timeout(None).unwrap();
        let mut said = [0; 10];
        stream.read_exact(&mut said).unwrap();
        stream.write_all(&said).unwrap();
        (String::from_utf8(head).unwrap().to_ascii_lowercase(), early)
    });
    let world = World::new();
    let portico = world.portico(&[]);
    portico.does(&["frontend", "add", "www.example.com", &url]);

    let mut client = Connection::open(portico.http());
    client.send("GET /chat HTTP/1.1\r\nHost: www.example.com\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\r\nearly");
    let reply = client.read().unwrap();
    client.send("later");

    assert_eq!((reply.status, reply.header("upgrade")), (101, Some("websocket")));
    assert_eq!(client.read_to_end(), b"earlylater");
    let (head, early) = origin.join().unwrap();
    assert!(
        head.contains("\r\nupgrade: websocket\r\n") && head.contains("\r\nconnection: upgrade\r\n"),
        "{head}"
    );
    assert!(!early, "nothing reaches the origin before its 101");
    drop(client);
    eventually("it is logged", || portico.output().contains("\"GET /chat HTTP/1.1\" 101 "));
}

#[test]
fn a_damaged_store_is_named_and_set_aside_and_the_next_one_is_numbered_on() {
    let world = World::new();
    let mut portico = world.portico(&[]);
    portico.does(&["frontend", "add", "www.example.com", "http://127.0.0.1:1"]);
    portico.signal("TERM");
    portico.ended();
    let file = world.path("data/registry.redb");
    std::fs::write(&file, "not what it was").unwrap();

    let portico = world.portico(&[]);

    let aside: Vec<_> = std::fs::read_dir(world.path("data"))
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .filter(|path| path.contains("registry.redb.damaged-"))
        .collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert_eq!(std::fs::read(&aside[0]).unwrap(), b"not what it was");
    assert!(portico.log().contains("the registry's file is damaged") && portico.log().contains(&aside[0]));
    let verified = portico.cli(&["verify"]);
    assert_eq!(verified.code, Some(1));
    assert!(verified.stdout.contains(&aside[0]), "{}", verified.stdout);
    let added = portico.does(&["frontend", "add", "www.example.com", "http://127.0.0.1:1", "--json"]);
    let revision =
        added.split("\"revision\": ").nth(1).and_then(|rest| rest.split([',', '\n']).next()).unwrap();
    assert!(revision.parse::<u64>().unwrap() > 1, "revisions only grow: {added}");
}

#[test]
fn a_start_without_redis_says_so_until_it_is_there() {
    let world = World::new();
    let mut redis = world.redis();
    let origin = Origin::saying("there");
    redis.stop();
    let portico = world.portico(&["--registry", &redis.url()]);

    let ready = get(portico.admin(), "127.0.0.1", "/readyz");

    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("no routes yet"), "{}", ready.body);
    assert_eq!(get(portico.admin(), "127.0.0.1", "/healthz").status, 200);
    assert!(portico.does(&["status"]).contains("ready     no"));
    let redis = redis.restart();
    redis.command(&["RPUSH", "frontend:www.example.com", "x", &origin.url()]);
    eventually("it is ready", || get(portico.admin(), "127.0.0.1", "/readyz").status == 200);
    eventually("it routes", || get(portico.http(), "www.example.com", "/").body == "there");
}

#[test]
fn the_age_of_last_known_good_routes_is_told() {
    let world = World::new();
    let mut redis = world.redis();
    let arguments = ["--registry", &redis.url()];
    let mut portico = world.portico(&arguments);
    redis.command(&["RPUSH", "frontend:www.example.com", "x", "http://127.0.0.1:1"]);
    eventually("it is routed", || get(portico.http(), "www.example.com", "/").status == 502);
    portico.signal("TERM");
    portico.ended();
    redis.stop();

    let portico = world.portico(&arguments);

    assert_eq!(get(portico.http(), "www.example.com", "/").status, 502);
    assert_eq!(get(portico.admin(), "127.0.0.1", "/readyz").status, 200, "the last routes serve");
    let status = portico.does(&["status"]);
    assert!(status.contains("last known good from disk") && status.contains(" old"), "{status}");
    let metrics = get(portico.admin(), "127.0.0.1", "/metrics").body;
    let value = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(name) && !line.starts_with('#'));
        line.and_then(|line| line.split(' ').nth(1)?.parse::<f64>().ok())
            .unwrap_or_else(|| panic!("{metrics}"))
    };
    assert_eq!(value("portico_registry_from_cache"), 1.0);
    assert!((0.0..120.0).contains(&value("portico_registry_age_seconds")));
}

#[test]
fn no_frontend_ends_because_redis_cannot_be_asked() {
    let world = World::new();
    let mut redis = world.redis();
    let portico = world.portico(&["--registry", &redis.url()]);
    redis.command(&["RPUSH", "frontend:www.example.com", "x", "http://127.0.0.1:1"]);
    let status = || get(portico.http(), "www.example.com", "/").status;
    eventually("it is routed", || status() == 502);

    redis.command(&["PEXPIRE", "frontend:www.example.com", "700"]);
    redis.stop();

    let gone = Instant::now();
    while gone.elapsed() < Duration::from_millis(1500) {
        assert_eq!(status(), 502, "after {:?}", gone.elapsed());
    }
    let redis = redis.restart();
    eventually("the empty Redis is believed", || status() == 400);
    drop(redis);
}

#[test]
fn an_ordinary_end_warns_of_nothing() {
    let world = World::new();
    let redis = world.redis();
    for registry in ["embedded:", "memory:", &redis.url()] {
        let mut portico = World::new().portico(&["--registry", registry]);
        eventually("it is ready", || get(portico.admin(), "127.0.0.1", "/readyz").status == 200);

        portico.signal("TERM");

        assert_eq!(portico.ended().code(), Some(0));
        eventually("its last word is there", || portico.log().trim_end().ends_with(": ended"));
        let warned = portico.log().lines().any(|line| line.contains(" WARN ") || line.contains(" ERROR "));
        assert!(!warned, "{registry}: {}", portico.log());
    }
}
