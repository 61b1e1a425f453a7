//! Guards and leases among nodes: what another wrote, and this one has not heard of yet, counts.

use model::{Fact, FactKey, FactKind, Revision};
use registry::format::native;
use registry::{Edit, Expected, Guard, PublishError, Write};

use crate::server::Server;
use crate::world::{Node, SEEN, config, key, put};

const ROUNDS: usize = 40;

fn lease() -> Edit {
    let json = br#"{"service":"web","name":"web-1","addresses":["10.0.0.7"],"ttl":60}"#;
    let fact: Fact = native::read_fact(FactKind::Instance, json).unwrap();
    Edit { key: fact.key(), fact: Some(fact), expected: Expected::Any }
}

fn guarded(key: FactKey, at: u64) -> Write {
    let plain = put(r#"{"host":"a.example","endpoints":["http://10.0.0.1"]}"#, Expected::Any);
    let guards = vec![Guard { key, expected: Expected::At(Revision::new(at)) }];
    Write { who: "test".to_owned(), edits: vec![plain], guards }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_former_holder_writes_and_renews_nothing_before_it_heard_that_another_holds_the_lease() {
    let server = Server::start();
    let (former, next) =
        (Node::live(&server.url()).await, Node::live_with(&server.url(), config("n2")).await);
    let holder = lease().key;

    for _ in 0..ROUNDS {
        // given
        let held = former.publish(lease()).await.unwrap();
        assert!(former.0.renew(holder.clone(), Some(Revision::new(held))).await.unwrap());

        // when: in the same words, as a process does that was started again in its place
        let taken = next.publish(lease()).await.unwrap();

        // then
        assert!(!former.0.renew(holder.clone(), Some(Revision::new(held))).await.unwrap());
        let held = former.publish(lease()).await.unwrap();
        let taken = next.publish(lease()).await.unwrap().max(taken);
        match former.0.publish(guarded(holder.clone(), held)).await {
            Err(PublishError::Conflict { actual, .. }) => assert_eq!(actual, Some(Revision::new(taken))),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(former.says("a.example"), "-");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_at_a_revision_is_refused_when_another_said_the_same_anew() {
    let server = Server::start();
    let (one, other) = (Node::live(&server.url()).await, Node::live_with(&server.url(), config("n2")).await);
    let plain = r#"{"host":"a.example","endpoints":["http://10.0.0.1"]}"#;

    for _ in 0..ROUNDS {
        // given
        let known = one.publish(put(plain, Expected::Any)).await.unwrap();
        // when
        let anew = other.publish(put(plain, Expected::Any)).await.unwrap();
        let refused = one.publish(put(plain, Expected::At(Revision::new(known)))).await;
        // then
        match refused {
            Err(PublishError::Conflict { actual, .. }) => assert_eq!(actual, Some(Revision::new(anew))),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_sees_what_a_foreign_writer_did_to_hipaches_list() {
    // given
    let server = Server::start();
    server.run("RPUSH frontend:b.example web http://10.0.0.2");
    let node = Node::live(&server.url()).await;
    let stated = node.until("listed", SEEN, |now| now.get(&key("b.example")).is_some()).await;
    let revision = stated.get(&key("b.example")).unwrap().revision.number();
    node.0.publish(guarded(key("b.example"), revision)).await.unwrap();

    // when
    server.run("RPUSH frontend:b.example http://10.0.0.3");
    let refused = node.0.publish(guarded(key("b.example"), revision)).await;

    // then
    let Err(PublishError::Conflict { actual: Some(actual), .. }) = refused else { panic!("{refused:?}") };
    assert!(actual.number() > revision);
    node.0.publish(guarded(key("b.example"), actual.number())).await.unwrap();
}
