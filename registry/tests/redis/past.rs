//! What foreign writers leave of the past, and what is imported from a Redis that others keep.

use model::Revision;
use registry::import::{Layout, read_redis};
use registry::{Expected, Was};

use crate::server::Server;
use crate::world::{Node, put};

#[tokio::test]
async fn what_a_foreign_writer_did_while_nobody_looked_is_unknown_and_what_was_seen_is_not() {
    let server = Server::start();
    server.run("RPUSH frontend:old.example.com x http://10.0.0.1:80");
    let node = Node::live(&server.url()).await;
    server.run("RPUSH frontend:new.example.com x http://10.0.0.1:80");
    node.sees("new.example.com", "x:10.0.0.1:80").await;
    server.run("RPUSH frontend:new.example.com http://10.0.0.2:80");
    node.sees("new.example.com", "x:10.0.0.1:80,10.0.0.2:80").await;

    let touched = node.0.touched(Revision::ZERO, Revision::new(node.revision())).await.unwrap();

    let told: Vec<_> = touched.iter().map(|t| (t.key.to_string(), t.before.clone())).collect();
    let expected = [
        ("frontend:new.example.com".to_owned(), Was::Known(None)),
        ("frontend:old.example.com".to_owned(), Was::Unknown),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn lists_json_and_what_no_frontend_can_say_are_imported_and_named() {
    let server = Server::start();
    for command in [
        "RPUSH p:frontend:www.example.com web http://10.0.0.1:80/x http://10.0.0.1 ftp://a",
        "RPUSH p:frontend:www.example.com:8080 web http://10.0.0.2",
        "SET p:frontend:string.example.com x",
        "HSET p:healthcheck:www.example.com path /up",
        "HSET p:tls:www.example.com certificate PEM",
        "SADD p:dead:www.example.com 0",
        "SET p:other x",
        "RPUSH frontend:elsewhere.example.com x http://10.0.0.3",
    ] {
        server.run(command);
    }
    let node = Node::live(&format!("{}#q:", server.url())).await;
    let json = r#"{"host":"json.example.com","endpoints":["http://10.0.0.4:80"],"balance":"random"}"#;
    node.publish(put(json, Expected::Absent)).await.unwrap();

    let lists = read_redis(&format!("{}#p:", server.url()), Layout::Hipache).await.unwrap();
    let natives = read_redis(&format!("{}#q:", server.url()), Layout::Hipache).await.unwrap();

    let frontend = |n: usize| lists.facts[n].as_frontend().unwrap();
    assert_eq!((lists.facts.len(), frontend(0).host.to_string().as_str()), (2, "www.example.com"));
    assert_eq!(frontend(1).host.to_string(), "www.example.com:8080");
    assert_eq!(frontend(0).backend.endpoints[0].weight.get(), 2, "a URL that is listed twice counts twice");
    assert_eq!(natives.facts[0].as_frontend().unwrap().host.to_string(), "json.example.com");
    let refused: Vec<_> = lists.refused.iter().map(|r| (r.place.as_str(), r.reason.as_str())).collect();
    for (part, reason) in [("`ftp://a`", "ftp"), ("string.example.com", "string")] {
        assert!(refused.iter().any(|r| r.0.contains(part) && r.1.contains(reason)), "{part}: {refused:?}");
    }
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(frontend(0).policy.check.is_some() && frontend(1).policy.check.is_none());
    assert_eq!(lists.ignored.len(), 1, "{:?}", lists.ignored);
    assert_eq!(lists.ignored[0].place, "p:tls:www.example.com");
}

#[tokio::test]
async fn traefiks_keys_are_read_from_a_redis() {
    let server = Server::start();
    for (key, value) in [
        ("routers/web/rule", "Host(`www.example.com`)&&PathPrefix(`/api`)"),
        ("routers/web/service", "web"),
        ("services/web/loadBalancer/servers/0/url", "http://10.0.0.1:8000"),
    ] {
        server.run(&format!("SET traefik/http/{key} {value}"));
    }

    let gathered = read_redis(&server.url(), Layout::Traefik).await.unwrap();

    assert_eq!(gathered.facts.len(), 1, "{gathered:?}");
    assert_eq!(gathered.facts[0].key().to_string(), "frontend:www.example.com/api");
    assert!(read_redis("redis://127.0.0.1:1", Layout::Traefik).await.is_err());
    assert!(
        read_redis("embedded:x", Layout::Traefik).await.unwrap_err().to_string().contains("only a Redis")
    );
}
