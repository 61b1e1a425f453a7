//! Services over the API: what an apply says of those that are launched.

use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn an_apply_names_what_it_launches_also_by_what_that_extends() {
    let world = World::new().await;
    let base = json!({"kind": "service", "name": "base", "image": "web:1", "active": false});
    world.send("POST /v1/apply", &[], &json!({"documents": [base]}).to_string()).await.expect(200);
    let derived = json!({"kind": "service", "name": "web", "extends": "base", "instances": 1});
    let plain = json!({"kind": "service", "name": "plain"});
    let other = json!({"kind": "service", "name": "other", "extends": "plain"});

    let all = json!({"documents": [derived, plain, other]}).to_string();
    let applied = world.send("POST /v1/apply", &[], &all).await.expect(200).json();
    let again = world.send("POST /v1/apply", &[], &all).await.expect(200).json();
    let gone = json!({"delete": true, "documents": [derived]}).to_string();
    let gone = world.send("POST /v1/apply", &[], &gone).await.expect(200).json();

    assert_eq!((&applied["made"], &applied["launched"]), (&3.into(), &json!(["web"])), "{applied}");
    assert_eq!((&again["unchanged"], &again["launched"]), (&3.into(), &json!(["web"])), "{again}");
    assert!(gone.get("launched").is_none(), "{gone}");
}
