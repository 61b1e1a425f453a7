//! What an operator looks at: probes, status, metrics, verify, explain, history.

use std::collections::BTreeMap;

use crate::world::World;
use admin::wire::{Explained, History, Status, Verification};

const ONE: &str = r#"{"endpoints":["http://10.0.0.7:8000"]}"#;

#[tokio::test]
async fn a_node_that_takes_its_leave_is_alive_but_not_ready() {
    let world = World::new().await;
    assert_eq!(world.get("/readyz").await.expect(200).json()["reasons"], serde_json::json!([]));

    world.draining.send(true).unwrap();

    let reply = world.get("/readyz").await;
    assert_eq!(reply.status, 503);
    assert!(reply.json()["reasons"][0].as_str().unwrap().contains("draining"));
    assert_eq!(world.get("/healthz").await.expect(200).body, "ok\n");
}

#[tokio::test]
async fn the_status_says_what_runs_and_how_its_registry_stands() {
    let world = World::new().await;
    world.send("PUT /v1/frontends/a", &[], ONE).await.expect(201);

    let status: Status = serde_json::from_str(&world.get("/v1/status").await.expect(200).body).unwrap();

    assert_eq!((status.version.as_str(), status.node.as_str()), ("1.2.3", "node-1"));
    assert_eq!((status.registry.driver.as_str(), status.registry.link.as_str()), ("memory", "live"));
    assert_eq!((status.registry.revision, status.registry.facts, status.registry.quarantined), (1, 1, 0));
    assert!(status.ready.ready && status.registry.age_ms.is_some() && status.proxy.is_none());
    assert_eq!(status.listeners[0].address, world.address.to_string());
}

/// `name{labels} value` of each sample; checks the form of every line on the way.
pub(crate) fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut families = BTreeMap::new();
    let mut samples = BTreeMap::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# TYPE ") {
            let (name, kind) = comment.split_once(' ').unwrap();
            assert!(families.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} stands there twice");
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let family = name.split('{').next().unwrap();
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| {
                    family.strip_suffix(suffix).filter(|f| families.get(*f).is_some_and(|k| k == "histogram"))
                })
                .unwrap_or(family);
            let kind = families.get(family).unwrap_or_else(|| panic!("{line} has no TYPE"));
            assert_eq!(kind == "counter", family.ends_with("_total"), "{line}");
            assert!(samples.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{line} twice");
        }
    }
    samples
}

#[tokio::test]
async fn metrics_are_in_the_form_prometheus_reads() {
    let world = World::new().await;
    world.send("PUT /v1/frontends/a", &[], ONE).await.expect(201);

    let reply = world.get("/metrics").await.expect(200);

    assert!(reply.field("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let samples = samples(&reply.body);
    assert_eq!(samples["portico_build_info{version=\"1.2.3\",node=\"node-1\"}"], 1.0);
    assert_eq!(samples["portico_registry_up{driver=\"memory\"}"], 1.0);
    assert_eq!(
        (samples["portico_facts"], samples["portico_registry_revision"], samples["portico_ready"]),
        (1.0, 1.0, 1.0)
    );
    assert!(
        samples["process_start_time_seconds"] > 1.6e9 && samples.contains_key("portico_registry_age_seconds")
    );
}

#[tokio::test]
async fn verify_names_what_is_wrong() {
    let world = World::new().await;
    world.send("PUT /v1/frontends/fine", &[], ONE).await.expect(201);
    world.send("PUT /v1/frontends/empty?path=/x", &[], r#"{"endpoints":[]}"#).await.expect(201);
    world.send("PUT /v1/frontends/*.a.b.c.d.e.f", &[], ONE).await.expect(201);

    let found: Verification = serde_json::from_str(&world.get("/v1/verify").await.expect(200).body).unwrap();

    let told: Vec<_> = found.findings.iter().map(|f| format!("{:?} {}", f.kind, f.key)).collect();
    assert_eq!(told, ["Unreachable frontend:*.a.b.c.d.e.f", "Empty frontend:empty/x"]);
    assert_eq!((found.revision, found.facts, found.left_out), (3, 3, 0));
}

#[tokio::test]
async fn explain_tells_the_way_of_a_request() {
    let world = World::new().await;
    world.send("PUT /v1/frontends/www.example.com?path=/api", &[], ONE).await.expect(201);
    world.send("PUT /v1/frontends/*.example.com", &[], r#"{"endpoints":[]}"#).await.expect(201);
    let explain = async |url: &str| -> Explained {
        serde_json::from_str(&world.get(&format!("/v1/explain?url={url}")).await.expect(200).body).unwrap()
    };

    let api = explain("http://WWW.Example.com:8080/x/../%2561pi/../%61pi/users?q=1").await;
    assert_eq!(
        (api.host.as_str(), api.path.as_str(), api.revision),
        ("www.example.com:8080", "/api/users", 2)
    );
    let matched = api.matched.unwrap();
    assert_eq!(
        (matched.frontend.as_str(), matched.endpoints[0].url.as_str()),
        ("www.example.com/api", "http://10.0.0.7:8000")
    );
    assert!(matched.endpoints[0].serves && matched.endpoints[0].out.is_none());
    assert!(api.considered.iter().any(|c| c.taken && c.pattern == "www.example.com/api"));
    assert!(api.considered.iter().any(|c| !c.taken && c.pattern == "*.example.com"));

    let root = explain("www.example.com").await;
    assert_eq!(root.path, "/");
    assert_eq!(root.matched.unwrap().frontend, "*.example.com");
    assert!(root.outcome.starts_with("502"), "{}", root.outcome);

    let nobody = explain("http://example.org/%C3%BC%20").await;
    assert!(nobody.matched.is_none() && nobody.outcome.starts_with("400"), "{nobody:?}");

    let bad = explain("http://a..b/").await;
    assert!(bad.outcome.starts_with("400 before any lookup"), "{bad:?}");
}

#[tokio::test]
async fn explain_asks_for_a_url() {
    let world = World::new().await;
    for query in ["", "?url=ftp://a", "?url=http://a%0D%0AHost:b/", "?url=a&x=y"] {
        world.get(&format!("/v1/explain{query}")).await.expect(400);
    }
    world.get("/v1/explain?url=").await.expect(200);
}

#[tokio::test]
async fn the_history_says_who_changed_what() {
    let world = World::new().await;
    world.send("PUT /v1/frontends/a", &["Portico-Who: root@host"], ONE).await.expect(201);
    world.send("PUT /v1/frontends/b?path=/x", &[], ONE).await.expect(201);
    world.send("DELETE /v1/frontends/a", &["Portico-Who: \u{e9}vil\t"], "").await.expect(200);
    let history = async |query: &str| -> History {
        serde_json::from_str(&world.get(&format!("/v1/history{query}")).await.expect(200).body).unwrap()
    };

    let all = history("").await;
    let told: Vec<_> = all.records.iter().map(|r| format!("{} {} {}", r.revision, r.who, r.key)).collect();
    assert_eq!(
        told,
        ["3 api:127.0.0.1 frontend:a", "2 api:127.0.0.1 frontend:b/x", "1 cli:root@host frontend:a"]
    );
    let last = &all.records[0];
    assert!(
        last.before.is_some() && last.after.is_none() && last.at.ends_with('Z') && last.at.len() == 24,
        "{last:?}"
    );
    assert_eq!(all.next, None);

    let first = history("?limit=1").await;
    assert_eq!((first.records.len(), first.next), (1, Some(3)));
    let of_a: Vec<_> = history("?key=a").await.records.iter().map(|r| r.revision).collect();
    assert_eq!(of_a, [3, 1]);
    let older: Vec<_> = history("?before=3&limit=1").await.records.iter().map(|r| r.revision).collect();
    assert_eq!(older, [2]);
    world.get("/v1/history?key=a:b").await.expect(400);
}
