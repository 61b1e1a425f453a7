//! One bad fact is one bad fact.

use crate::server::{Server, run};
use crate::world::{Node, SEEN};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_facts_are_set_aside_with_reason_and_remedy_and_all_others_serve() {
    let server = Server::start();
    let mut client = server.client();
    let node = Node::live(&server.url()).await;
    run(&mut client, "RPUSH frontend:good.example web http://10.0.0.1");
    run(&mut client, "HSET frontend:hash.example a b");
    run(&mut client, "SET frontend:string.example x");
    run(&mut client, "SET portico:frontend:json.example {");
    run(&mut client, "RPUSH portico:frontend:list.example x");
    run(&mut client, "RPUSH frontend:two..dots web http://10.0.0.1");
    redis::cmd("RPUSH").arg(b"frontend:\xff\xfe\r\n").arg("web").exec(&mut client).unwrap();
    redis::cmd("RPUSH").arg("frontend:noname.example").arg(b"\x00\xff").exec(&mut client).unwrap();
    let many: Vec<String> = (0..1025).map(|i| format!("http://10.0.{}.{}", i / 250, i % 250)).collect();
    redis::cmd("RPUSH").arg("frontend:many.example").arg("web").arg(&many).exec(&mut client).unwrap();
    let huge = "x".repeat(300 * 1024);
    redis::cmd("RPUSH").arg("frontend:huge.example").arg("web").arg(&huge).exec(&mut client).unwrap();
    let vast = "x".repeat(20 * 1024 * 1024);
    redis::cmd("RPUSH").arg("frontend:vast.example").arg("web").arg(&vast).exec(&mut client).unwrap();
    redis::cmd("SET").arg("portico:frontend:vast2.example").arg(&vast).exec(&mut client).unwrap();

    let snapshot = node.until("all set aside", SEEN * 4, |snapshot| snapshot.quarantine().len() == 11).await;

    let said: Vec<String> =
        snapshot.quarantine().map(|(key, why)| format!("{key}: {} | {}", why.reason, why.remedy)).collect();
    let check = |key: &str, parts: &[&str]| {
        let line = said.iter().find(|line| line.starts_with(&format!("{key}: ")));
        let line = line.unwrap_or_else(|| panic!("{key} is not among {said:#?}"));
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    };
    check("frontend:hash.example", &["holds a hash, not a list", "DEL frontend:hash.example"]);
    check("frontend:string.example", &["holds a string"]);
    check("portico:frontend:json.example", &["EOF"]);
    check("portico:frontend:list.example", &["holds a list, not a string"]);
    check("frontend:two..dots", &["empty label", "RENAME"]);
    check("frontend:\\xff\\xfe\\x0d\\x0a", &["not text"]);
    check("frontend:noname.example", &["not an identifier", "LSET"]);
    check("frontend:many.example", &["1025 endpoints, more than 1024"]);
    check("frontend:huge.example", &["307203 octets, more than 262144"]);
    check("frontend:vast.example", &["more than 1048576 octets"]);
    check("portico:frontend:vast2.example", &["more than 1048576 octets"]);
    assert_eq!(snapshot.len(), 1);
    assert_eq!(node.says("good.example").split('@').next(), Some("web:10.0.0.1:80"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_url_among_good_ones_is_rejected_alone() {
    let server = Server::start();
    let node = Node::live(&server.url()).await;

    server.run(
        "RPUSH frontend:a.example web http://10.0.0.1 ftp://10.0.0.2 http://10.0.0.3:99999 http://10.0.0.4/x",
    );

    node.sees("a.example", "web:10.0.0.1:80,10.0.0.4:80").await;
    let snapshot = node.now();
    let (frontend, _) = snapshot.frontends().next().unwrap();
    let rejected: Vec<&str> = frontend.backend.rejected.iter().map(|rejected| &*rejected.text).collect();
    assert_eq!(rejected, ["ftp://10.0.0.2", "http://10.0.0.3:99999"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_mended_serves_again() {
    let server = Server::start();
    let node = Node::live(&server.url()).await;
    server.run("SADD frontend:a.example x");
    node.until("set aside", SEEN, |snapshot| snapshot.quarantine().len() == 1).await;

    server.run("DEL frontend:a.example");
    server.run("RPUSH frontend:a.example web http://10.0.0.1");

    node.sees("a.example", "web:10.0.0.1:80").await;
    assert_eq!(node.now().quarantine().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_list_and_a_json_for_one_frontend_the_json_wins_and_the_list_is_named() {
    let server = Server::start();
    let node = Node::live(&server.url()).await;
    server.run("RPUSH frontend:a.example web http://10.0.0.1");
    node.sees("a.example", "web:10.0.0.1:80").await;

    server.run("SET portico:frontend:a.example '{'host':'a.example','endpoints':['http://10.0.0.2']}'");

    node.sees("a.example", "a.example:10.0.0.2:80").await;
    let snapshot = node.now();
    let (raw, why) = snapshot.quarantine().next().unwrap();
    assert_eq!(raw, "frontend:a.example");
    assert!(why.reason.contains("`portico:frontend:a.example` states the same frontend"), "{why:?}");
    server.run("DEL portico:frontend:a.example");
    node.sees("a.example", "web:10.0.0.1:80").await;
}
