//! Waiting for a revision: what it answers, what it costs others, how long it may take.

use std::time::{Duration, Instant};

use admin::wire::{Others, Reached, Status};

use crate::world::World;

fn reached(body: &str) -> Reached {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[tokio::test]
async fn a_revision_that_is_served_is_not_waited_for_and_one_that_is_not_names_who_does_not() {
    let (world, _) = World::with_proxy().await;
    world.send("PUT /v1/frontends/a.example", &[], r#"{"endpoints":[]}"#).await.expect(201);

    let present = reached(&world.get("/v1/wait").await.expect(200).body);
    let later = world.get("/v1/wait?revision=2&proxy&timeout=50ms").await;
    let dns = world.get("/v1/wait?revision=1&dns&timeout=0s").await;

    assert_eq!((present.revision, present.served, present.doors), (1, true, 1));
    assert_eq!((present.others, present.laggards.len(), present.lost.len()), (Others::None, 0, 0));
    assert_eq!((later.status, dns.status), (504, 504));
    let (later, dns) = (reached(&later.body), reached(&dns.body));
    let named: Vec<_> = later.laggards.iter().map(|l| (&*l.door, l.serving)).collect();
    assert_eq!((named, later.timeout_ms), (vec![("proxy", 1)], 50));
    assert!(later.waited_ms >= 50, "{later:?}");
    assert_eq!((dns.served, dns.doors, dns.laggards.len()), (false, 0, 0), "there is no such door");
}

#[tokio::test]
async fn a_wait_ends_when_the_revision_comes_and_before_its_request_must() {
    let (world, _) = World::with_proxy().await;

    let waiting = async {
        let begin = Instant::now();
        (reached(&world.get("/v1/wait?revision=1&timeout=9s").await.expect(200).body), begin.elapsed())
    };
    let writing = world.send("PUT /v1/frontends/a.example", &[], r#"{"endpoints":[]}"#);
    let ((came, took), _) = tokio::join!(waiting, writing);
    let long = reached(&world.get("/v1/wait?revision=1&timeout=10m").await.expect(200).body);

    assert!(came.served && took < Duration::from_secs(9), "{took:?}: {came:?}");
    // However late it began.
    assert!(long.timeout_ms <= 9_750, "what a request may take, less a reserve: {long:?}");
}

#[tokio::test]
async fn a_write_waits_in_one_call_and_its_answer_is_what_it_was() {
    let (world, proxy) = World::with_proxy().await;
    let body = r#"{"endpoints":[]}"#;

    let put = world.send("PUT /v1/frontends/a.example?path=/x&wait=5s", &[], body).await.expect(201);
    assert_eq!(world.request(proxy, "a.example", "/x").await.status, 502, "it is routed");
    let post = world
        .send("POST /v1/apply?wait", &[], r#"{"documents":[{"kind":"service","name":"web"}]}"#)
        .await
        .expect(200);
    let dry = r#"{"documents":[{"kind":"service","name":"api"}],"dry_run":true}"#;
    let dry = world.send("POST /v1/apply?wait=5s", &[], dry).await.expect(200);
    let gone = world.send("DELETE /v1/frontends/a.example?wait=5s&path=/x", &[], "").await.expect(200);
    let missing = world.send("DELETE /v1/services/no?wait=5s", &[], "").await.expect(404);
    let wrong = world.send("PUT /v1/frontends/b.example?wait=soon", &[], body).await.expect(400);

    for (reply, revision) in [(&put, 1), (&post, 2), (&gone, 3)] {
        let json = reply.json();
        assert_eq!((&json["revision"], &json["wait"]["revision"]), (&revision.into(), &revision.into()));
        assert_eq!(json["wait"]["served"], true, "{json}");
    }
    assert_eq!((put.field("etag"), &put.json()["changed"]), (Some("\"1\""), &true.into()));
    assert!(dry.json().get("wait").is_none(), "nothing was written: {}", dry.body);
    assert!(missing.json().get("wait").is_none());
    assert!(wrong.body.contains("`soon` is no time"), "{}", wrong.body);
    assert_eq!(world.get("/v1/frontends/b.example").await.status, 404, "and nothing was written");
}

#[tokio::test]
async fn waits_take_no_place_of_requests_and_have_a_limit_of_their_own() {
    let world = World::with(|config| (config.requests, config.waits) = (1, 2)).await;
    // Whoever asks whether there is a place has one meanwhile.
    let wait = || async {
        loop {
            let reply = world.get("/v1/wait?revision=9&timeout=5s").await;
            if reply.status != 503 {
                return reply;
            }
        }
    };
    let write_and_wait = || async {
        loop {
            let reply = world.send("PUT /v1/services/web?wait=5s", &[], "{}").await;
            if reply.status != 503 {
                return reply;
            }
        }
    };

    // The second one waits behind its write: nobody serves it, as there is no door.
    let ((first, second), refused) = tokio::join!(async { tokio::join!(wait(), write_and_wait()) }, async {
        let begin = Instant::now();
        // Both wait by the time that a third one finds no place.
        while world.get("/v1/wait?revision=9&timeout=1ms").await.status != 503 {
            assert!(begin.elapsed() < Duration::from_secs(5), "there is always a place");
        }
        let status = world.get("/v1/status").await.expect(200);
        let status: Status = serde_json::from_str(&status.body).unwrap();
        assert_eq!(status.registry.revision, 1, "the write itself is done");
        let refused = world.send("PUT /v1/services/api?wait=1s", &[], "{}").await.expect(503);
        assert!(begin.elapsed() < Duration::from_secs(5), "requests are answered meanwhile");
        refused
    });

    assert_eq!(first.status, 504, "{first:?}");
    assert_eq!(second.status, 201, "what was written and is not served was written: {second:?}");
    assert_eq!(second.json()["wait"]["served"], false);
    assert!(refused.body.contains("nothing was written"), "{}", refused.body);
    assert_eq!(world.get("/v1/services/api").await.status, 404);
}
