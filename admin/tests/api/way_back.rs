//! The way back over the API: diff, rollback, export, import, backup.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::World;

async fn put(world: &World, name: &str, endpoint: &str) {
    let body = format!(r#"{{"endpoints":["http://{endpoint}"]}}"#);
    let reply = world.send(&format!("PUT /v1/frontends/{name}"), &[], &body).await;
    assert!(reply.status < 300, "{reply:?}");
}

/// `a` at x, then y; `b` made and removed; `c` made: revision 5.
async fn eventful() -> World {
    let world = World::new().await;
    put(&world, "a", "x").await;
    put(&world, "b", "x").await;
    put(&world, "a", "y").await;
    world.send("DELETE /v1/frontends/b", &[], "").await.expect(200);
    put(&world, "c", "x").await;
    world
}

#[tokio::test]
async fn two_revisions_are_compared_in_either_direction_and_in_pages() {
    let world = eventful().await;

    let diff = world.get("/v1/diff?from=2").await.expect(200).json();
    let back = world.get("/v1/diff?from=5&to=2").await.expect(200).json();

    assert_eq!((&diff["from"], &diff["to"], &diff["next"]), (&2.into(), &5.into(), &serde_json::Value::Null));
    let told = |diff: &serde_json::Value| -> Vec<String> {
        let changes = diff["changes"].as_array().unwrap().iter();
        let side = |doc: &serde_json::Value| doc["endpoints"][0]["url"].as_str().unwrap_or("-").to_owned();
        changes
            .map(|c| {
                format!("{} {} {}", c["frontend"].as_str().unwrap(), side(&c["before"]), side(&c["after"]))
            })
            .collect()
    };
    assert_eq!(told(&diff), ["a http://x:80 http://y:80", "b http://x:80 -", "c - http://x:80"]);
    assert_eq!(told(&back), ["a http://y:80 http://x:80", "b - http://x:80", "c http://x:80 -"]);
    let page = world.get("/v1/diff?from=2&limit=2").await.expect(200).json();
    assert_eq!((told(&page).len(), &page["next"]), (2, &"b".into()));
    let rest = world.get("/v1/diff?from=2&limit=2&after=b").await.expect(200).json();
    assert_eq!((told(&rest), &rest["next"]), (vec!["c - http://x:80".to_owned()], &serde_json::Value::Null));
    world.get("/v1/diff?from=9").await.expect(400);
    world.get("/v1/diff").await.expect(400);
}

#[tokio::test]
async fn a_rollback_is_a_new_revision_and_can_be_rolled_back() {
    let world = eventful().await;

    let dry = world.send("POST /v1/rollback", &[], r#"{"to":2,"dry_run":true}"#).await.expect(200).json();
    assert_eq!((&dry["dry_run"], &dry["revision"], &dry["changed"]), (&true.into(), &5.into(), &1.into()));
    let body = r#"{"to":2,"only":["frontends"]}"#;
    let done = world.send("POST /v1/rollback", &[], body).await.expect(200).json();

    let counts =
        ["made", "changed", "removed", "writes", "revision"].map(|name| done[name].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 1, 1, 8]);
    world.get("/v1/frontends/c").await.expect(404);
    let a = world.get("/v1/frontends/a").await.expect(200).json();
    assert_eq!(a["frontend"]["endpoints"][0]["url"], "http://x:80");
    let history = world.get("/v1/history?limit=1").await.expect(200).json();
    let who = history["records"][0]["who"].as_str().unwrap();
    assert!(who.starts_with("rollback to 2 by api:127.0.0.1"), "{who}");

    let again = world.send("POST /v1/rollback", &[], r#"{"to":5}"#).await.expect(200).json();
    assert_eq!(again["revision"], 11);
    world.get("/v1/frontends/c").await.expect(200);
    world.get("/v1/frontends/b").await.expect(404);
    let nothing = world.send("POST /v1/rollback", &[], r#"{"to":11}"#).await.expect(200).json();
    assert_eq!((&nothing["revision"], &nothing["writes"]), (&11.into(), &0.into()));
}

#[tokio::test]
async fn a_rollback_that_makes_no_sense_is_refused() {
    let world = eventful().await;
    for body in
        ["", "{}", r#"{"to":"x"}"#, r#"{"to":1,"only":["zones"]}"#, r#"{"to":6}"#, r#"{"to":1,"x":1}"#]
    {
        world.send("POST /v1/rollback", &[], body).await.expect(400);
    }
    assert_eq!(world.get("/v1/status").await.json()["registry"]["revision"], 5);
}

#[tokio::test]
async fn what_is_exported_makes_the_same_facts_elsewhere() {
    let (here, there) = (eventful().await, World::new().await);
    put(&there, "z", "x").await;
    put(&there, "c", "x").await;

    let file = here.get("/v1/export").await.expect(200);
    assert_eq!(file.field("portico-revision"), Some("5"));
    let dry = there.send("POST /v1/import?dry_run=true", &[], &file.body).await.expect(200).json();
    let merged = there.send("POST /v1/import", &[], &file.body).await.expect(200).json();
    assert_eq!((&dry["made"], &merged["made"], &merged["unchanged"]), (&1.into(), &1.into(), &1.into()));
    there.get("/v1/frontends/z").await.expect(200);
    let replaced = there.send("POST /v1/import?replace=true", &[], &file.body).await.expect(200).json();
    assert_eq!(replaced["removed"], 1);

    let facts = |file: String| file.split_once("\"frontends\"").unwrap().1.to_owned();
    assert_eq!(facts(there.get("/v1/export").await.body), facts(file.body));
    let history = there.get("/v1/history?limit=1").await.json();
    assert_eq!(history["records"][0]["who"], "import by api:127.0.0.1");
}

#[tokio::test]
async fn an_import_is_all_or_nothing_unless_told_to_keep_going() {
    let world = World::new().await;
    put(&world, "z", "x").await;
    let file = r#"{"format":"portico.facts","version":1,"frontends":[
        {"host":"a","endpoints":["http://x"]}, {"host":"b","endpoints":["ftp://x"]}]}"#;

    let refused = world.send("POST /v1/import", &[], file).await.expect(422).json();
    world.send("POST /v1/import?replace=true&keep_going=true", &[], file).await.expect(422);
    world.get("/v1/frontends/a").await.expect(404);
    let done = world.send("POST /v1/import?keep_going=true", &[], file).await.expect(200).json();

    assert!(refused["detail"].as_str().unwrap().contains("frontends[1] (b)"), "{refused}");
    assert_eq!((&done["made"], &done["refused"][0]["place"]), (&1.into(), &"frontends[1] (b)".into()));
    world.get("/v1/frontends/a").await.expect(200);
    let empty = r#"{"format":"portico.facts","version":1,"frontends":[]}"#;
    world.send("POST /v1/import?replace=true", &[], empty).await.expect(400);
    world.send("POST /v1/import", &[], empty).await.expect(200);
    for (query, body) in [
        ("", "{}"),
        ("", "x"),
        ("?layout=traefik", "[7]"),
        ("?layout=hipache", "{}"),
        ("?layout=x", empty),
        ("", r#"{"from":"embedded:x"}"#),
    ] {
        world.send(&format!("POST /v1/import{query}"), &[], body).await.expect(400);
    }
    world.send("POST /v1/import", &[], r#"{"from":"redis://127.0.0.1:1"}"#).await.expect(502);
}

#[tokio::test]
async fn traefiks_keys_are_imported_from_a_dump() {
    let world = World::new().await;
    let dump = r#"{"traefik/http/routers/web/rule":"Host(`www.example.com`) && PathPrefix(`/api`)",
        "traefik/http/routers/web/service":"web", "traefik/http/routers/web/entryPoints/0":"https",
        "traefik/http/services/web/loadBalancer/servers/0/url":"http://10.0.0.7:8000"}"#;

    let done = world.send("POST /v1/import?layout=traefik", &[], dump).await.expect(200).json();

    assert_eq!((&done["made"], &done["changes"][0]["frontend"]), (&1.into(), &"www.example.com/api".into()));
    assert_eq!(done["ignored"][0]["place"], "traefik/http/routers/web/entrypoints/0");
}

#[tokio::test]
async fn a_file_larger_than_the_limit_is_refused_and_one_larger_than_other_bodies_is_not() {
    let world = World::with(|config| (config.body_bytes, config.import_bytes) = (100, 1000)).await;
    let file = |spaces: usize| {
        format!(r#"{{"format":"portico.facts",{}"version":1,"frontends":[]}}"#, " ".repeat(spaces))
    };

    world.send("POST /v1/import", &[], &file(500)).await.expect(200);
    let refused = world.send("POST /v1/import", &[], &file(1000)).await.expect(413).json();

    assert!(refused["remedy"].as_str().unwrap().contains("admin.import"), "{refused}");
}

#[tokio::test]
async fn a_backup_is_a_store_that_opens() {
    let world = eventful().await;
    let mut stream = world.connect().await;
    let request = format!("GET /v1/backup HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", world.address);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut octets = Vec::new();
    stream.read_to_end(&mut octets).await.unwrap();

    let end = octets.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8_lossy(&octets[..end]).to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200 ") && head.contains("portico-revision: 5"), "{head}");
    assert!(head.contains(&format!("content-length: {}\r\n", octets.len() - end)), "{head}");
    let path = std::env::temp_dir().join(format!("portico-backup-{}.redb", std::process::id()));
    std::fs::write(&path, &octets[end..]).unwrap();
    let url = registry::RegistryUrl::parse(&format!("embedded:{}", path.display()), &path).unwrap();
    let copy = registry::open(&url, registry::Config::default()).await.unwrap();
    let snapshot = copy.snapshots().borrow().clone();
    assert_eq!((snapshot.revision().number(), snapshot.len()), (5, 2));
    copy.close().await;
    for suffix in ["", ".lock", ".ceiling"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
}
