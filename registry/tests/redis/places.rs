//! Passwords, databases, prefixes, pairs, and stores that may only be read.

use registry::{Expected, Link, PublishError, RegistryUrl};

use crate::server::{Server, run, text};
use crate::world::{BACK, Node, SEEN, config, put};

const A1: &str = r#"{"host":"a.example","backend":"web","endpoints":["http://10.0.0.1"]}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn password_database_and_prefix_are_honoured() {
    let server = Server::with(&["--requirepass", "s3cret/@x"]);
    let mut client = server.client_at(":s3cret%2F%40x@/3");
    let url = format!("redis://:s3cret%2F%40x@127.0.0.1:{}/3#shop:", server.port);
    let node = Node::live(&url).await;

    run(&mut client, "RPUSH shop:frontend:a.example web http://10.0.0.1");
    node.sees("a.example", "web:10.0.0.1:80").await;
    run(&mut client, "RPUSH frontend:b.example web http://10.0.0.1");
    run(&mut client, "SELECT 0");
    run(&mut client, "RPUSH shop:frontend:c.example web http://10.0.0.1");
    let revision = node.publish(put(A1, Expected::Present)).await.unwrap();

    assert_eq!(revision, 2);
    assert_eq!(node.now().len(), 1);
    run(&mut client, "SELECT 3");
    assert_eq!(text(&run(&mut client, "GET shop:portico:revision")), "2");
    assert!(!node.0.state().borrow().url.contains("s3cret"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_said_and_never_shown() {
    let server = Server::with(&["--requirepass", "right"]);
    let node = Node::open(&format!("redis://:wrong@127.0.0.1:{}", server.port), config("n1")).await;

    node.state(
        "lost",
        BACK,
        |state| matches!(&state.link, Link::Lost { error } if error.contains("WRONGPASS")),
    )
    .await;

    assert!(!format!("{:?}", node.0.state().borrow()).contains("wrong@"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_refused_by_name_does_not_become_the_default_user() {
    let user = [
        "--user", "portico", "on", ">right", "~*", "&*", "+@all", "--user", "free", "on", "nopass", "~*",
        "&*", "+@all",
    ];
    for settings in [vec![], vec!["--rename-command", "HELLO", ""]] {
        let server = Server::with(&[&user[..], &settings].concat());
        server.run("RPUSH frontend:a.example web http://10.0.0.1");
        let at = |login: &str| format!("redis://{login}@127.0.0.1:{}", server.port);
        for login in ["portico:wrong", "portico:", "nobody:right"] {
            let node = Node::open(&at(login), config("n1")).await;

            let place =
                format!("redis://{}:…@127.0.0.1:{} refuses", login.split(':').next().unwrap(), server.port);
            let refused = |state: &registry::State| matches!(&state.link, Link::Lost { error } if error.starts_with(&place));
            node.state(login, BACK, refused).await;
            assert!(!node.0.state().borrow().ready, "{login}");
            assert!(!format!("{:?}", node.0.state().borrow()).contains("wrong"), "{login}");
        }
        for login in ["portico:right", "free:"] {
            let node = Node::live(&at(login)).await;

            let clients = text(&server.run("CLIENT LIST"));
            let user = format!("user={} ", login.split(':').next().unwrap());
            assert!(clients.contains(&user), "{login}: {clients}");
            node.sees("a.example", "web:10.0.0.1:80").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_may_only_read_follows_with_local_revisions_and_is_told_so() {
    let reader =
        ["--user", "reader", "on", ">pw", "~*", "&*", "+@read", "+@connection", "+@pubsub", "+dbsize"];
    let server = Server::with(&reader);
    server.run("RPUSH frontend:a.example web http://10.0.0.1");
    let node = Node::live(&format!("redis://reader:pw@127.0.0.1:{}", server.port)).await;

    assert!(node.0.state().borrow().read_only);
    node.sees("a.example", "web:10.0.0.1:80").await;
    let before = node.revision();
    server.run("RPUSH frontend:a.example http://10.0.0.2");
    node.sees("a.example", "web:10.0.0.1:80,10.0.0.2:80").await;
    assert!(node.revision() > before);
    let refused = node.publish(put(A1, Expected::Any)).await.unwrap_err();
    assert!(matches!(refused, PublishError::ReadOnly(_)), "{refused}");
    assert_eq!(text(&server.run("EXISTS portico:revision")), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_followed_and_becomes_writable_when_it_is_promoted() {
    let primary = Server::with(&["--repl-diskless-sync-delay", "0"]);
    let replica = Server::with(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    primary.run("RPUSH frontend:a.example web http://10.0.0.1");
    let node = Node::live(&replica.url()).await;
    node.until("a.example", BACK, |snapshot| crate::world::says(snapshot, "a.example") != "-").await;
    assert!(node.0.state().borrow().read_only);

    replica.run("REPLICAOF NO ONE");

    node.state("writable", BACK, |state| !state.read_only).await;
    let revision = node.revision();
    assert!(node.publish(put(A1, Expected::Present)).await.unwrap() > revision);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_reads_from_one_and_writes_to_the_other() {
    let primary = Server::with(&["--repl-diskless-sync-delay", "0"]);
    let mut replica = Server::with(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    let url = RegistryUrl::parse_pair(&replica.url(), &primary.url()).unwrap();
    let node = Node(registry::open(&url, config("n1")).await.unwrap());
    node.state("live", BACK, |state| state.link == Link::Live && !state.read_only).await;

    let revision = node.publish(put(A1, Expected::Absent)).await.unwrap();
    assert_eq!(node.says("a.example"), format!("web:10.0.0.1:80@{revision}"));
    primary.run("RPUSH frontend:a.example http://10.0.0.2");
    node.until("the foreign change", BACK, |snapshot| {
        crate::world::says(snapshot, "a.example").starts_with("web:10.0.0.1:80,10.0.0.2:80@")
    })
    .await;
    assert_eq!(text(&primary.run("GET portico:revision")), (revision + 1).to_string());
    replica.kill();
    node.state("lost", SEEN, |state| matches!(state.link, Link::Lost { .. })).await;
}
