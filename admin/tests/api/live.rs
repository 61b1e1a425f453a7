//! Beside a real proxy: what the API says is what requests meet.

use admin::wire::{Explained, Status, Verification};

use crate::views::samples;
use crate::world::{DEADLINE, World};

/// Two addresses where nobody listens.
const NOBODY: [&str; 2] = ["http://127.0.0.1:1", "http://127.0.0.2:1"];

#[tokio::test]
async fn a_write_that_is_said_to_be_live_is_met_by_the_next_request() {
    let (world, proxy) = World::with_proxy().await;
    for i in 0..20 {
        let path = format!("/v1/frontends/{i}.example.com");
        assert_eq!(world.request(proxy, &format!("{i}.example.com"), "/").await.status, 400);

        let made = world.send(&format!("PUT {path}"), &[], r#"{"endpoints":[]}"#).await.expect(201).json();
        assert_eq!(made["live"], true);
        assert_eq!(world.request(proxy, &format!("{i}.example.com"), "/").await.status, 502);

        let gone = world.send(&format!("DELETE {path}"), &[], "").await.expect(200).json();
        assert_eq!(gone["live"], true);
    }
    world.get("/readyz").await.expect(200);
}

#[tokio::test]
async fn an_endpoint_that_may_not_be_where_it_is_is_named_once_though_it_is_out_too() {
    let (world, proxy) = World::with_proxy().await;
    let body = format!(r#"{{"endpoints":["http://169.254.169.254","{}"]}}"#, NOBODY[0]);
    for number in 0..10 {
        world.send(&format!("PUT /v1/frontends/www{number}.test"), &[], &body).await.expect(201);
        // One of the two is tried first, by chance, and marked.
        assert_eq!(world.request(proxy, &format!("www{number}.test"), "/").await.status, 502);
    }

    let verified: Verification =
        serde_json::from_str(&world.get("/v1/verify").await.expect(200).body).unwrap();

    let told = verified.findings.iter().map(|f| (f.key.clone(), f.endpoint.clone()));
    let different: std::collections::BTreeSet<_> = told.collect();
    assert_eq!(different.len(), verified.findings.len(), "{:?}", verified.findings);
}

#[tokio::test]
async fn an_endpoint_that_is_out_shows_in_explain_verify_status_and_metrics() {
    let (world, proxy) = World::with_proxy().await;
    let [one, two] = NOBODY;
    let body = format!(r#"{{"endpoints":["{one}","{two}"]}}"#);
    world.send("PUT /v1/frontends/www.example.com", &[], &body).await.expect(201);

    assert_eq!(world.request(proxy, "www.example.com", "/x").await.status, 502);

    let mut reports = world.reports.clone().unwrap();
    let marked = reports.wait_for(|report| !report.dead.is_empty());
    drop(tokio::time::timeout(DEADLINE, marked).await.expect("an endpoint is marked").unwrap());
    let verified: Verification =
        serde_json::from_str(&world.get("/v1/verify").await.expect(200).body).unwrap();
    let found: Vec<_> =
        verified.findings.iter().map(|f| format!("{:?} {} {}", f.kind, f.key, f.reason)).collect();
    assert!(
        found.iter().all(|f| f.starts_with("Dead frontend:www.example.com connect refused; tried again in")),
        "{found:?}"
    );
    assert!(!found.is_empty());
    let explained = world.get("/v1/explain?url=http://www.example.com/x").await.expect(200).body;
    let matched = serde_json::from_str::<Explained>(&explained).unwrap().matched.unwrap();
    let out: Vec<_> = matched.endpoints.iter().filter_map(|e| e.out.as_deref().zip(e.back_in_ms)).collect();
    assert!(out.len() == found.len() && out[0].0 == "connect refused" && out[0].1 <= 30_000, "{out:?}");
    let status: Status = serde_json::from_str(&world.get("/v1/status").await.expect(200).body).unwrap();
    assert_eq!(status.proxy.map(|p| (p.serving, p.dead_endpoints)), Some((1, found.len())));
    let samples = samples(&world.get("/metrics").await.expect(200).body);
    assert_eq!(samples["portico_requests_total{class=\"5xx\"}"], 1.0);
    assert_eq!(samples["portico_request_duration_seconds_count"], 1.0);
    assert_eq!(samples["portico_request_duration_seconds_bucket{le=\"+Inf\"}"], 1.0);
    assert!(samples["portico_upstream_failures_total{why=\"refused\"}"] >= 1.0);
    assert_eq!(samples["portico_dead_endpoints"], found.len() as f64);
    assert_eq!(samples["portico_proxy_serving_revision"], 1.0);
    let by_worker = |name: &str| -> f64 {
        samples.iter().filter(|(key, _)| key.starts_with(&format!("{name}{{worker="))).map(|(_, n)| n).sum()
    };
    assert_eq!(by_worker("portico_worker_requests_total"), 1.0, "each thread's part, all together");
    assert_eq!(by_worker("portico_worker_connections_open"), samples["portico_connections_open"]);
    assert_eq!(samples["portico_connections_moved_total"], 0.0);
}
