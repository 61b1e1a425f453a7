//! A full disk: writes to the registry stop with a clear error, and nothing else does.

use std::fs;
use std::path::Path;

use crate::world::{Connection, Origin, Portico, World, eventually, get};

/// No file may grow: what `ENOSPC` is on a full disk is `EFBIG` here.
fn fill_up(portico: &Portico, file: &Path) {
    portico.file_size(Some(fs::metadata(file).unwrap().len()));
}

fn serves(portico: &Portico, host: &str) -> bool {
    get(portico.http(), host, "/").body == "served"
}

fn put(portico: &Portico, host: &str, url: &str) -> (u16, Option<String>, String) {
    let admin = portico.admin();
    let body = format!(r#"{{"endpoints":["{url}"]}}"#);
    let head =
        format!("PUT /v1/frontends/{host} HTTP/1.1\r\nHost: {admin}\r\nContent-Length: {}\r\n", body.len());
    let rest = format!("Content-Type: application/json\r\n\r\n{body}");
    let reply = Connection::open(admin).send(head + &rest).read().unwrap();
    (reply.status, reply.header("content-type").map(str::to_owned), reply.body)
}

#[test]
fn a_full_disk_stops_writes_to_the_registry_with_507_and_nothing_else() {
    let world = World::new();
    let origin = Origin::saying("served");
    let mut portico = world.portico_command(&[]).file_size_is_an_error().start();
    portico.does(&["frontend", "add", "www.example.com", &origin.url()]);

    fill_up(&portico, &world.path("data/registry.redb"));
    let mut written = 0;
    let refused = loop {
        let (status, kind, body) = put(&portico, &format!("h{written}.example.com"), &origin.url());
        if status != 201 {
            break (status, kind.unwrap_or_default(), body);
        }
        written += 1;
        assert!(written < 100_000, "it never fills up");
    };

    assert_eq!((refused.0, refused.1.as_str()), (507, "application/problem+json"), "{}", refused.2);
    assert!(refused.2.contains("make room"), "{}", refused.2);
    let told = portico.cli(&["frontend", "add", "new.example.com", &origin.url()]);
    assert_eq!(told.code, Some(1), "{}", told.stdout);
    assert!(told.stderr.contains("make room on the registry's disk"), "{}", told.stderr);
    assert_eq!(portico.cli(&["frontend", "rm", "www.example.com"]).code, Some(1));
    assert!(serves(&portico, "www.example.com") && get(portico.http(), "new.example.com", "/").status == 400);
    assert!((0..written).step_by(100).all(|i| serves(&portico, &format!("h{i}.example.com"))));
    assert_eq!(get(portico.admin(), "127.0.0.1", "/readyz").status, 200);
    assert!(portico.does(&["frontend", "show", "www.example.com"]).contains(&origin.url()));
    assert!(portico.does(&["history"]).contains(&format!("h{}.example.com", written - 1)));

    portico.file_size(None);
    eventually("writes go on", || {
        portico.cli(&["frontend", "add", "new.example.com", &origin.url()]).code == Some(0)
    });
    assert!(serves(&portico, "new.example.com"));

    portico.kill();
    let portico = world.portico(&[]);
    assert!(serves(&portico, "new.example.com") && serves(&portico, "www.example.com"));
    assert!((0..written).step_by(100).all(|i| serves(&portico, &format!("h{i}.example.com"))));
}

#[test]
fn a_full_disk_costs_the_last_known_good_routes_and_nothing_else() {
    let world = World::new();
    let origin = Origin::saying("served");
    let mut redis = world.redis();
    let arguments = ["--registry", &redis.url()];
    let mut portico = world.portico_command(&arguments).file_size_is_an_error().start();
    let cache = world.path("data/last-known-good.redb");
    eventually("it is made", || cache.exists());

    fill_up(&portico, &cache);
    let add =
        "for i = 1, 20000 do redis.call('RPUSH', 'frontend:h' .. i .. '.example.com', 'x', ARGV[1]) end";
    redis.command(&["EVAL", add, "0", &origin.url()]);

    eventually("it is routed", || serves(&portico, "h20000.example.com"));
    eventually("it is said", || portico.log().contains("the last known good file cannot be written"));
    redis.command(&["RPUSH", "frontend:new.example.com", "x", &origin.url()]);
    eventually("what is new is followed", || serves(&portico, "new.example.com"));
    portico.does(&["frontend", "add", "mine.example.com", &origin.url()]);
    assert_eq!(get(portico.admin(), "127.0.0.1", "/readyz").status, 200);

    portico.file_size(None);
    eventually("it is written again", || portico.log().contains("the last known good file is written again"));
    portico.signal("TERM");
    assert_eq!(portico.ended().code(), Some(0));
    redis.stop();
    let portico = world.portico(&arguments);
    eventually("the last known good routes serve", || {
        ["h1.example.com", "h20000.example.com", "mine.example.com"].iter().all(|host| serves(&portico, host))
    });
}
