//! Hosts over the API: none goes while something that was launched is on it.

use serde_json::json;

use crate::world::World;

/// `one` with a launched instance of `web` on it, `two` with one that was adopted and one that has ended for good; before there was any of
/// them: revision 1.
async fn with_instances() -> World {
    let world = World::new().await;
    world.send("PUT /v1/frontends/a", &[], r#"{"endpoints":["http://x"]}"#).await.expect(201);
    let host = |name| json!({"name": name, "addresses": ["10.0.0.7"], "engine": "unix:///run/docker.sock"});
    let instance = |name, host, stage| {
        json!({"service": "web", "name": name, "addresses": ["10.0.0.7"], "host": host,
            "run": {"version": "0000000000000001", "stage": stage}})
    };
    let file = json!({"format": "portico.facts", "version": 1, "frontends": [],
        "services": [{"name": "web"}],
        "instances": [instance("1", "one", "running"), instance("2", "two", "adopted"), instance("3", "two", "ended")],
        "hosts": [host("one"), host("two")]});
    world.send("POST /v1/import", &[], &file.to_string()).await.expect(200);
    world
}

#[tokio::test]
async fn a_host_with_launched_instances_is_removed_by_no_write_and_keeps_its_engine() {
    let world = with_instances().await;
    let named = r#"{"kind":"host","name":"one"}"#;
    let bare = r#"{"kind":"host","name":"one","addresses":["10.0.0.7"]}"#;
    let other = r#"{"kind":"host","name":"one","addresses":["10.0.0.7"],"engine":"tcp://10.0.0.7:2376"}"#;
    let all = r#"{"delete":true,"documents":[{"kind":"service","name":"web"},{"kind":"host","name":"one"}]}"#;
    let file =
        r#"{"format":"portico.facts","version":1,"frontends":[{"host":"a","endpoints":["http://x"]}]}"#;
    let writes = [
        ("DELETE /v1/hosts/one", String::new()),
        ("PUT /v1/hosts/one", r#"{"addresses":["10.0.0.7"]}"#.to_owned()),
        ("POST /v1/apply", format!(r#"{{"delete":true,"documents":[{named}]}}"#)),
        ("POST /v1/apply", all.to_owned()),
        ("POST /v1/apply", format!(r#"{{"documents":[{bare}]}}"#)),
        ("POST /v1/apply", format!(r#"{{"documents":[{bare}],"dry_run":true}}"#)),
        ("POST /v1/apply", format!(r#"{{"documents":[{other}]}}"#)),
        ("PUT /v1/hosts/one", other.replace(r#""kind":"host","name":"one","#, "")),
        ("POST /v1/rollback", r#"{"to":1}"#.to_owned()),
        ("POST /v1/import?replace=true", file.to_owned()),
    ];

    for (request, body) in writes {
        let refused = world.send(request, &[], &body).await.expect(409).json();
        assert_eq!(refused["detail"], "1 launched instances are on one: web/1", "{request} {body}");
        assert!(refused["remedy"].as_str().unwrap().contains("portico host drain one"), "{refused}");
    }
    let host = world.get("/v1/hosts/one").await.expect(200).json();

    assert_eq!(host["host"]["engine"], "unix:///run/docker.sock", "{host}");
    world.get("/v1/services/web").await.expect(200);
}

#[tokio::test]
async fn a_host_is_changed_beside_its_engine_and_goes_once_nothing_that_was_launched_is_on_it() {
    let world = with_instances().await;
    let drained = r#"{"kind":"host","name":"one","addresses":["10.0.0.7"],"engine":"unix:///run/docker.sock","draining":true}"#;

    world.send("POST /v1/apply", &[], &format!(r#"{{"documents":[{drained}]}}"#)).await.expect(200);
    world.send("DELETE /v1/services/web/instances/1", &[], "").await.expect(200);
    let other = drained.replace("unix:///run/docker.sock", "tcp://10.0.0.7:2376");
    world.send("POST /v1/apply", &[], &format!(r#"{{"documents":[{other}]}}"#)).await.expect(200);
    let both = r#"{"delete":true,"documents":[{"kind":"host","name":"one"},{"kind":"host","name":"two"}]}"#;
    let gone = world.send("POST /v1/apply", &[], both).await.expect(200).json();

    assert_eq!(gone["removed"], 2, "{gone}");
}
