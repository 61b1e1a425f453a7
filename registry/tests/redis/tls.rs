//! A Redis behind TLS, believed for the authorities that are set.

use std::path::Path;

use registry::{Config, Expected, Link, OpenError, RegistryUrl};

use crate::redis_tls;
use crate::server::{Server, free_port};
use crate::world::{BACK, Node, config, put};

const A1: &str = r#"{"host":"a.example","backend":"web","endpoints":["http://10.0.0.1"]}"#;

/// A server that speaks TLS beside its plain port; with its URL.
fn server(settings: &[&str]) -> (Server, String) {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let tls_port = port.to_string();
    let tls = redis_tls::settings(folder.path(), &tls_port);
    (Server::within(folder, &[&tls, settings].concat()), format!("rediss://127.0.0.1:{port}"))
}

fn trusting(server: &Server) -> Config {
    Config { ca_file: Some(server.folder().join("ca.pem")), ..config("n1") }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_behind_tls_is_followed_and_written_like_any_other() {
    let (server, url) = server(&[]);
    let node = Node::live_with(&url, trusting(&server)).await;
    assert_eq!(node.0.state().borrow().follows_by, "client tracking");

    let revision = node.publish(put(A1, Expected::Absent)).await.unwrap();
    assert_eq!(node.says("a.example"), format!("web:10.0.0.1:80@{revision}"));
    server.run("RPUSH frontend:a.example http://10.0.0.2");

    node.sees("a.example", "web:10.0.0.1:80,10.0.0.2:80").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_and_passwords_go_through_tls_too() {
    let user = ["--user", "portico", "on", ">s3cret", "~*", "&*", "+@all", "--user", "default", "off"];
    let (server, url) = server(&user);
    let url = url.replace("rediss://", "rediss://portico:s3cret@");
    let node = Node::live_with(&url, trusting(&server)).await;
    node.publish(put(A1, Expected::Absent)).await.unwrap();
    assert!(!node.0.state().borrow().url.contains("s3cret"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_an_authority_that_is_not_trusted_is_refused_and_said() {
    let (_server, url) = server(&[]);

    let node = Node::open(&url, config("n1")).await;

    let refused = |state: &registry::State| matches!(&state.link, Link::Lost { error } if error.contains("certificate"));
    node.state("refused", BACK, refused).await;
    assert!(!node.0.state().borrow().ready);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_authorities_that_cannot_be_used_is_named() {
    let missing = Config { ca_file: Some("/nonexistent/ca.pem".into()), ..config("n1") };
    let url = RegistryUrl::parse("rediss://127.0.0.1:1", Path::new("")).unwrap();

    let Err(OpenError::Store { reason, .. }) = registry::open(&url, missing).await else { panic!("opened") };

    assert!(reason.contains("/nonexistent/ca.pem") && reason.contains("registry.ca_file"), "{reason}");
}
