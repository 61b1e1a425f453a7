//! A version is tried beside the one that runs, with a share of its requests, and promoted, aborted, or taken away when it fails.

use engine::Engine;

use crate::world::{Ask, Fleet, Judge, Load, Reply, dig, eventually, get};

/// `web`, twice, of an image.
fn web(image: &str) -> String {
    format!(
        "---\nkind: service\nname: web\nimage: {image}\ninstances: 2\nports: [{{name: http, port: 8080}}]\n\
         heartbeat: {{kind: http, port: http, path: /, interval_ms: 500}}\n\
         ---\nkind: frontend\nhost: web.example.com\nservice: {{name: web}}\n"
    )
}

/// A fleet where `web` runs of `image:1`.
fn with(image: &str) -> Fleet {
    let fleet = Fleet::with(Engine::shared().unwrap(), &[("PORTICO_DNS__LISTEN", "127.0.0.1:0")]);
    for version in ["1", "2"] {
        fleet.engine.web(&format!("{image}:{version}"), version).unwrap();
    }
    fleet.apply(&web(&format!("{image}:1")));
    fleet.settles("web", 2);
    fleet
}

/// How many of so many requests the canary answers.
fn tried(fleet: &Fleet, requests: usize) -> usize {
    let asks = || get(fleet.portico.http(), "web.example.com", "/").body.trim().to_owned();
    (0..requests).filter(|_| asks() == "2").count()
}

/// An answer of either version.
struct Pages;

impl Ask for Pages {
    fn ask(&self, _: usize) -> (String, Judge) {
        let is_page = |reply: &Reply| reply.status == 200 && ["1", "2"].contains(&reply.body.trim());
        ("web.example.com".to_owned(), Box::new(is_page))
    }
}

#[test]
fn a_canary_takes_its_share_by_weight_and_stays_when_it_is_promoted() {
    let fleet = with("canary-web");
    let load = Load::start(fleet.portico.http(), 2, Pages);

    let said = fleet.portico.does(&["deploy", "web", "--image", "canary-web:2", "--canary", "10%", "--wait"]);
    let share = tried(&fleet, 400);
    let srv = dig(fleet.portico.dns(), &["_http._tcp.web.svc.internal", "SRV", "+short"]).text().to_owned();
    let before: Vec<_> = fleet.instances("web").iter().map(|it| it["name"].clone()).collect();
    let refused = fleet.portico.cli(&["deploy", "web", "--image", "canary-web:1"]);
    let promoted = fleet.portico.does(&["promote", "web", "--wait"]);

    assert!(said.contains("canary canary-web:2 takes 10 % beside canary-web:1"), "{said}");
    assert!(said.contains("canary canary-web:2 takes 10 % of the requests (portico promote web"), "{said}");
    assert!((20..=60).contains(&share), "{share} of 400");
    let mut weights: Vec<_> = srv.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    weights.sort_unstable();
    assert_eq!(weights, ["2", "9", "9"], "{srv}");
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("portico abort web"), "{}", refused.stderr);
    assert!(promoted.contains("promoted, image canary-web:1 -> canary-web:2"), "{promoted}");
    fleet.settles("web", 2);
    let stayed = fleet.instances("web").iter().any(|it| it["name"] == before[2]);
    assert!(stayed, "{before:?} {:?}", fleet.instances("web"));
    assert_eq!(tried(&fleet, 20), 20);
    assert!(load.requests() > 100 && load.failures().is_empty(), "{:?}", load.failures());
}

#[test]
fn a_canary_that_is_aborted_is_gone_and_takes_nothing_with_it() {
    let fleet = with("aborted-web");
    let load = Load::start(fleet.portico.http(), 2, Pages);
    let before = fleet.containers(&fleet.engine);

    fleet.portico.does(&["deploy", "web", "--image", "aborted-web:2", "--canary", "50", "--wait"]);
    let (share, there) = (tried(&fleet, 100), fleet.containers(&fleet.engine));
    let without = fleet.world.write("without.yaml", &web("aborted-web:1"));
    let foreseen = fleet.portico.does(&["apply", "-f", without.to_str().unwrap(), "--dry-run"]);
    let said = fleet.portico.does(&["abort", "web", "--wait"]);

    assert!((30..=70).contains(&share), "{share} of 100");
    assert_eq!(there.len(), 3);
    let leaves = foreseen.lines().filter(|line| line.ends_with("the canary was aborted")).count();
    assert_eq!(leaves, 1, "{foreseen}");
    assert!(said.contains("aborted, canary aborted-web:2 ends, and aborted-web:1 runs on"), "{said}");
    eventually("its container is gone", || fleet.containers(&fleet.engine) == before);
    fleet.settles("web", 2);
    assert_eq!(tried(&fleet, 20), 0);
    assert!(load.requests() > 100 && load.failures().is_empty(), "{:?}", load.failures());
}

#[test]
fn a_canary_that_fails_is_taken_away_with_the_reason() {
    let fleet = with("failing-web");
    let broken = r#"CMD ["sh", "-c", "echo no database >&2; exit 7"]"#;
    fleet.engine.image("failing-web:broken", &[], broken).unwrap();
    let load = Load::start(fleet.portico.http(), 2, Pages);
    let before = fleet.containers(&fleet.engine);

    let failed =
        fleet.portico.cli(&["deploy", "web", "--image", "failing-web:broken", "--canary", "10%", "--wait"]);

    assert_eq!(failed.code, Some(1), "{} {}", failed.stdout, failed.stderr);
    let end = failed.stdout.lines().last().unwrap_or_default();
    assert!(end.starts_with("web: canary failing-web:broken failed, and takes no requests"), "{end}");
    assert!(end.contains("exited with code 7") && end.contains("no database"), "{end}");
    eventually("its container is gone", || fleet.containers(&fleet.engine) == before);
    fleet.settles("web", 2);
    let shown = fleet.portico.does(&["service", "show", "web"]);
    assert!(shown.contains("failing-web:broken"), "{shown}");
    let promoted = fleet.portico.cli(&["promote", "web"]);
    assert!(
        promoted.code == Some(1) && promoted.stderr.contains("exited with code 7"),
        "{}",
        promoted.stderr
    );
    fleet.portico.does(&["abort", "web", "--wait"]);
    assert_eq!(tried(&fleet, 20), 0);
    assert!(load.failures().is_empty(), "{:?}", load.failures());
}
