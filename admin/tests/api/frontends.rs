//! Frontends over the API: statuses, revisions, conditions, pages, what is refused.

use crate::world::World;

const ONE: &str = r#"{"endpoints":["http://10.0.0.7:8000"]}"#;

#[tokio::test]
async fn a_frontend_is_made_read_replaced_and_removed() {
    let world = World::new().await;

    let made = world.send("PUT /v1/frontends/WWW.example.com", &["If-None-Match: *"], ONE).await.expect(201);
    assert_eq!(made.json()["revision"], 1);
    assert_eq!(made.json()["live"], false, "there is no proxy in this process");
    assert_eq!(made.field("etag"), Some("\"1\""));

    let read = world.get("/v1/frontends/www.example.com").await.expect(200);
    assert_eq!(read.field("etag"), Some("\"1\""));
    assert_eq!(
        read.json(),
        serde_json::json!({
            "frontend": {"host": "www.example.com", "endpoints": [{"url": "http://10.0.0.7:8000"}]},
            "revision": 1, "kept_as": "native",
        })
    );

    let two =
        r#"{"host":"www.example.com","endpoints":[{"url":"http://web2","weight":3}],"balance":"random"}"#;
    let put = world.send("PUT /v1/frontends/www.example.com", &["If-Match: \"1\""], two).await.expect(200);
    assert_eq!(put.json()["frontend"]["endpoints"][0]["url"], "http://web2:80");

    let gone = world.send("DELETE /v1/frontends/www.example.com", &["If-Match: \"2\""], "").await.expect(200);
    assert_eq!(
        gone.json(),
        serde_json::json!({"revision": 3, "live": false, "changed": true, "frontend": null})
    );
    world.get("/v1/frontends/www.example.com").await.expect(404);
}

#[tokio::test]
async fn a_write_that_expects_what_is_not_so_is_refused_with_the_revision_that_is() {
    let world = World::new().await;
    world.send("PUT /v1/frontends/a", &[], ONE).await.expect(201);
    world.send("PUT /v1/frontends/b", &[], ONE).await.expect(201);

    for (request, condition, revision) in [
        ("PUT /v1/frontends/a", "If-Match: \"7\"", Some(1)),
        ("PUT /v1/frontends/a", "If-None-Match: *", Some(1)),
        ("PUT /v1/frontends/c", "If-Match: \"1\"", None),
        ("PUT /v1/frontends/c", "If-Match: *", None),
        ("DELETE /v1/frontends/b", "If-Match: \"1\"", Some(2)),
        ("DELETE /v1/frontends/c", "If-Match: \"1\"", None),
        ("POST /v1/frontends/b/endpoints", "If-Match: \"1\"", Some(2)),
        ("POST /v1/frontends/b/endpoints", "If-None-Match: *", Some(2)),
        ("POST /v1/frontends/c/endpoints", "If-Match: *", None),
    ] {
        let body = if request.starts_with("DELETE") { "" } else { ONE };
        let problem = world.send(request, &[condition], body).await.expect(412).json();
        assert_eq!(
            problem.get("revision").and_then(serde_json::Value::as_u64),
            revision,
            "{request} {condition}"
        );
        assert_eq!(problem["type"], "urn:portico:problem:conflict");
    }
    world.send("DELETE /v1/frontends/c", &[], "").await.expect(404);
    world.send("DELETE /v1/frontends/a?path=/api", &[], "").await.expect(404);
    assert_eq!(world.get("/v1/status").await.json()["registry"]["revision"], 2, "nothing was written");
}

#[tokio::test]
async fn what_cannot_be_a_frontend_is_refused_with_the_field_and_the_remedy() {
    let world = World::new().await;
    for (path, body, field) in [
        ("a", "", "body"),
        ("a", "[]", "body"),
        ("a", "{\"endpoints\":[", "body"),
        ("a", "{}", "endpoints"),
        ("a", r#"{"endpoints":["ftp://x"]}"#, "endpoints[0].url"),
        ("a", r#"{"endpoints":["http://x"],"wieght":1}"#, "wieght"),
        ("a", r#"{"endpoints":[{"url":"http://x","weight":"1"}]}"#, "endpoints[0]"),
        ("a", r#"{"endpoints":[{"url":"http://x","weight":0}]}"#, "endpoints[0].weight"),
        ("a", r#"{"endpoints":["http://x"],"balance":"best"}"#, "balance"),
        ("a", r#"{"host":"b","endpoints":[]}"#, "host"),
        ("a?path=/x", r#"{"path":"/y","endpoints":[]}"#, "path"),
        ("a%2Fb", ONE, "host"),
        ("*.a:80", ONE, "host"),
        ("%FF", ONE, "host"),
        ("a?path=x", ONE, "path"),
        ("a?pth=/x", ONE, "query"),
        ("a?path=/x&path=/y", ONE, "query"),
    ] {
        let problem = world.send(&format!("PUT /v1/frontends/{path}"), &[], body).await.expect(400).json();
        let said = format!("{} {}", problem["field"], problem["detail"]);
        assert!(said.contains(field), "{path} {body}: {problem}");
    }
    for (condition, body) in
        [("If-Match: 42", ONE), ("If-None-Match: \"1\"", ONE), ("If-Match: \"1\", \"2\"", ONE)]
    {
        world.send("PUT /v1/frontends/a", &[condition], body).await.expect(400);
    }
    assert_eq!(world.get("/v1/frontends").await.json()["revision"], 0);
}

#[tokio::test]
async fn patterns_and_paths_are_addressed_without_ambiguity() {
    let world = World::new().await;
    for (address, name) in [
        ("*", "*"),
        ("*.example.com", "*.example.com"),
        ("%2A.example.org?path=%2Fapi%2F", "*.example.org/api"),
        ("[::1]?path=/", "[::1]"),
        ("%5B::2%5D", "[::2]"),
        ("a?path=/x%2520y", "a/x%20y"),
    ] {
        world.send(&format!("PUT /v1/frontends/{address}"), &[], ONE).await.expect(201);
        let doc = &world.get(&format!("/v1/frontends/{address}")).await.expect(200).json()["frontend"];
        let path = doc.get("path").and_then(serde_json::Value::as_str).unwrap_or("");
        assert_eq!(format!("{}{path}", doc["host"].as_str().unwrap()), name);
    }
}

#[tokio::test]
async fn a_long_list_comes_in_pages_that_miss_nothing() {
    let world = World::new().await;
    for name in ["c", "a", "b?path=/x", "b", "*", "*.z"] {
        world.send(&format!("PUT /v1/frontends/{name}"), &[], ONE).await.expect(201);
    }

    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let page: admin::wire::FrontendList =
            serde_json::from_str(&world.get(&format!("/v1/frontends?limit=2{after}")).await.expect(200).body)
                .unwrap();
        assert!(page.frontends.len() <= 2 && page.revision == 6);
        names.extend(
            page.frontends
                .into_iter()
                .map(|view| format!("{}{}", view.frontend.host, view.frontend.path.unwrap_or_default())),
        );
        match page.next {
            Some(next) => after = format!("&after={}", next.replace('*', "%2A")),
            None => break,
        }
    }

    assert_eq!(names, ["*", "*.z", "a", "b", "b/x", "c"]);
    assert_eq!(world.get("/v1/frontends").await.json()["frontends"].as_array().unwrap().len(), 6);
    world.get("/v1/frontends?limit=x").await.expect(400);
    world.get("/v1/frontends?after=a:b").await.expect(400);
}

#[tokio::test]
async fn a_page_ends_early_where_frontends_are_large() {
    let world = World::with(|config| config.page_endpoints = 3).await;
    let two = r#"{"endpoints":["http://x","http://y"]}"#;
    for name in ["a", "b", "c"] {
        world.send(&format!("PUT /v1/frontends/{name}"), &[], two).await.expect(201);
    }

    let list = world.get("/v1/frontends").await.expect(200).json();
    assert_eq!((list["frontends"].as_array().unwrap().len(), &list["next"]), (2, &"b".into()));
    let rest = world.get("/v1/frontends?after=b").await.expect(200).json();
    assert_eq!((rest["frontends"].as_array().unwrap().len(), &rest["next"]), (1, &serde_json::Value::Null));
    let history = world.get("/v1/history").await.expect(200).json();
    assert_eq!((history["records"].as_array().unwrap().len(), &history["next"]), (2, &2.into()));
    let rest = world.get("/v1/history?before=2").await.expect(200).json();
    assert_eq!((rest["records"].as_array().unwrap().len(), &rest["next"]), (1, &serde_json::Value::Null));
}

#[tokio::test]
async fn a_reader_that_has_the_revision_gets_304() {
    let world = World::new().await;
    world.send("PUT /v1/frontends/a", &[], ONE).await.expect(201);

    let same = world.send("GET /v1/frontends/a", &["If-None-Match: \"1\""], "").await;
    let other = world.send("GET /v1/frontends/a", &["If-None-Match: \"2\""], "").await;

    assert_eq!((same.status, same.body.as_str(), same.field("etag")), (304, "", Some("\"1\"")));
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn added_endpoints_join_those_that_are_there() {
    let world = World::new().await;
    let add = async |body: &str, status| {
        world.send("POST /v1/frontends/a/endpoints", &[], body).await.expect(status).json()
    };

    let made = add(r#"{"endpoints":[{"url":"http://x","weight":2}],"balance":"random"}"#, 201).await;
    assert_eq!(
        made["frontend"],
        serde_json::json!({"host":"a","endpoints":[{"url":"http://x:80","weight":2}],"balance":"random"})
    );

    let same = add(r#"{"endpoints":["http://X:80/"]}"#, 200).await;
    assert_eq!((&same["changed"], &same["revision"]), (&false.into(), &1.into()));

    let more = add(r#"{"endpoints":["http://y",{"url":"http://x","weight":5}],"backend":"web"}"#, 200).await;
    assert_eq!(
        more["frontend"],
        serde_json::json!({"host":"a","backend":"web","balance":"random",
            "endpoints":[{"url":"http://x:80","weight":5},{"url":"http://y:80"}]})
    );
    assert_eq!((&more["changed"], &more["revision"]), (&true.into(), &2.into()));
    world
        .send("POST /v1/frontends/a/endpoints", &[], r#"{"endpoints":["http://z"],"timeout":{}}"#)
        .await
        .expect(400);
    let many: Vec<String> = (1..=1024).map(|port| format!("\"http://h:{port}\"")).collect();
    let body = format!("{{\"endpoints\":[{}]}}", many.join(","));
    world.send("POST /v1/frontends/a/endpoints", &[], &body).await.expect(400);
}

#[tokio::test]
async fn endpoints_added_at_the_same_time_are_all_there_in_the_end() {
    let world = World::new().await;
    let (world, all) = (std::sync::Arc::new(world), 1..=6);

    let adds = all.clone().map(|i| {
        let world = std::sync::Arc::clone(&world);
        tokio::spawn(async move {
            let body = format!(r#"{{"endpoints":["http://10.0.0.{i}:80"]}}"#);
            world.send("POST /v1/frontends/a/endpoints", &[], &body).await.status
        })
    });
    for add in adds.collect::<Vec<_>>() {
        assert!(matches!(add.await.unwrap(), 200 | 201));
    }

    let there = world.get("/v1/frontends/a").await.json();
    assert_eq!(there["frontend"]["endpoints"].as_array().unwrap().len(), all.count(), "{there}");
}
