//! Limits with names: what happens to who runs into one, and that it is counted.

use proxy::metrics::Limit;

use crate::stage::{GET, OK, OriginServer, Stage, eventually};

fn reached(stage: &Stage, limit: Limit) -> u64 {
    stage.proxy.totals().limits[limit as usize]
}

#[test]
fn a_connection_ends_with_the_last_request_it_may_have() {
    let origin = OriginServer::start();
    let stage = Stage::with(&[origin.address], |config| config.client.requests_per_connection = Some(2));
    let mut client = stage.client();

    client.say(GET);
    let mut call = origin.call();
    call.head();
    call.say(OK);
    let first = client.expect("\r\n\r\nok");
    client.say("GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n");
    let (second, reset) = client.rest();

    assert!(!first.contains("Connection: close"), "{first}");
    let second = String::from_utf8_lossy(&second).to_lowercase();
    assert!(
        second.starts_with("http/1.1 400 ") && second.contains("connection: close") && !reset,
        "{second}"
    );
    eventually("counted", || reached(&stage, Limit::RequestsPerConnection) == 1);
}

#[test]
fn an_address_has_only_so_many_connections_and_gets_another_when_one_ends() {
    let stage = Stage::with(&[], |config| {
        config.client.connections_per_address = Some(2);
        config.workers = 2;
    });
    let ping = "GET / HTTP/1.1\r\nHost: __ping__\r\n\r\n";
    let mut held: Vec<_> = (0..2).map(|_| stage.client()).collect();
    for client in &mut held {
        client.say(ping);
        client.expect("\r\n\r\nok");
    }

    let (refused, reset) = stage.client().rest();
    let refused = String::from_utf8_lossy(&refused).to_lowercase();
    assert!(refused.starts_with("http/1.1 503 ") && !reset, "{refused}");
    assert!(refused.contains("connection: close") && refused.contains("retry-after: "), "{refused}");
    assert_eq!(reached(&stage, Limit::ConnectionsPerAddress), 1);

    held.pop();
    eventually("there is room again", || {
        let mut client = stage.client();
        client.say("GET / HTTP/1.1\r\nHost: __ping__\r\nConnection: close\r\n\r\n");
        String::from_utf8_lossy(&client.rest().0).starts_with("HTTP/1.1 200 ")
    });
    held[0].say(ping);
    held[0].expect("\r\n\r\nok");
}

#[test]
fn trusted_peers_have_as_many_connections_as_they_want() {
    let stage = Stage::with(&[], |config| {
        config.client.connections_per_address = Some(1);
        config.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    });
    let mut held: Vec<_> = (0..3).map(|_| stage.client()).collect();
    for client in &mut held {
        client.say("GET / HTTP/1.1\r\nHost: __ping__\r\n\r\n");
        client.expect("\r\n\r\nok");
    }
}
