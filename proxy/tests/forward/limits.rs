//! Limits with names: what happens to who runs into one, and that it is counted.

use std::time::Duration;

use proxy::config::Config;
use proxy::memory::Pressure;
use proxy::metrics::Limit;

use crate::stage::{GET, OK, OriginServer, Stage, eventually};

fn reached(stage: &Stage, limit: Limit) -> u64 {
    stage.proxy.totals().limits[limit as usize]
}

#[test]
fn a_connection_ends_with_the_last_request_it_may_have() {
    let (origin, stage) = Stage::before_origin(|config| config.client.requests_per_connection = Some(2));
    let mut client = stage.client();

    let mut call = origin.asked(&mut client, GET);
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

/// 10 kB in each half second, while a silence would be allowed for long.
fn paced(config: &mut Config) {
    config.client.min_rate = 20_000;
    config.client.min_rate_window = Duration::from_millis(500);
    config.client.idle_timeout = Duration::from_secs(60);
}

#[test]
fn a_client_that_sends_its_body_too_slowly_gets_408() {
    let (origin, stage) = Stage::before_origin(paced);
    let mut client = stage.client();

    let _call =
        origin.asked(&mut client, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\nx");
    // One octet after the other: it is never silent for long.
    while client.is_quiet_for(Duration::from_millis(20)) {
        client.say("x");
    }

    let answer = client.head();
    // Its first octet was taken by the look whether anything had come.
    assert!(answer.starts_with("TTP/1.1 408 "), "{answer}");
    assert_eq!(reached(&stage, Limit::ClientRate), 1);
    assert_eq!(stage.dead(), 0, "the endpoint is not to blame");
}

#[test]
fn a_client_that_takes_its_answer_too_slowly_is_cut_off() {
    let (origin, stage) = Stage::before_origin(paced);
    let mut client = stage.client();

    let mut call = origin.asked(&mut client, GET);
    let sending = std::thread::spawn(move || {
        call.say("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
        let octets = vec![b'x'; 1 << 20];
        // It ends with an error when the proxy has had enough.
        while std::io::Write::write_all(&mut call.stream, &octets).is_ok() {}
    });

    eventually("cut off", || reached(&stage, Limit::ClientRate) == 1);
    sending.join().unwrap();
    let (_, reset) = client.rest();
    assert!(reset, "a cut answer must not look whole");
}

#[test]
fn a_client_that_waits_for_a_slow_endpoint_is_not_slow() {
    let (origin, stage) = Stage::before_origin(paced);
    let mut client = stage.client();

    let mut call =
        origin.asked(&mut client, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi");
    call.take(2);
    assert!(client.is_quiet_for(Duration::from_millis(1_300)), "several windows");
    call.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
    client.head();
    assert_eq!(client.take(1), b"o");
    assert!(client.is_quiet_for(Duration::from_millis(1_300)), "several windows");
    call.say("k");

    assert_eq!(client.take(1), b"k");
    assert_eq!(reached(&stage, Limit::ClientRate), 0);
}

#[test]
fn an_endpoint_has_only_so_many_connections_and_who_waits_is_served_in_turn() {
    let (origin, stage) = Stage::before_origin(|config| {
        config.upstream.connections = Some(1);
        config.workers = 2;
    });
    let mut clients: Vec<_> = (0..6).map(|_| stage.client()).collect();
    let mut calls = Vec::new();
    for (waiting, client) in (0..).zip(&mut clients) {
        client.say(format!("GET /{waiting} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        if calls.is_empty() {
            // It began before it was the first to ask for a connection: who comes at another thread could be.
            calls.push(origin.call());
        }
        // One after the other, so that their order is known.
        eventually("it arrived", || {
            stage.proxy.totals().in_flight() == waiting + 1
                && reached(&stage, Limit::UpstreamConnections) == waiting
        });
    }

    for (turn, client) in clients.iter_mut().enumerate() {
        // The connection that served one may serve the next, if the same thread has it.
        let head = loop {
            if let Some(call) = origin.try_call() {
                calls.push(call);
            }
            let spoke = calls.iter_mut().position(|call| !call.is_quiet_for(Duration::from_millis(10)));
            if let Some(call) = spoke.and_then(|spoke| calls.get_mut(spoke)) {
                // Its first octet was taken by the look.
                let mut head = String::from("G");
                head.push_str(&call.head());
                call.say(OK);
                break head;
            }
        };
        assert!(head.ends_with("\r\n\r\n") && head.contains(&format!("/{turn} ")), "turn {turn}: {head}");
        client.expect("\r\n\r\nok");
    }
    assert_eq!(reached(&stage, Limit::UpstreamQueue) + reached(&stage, Limit::UpstreamQueueTimeout), 0);
}

#[test]
fn a_full_queue_is_503_and_so_is_a_wait_that_takes_too_long() {
    let (origin, mut stage) = Stage::before_origin(|config| {
        config.upstream.connections = Some(1);
        config.upstream.queue = 1;
        config.upstream.queue_timeout = Duration::from_millis(500);
    });
    let (mut first, mut second, mut third) = (stage.client(), stage.client(), stage.client());
    let mut call = origin.asked(&mut first, GET);
    second.say(GET);
    eventually("the second waits", || reached(&stage, Limit::UpstreamConnections) == 1);

    third.say(GET);

    assert!(third.head().starts_with("HTTP/1.1 503 "));
    assert_eq!(reached(&stage, Limit::UpstreamQueue), 1);
    let late = second.head();
    assert!(late.starts_with("HTTP/1.1 503 ") && late.to_lowercase().contains("retry-after: "), "{late}");
    assert_eq!(reached(&stage, Limit::UpstreamQueueTimeout), 1);
    call.answers(&mut first);
    first.say(GET);
    call.head();
    call.answers(&mut first);
    assert!(origin.is_left_alone() && stage.health.try_recv().is_err(), "nobody is blamed");
}

#[test]
fn an_endpoint_with_room_takes_what_a_full_one_cannot() {
    let (full, free) = (OriginServer::start(), OriginServer::start());
    let stage = Stage::with(&[full.address, free.address], |config| {
        config.upstream.connections = Some(1);
        config.upstream.queue = 0;
    });
    let mut clients = [stage.client(), stage.client()];
    let mut calls = Vec::new();
    for client in &mut clients {
        client.say(GET);
        let mut call = crate::stage::first_call(&full, &free);
        call.head();
        calls.push(call);
    }

    for (client, call) in clients.iter_mut().zip(&mut calls) {
        call.answers(client);
    }
}

#[test]
fn who_leaves_while_waiting_gives_its_place_in_the_queue_back() {
    let (origin, stage) = Stage::before_origin(|config| {
        config.upstream.connections = Some(1);
        config.upstream.queue = 1;
    });
    let (mut first, mut second, mut third) = (stage.client(), stage.client(), stage.client());
    let mut call = origin.asked(&mut first, GET);
    second.say(GET);
    eventually("the second waits", || reached(&stage, Limit::UpstreamConnections) == 1);

    drop(second);
    eventually("it is gone", || stage.proxy.totals().in_flight() == 1);
    third.say(GET);
    eventually("the third waits", || reached(&stage, Limit::UpstreamConnections) == 2);
    call.answers(&mut first);
    call.head();
    call.say(OK);

    third.expect("\r\n\r\nok");
    assert_eq!(reached(&stage, Limit::UpstreamQueue), 0);
}

#[test]
fn near_the_memory_limit_connections_end_then_none_is_let_in_and_who_is_in_flight_finishes() {
    let origin = OriginServer::start();
    let mut config = None;
    let stage = Stage::with(&[origin.address], |c| config = Some(c.clone()));
    let mut config = config.unwrap();
    let (mut busy, mut idle) = (stage.client(), stage.client());
    idle.say("GET / HTTP/1.1\r\nHost: __ping__\r\n\r\n");
    idle.expect("\r\n\r\nok");
    let mut call = origin.asked(&mut busy, GET);

    // A limit that is reached in any case.
    config.memory = Some(1);
    stage.proxy.reload(&config).unwrap();
    eventually("it is seen", || stage.proxy.memory().pressure == Pressure::Critical);

    assert_eq!(idle.rest(), (Vec::new(), false), "an unused connection ends");
    let refused = String::from_utf8(stage.client().rest().0).unwrap();
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(reached(&stage, Limit::Memory) >= 1);
    call.say(OK);
    let (finished, reset) = busy.rest();
    let finished = String::from_utf8(finished).unwrap();
    assert!(finished.contains("Connection: close") && finished.ends_with("ok") && !reset, "{finished}");

    config.memory = None;
    stage.proxy.reload(&config).unwrap();
    eventually("there is room again", || stage.proxy.memory().pressure == Pressure::None);
    let mut client = stage.client();
    let mut call = origin.asked(&mut client, GET);
    call.answers(&mut client);
}

#[test]
fn no_more_unused_connections_are_kept_than_may_be_of_all_addresses_together() {
    let origins: Vec<_> = (0..3).map(|_| OriginServer::start()).collect();
    let frontends =
        (0..).zip(&origins).map(|(i, o)| crate::stage::frontend(&format!("{i}.test"), &[o.address]));
    let stage = Stage::with_frontends(frontends.collect(), |config| config.upstream.idle_connections = 2);
    let mut client = stage.client();
    let mut ask = |number: usize| {
        client.say(format!("GET / HTTP/1.1\r\nHost: {number}.test\r\n\r\n"));
    };

    let mut calls = Vec::new();
    for (number, origin) in origins.iter().enumerate() {
        ask(number);
        let mut call = origin.call();
        call.head();
        call.say(OK);
        calls.push(call);
        eventually("answered", || stage.proxy.totals().in_flight() == 0);
    }

    assert!(calls[2].rest().0.is_empty(), "the third one is closed");
    assert_eq!(reached(&stage, Limit::UpstreamIdle), 1);
    for (number, call) in calls.iter_mut().enumerate().take(2) {
        ask(number);
        call.head();
        call.say(OK);
        eventually("answered", || stage.proxy.totals().in_flight() == 0);
    }
    assert_eq!(stage.proxy.totals().upstream_connects, 3);
}

#[test]
fn a_head_beyond_a_limit_is_counted_by_which_one() {
    let stage = Stage::with(&[], |config| {
        config.client.head_bytes = 1_000;
        config.client.headers = 4;
        config.client.head_timeout = Duration::from_millis(300);
    });
    for (request, status, limit) in [
        (format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(1_000)), "431", Limit::ClientHead),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "X: x\r\n".repeat(5)), "431", Limit::ClientHeaders),
        ("GET / HTTP/1.1\r\n".to_owned(), "408", Limit::ClientHeadTimeout),
    ] {
        let answer = stage.client().ask(&request);

        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{limit:?}: {answer}");
        assert_eq!(reached(&stage, limit), 1, "{limit:?}");
    }
    assert_eq!(stage.proxy.totals().limits.iter().sum::<u64>(), 3, "each by its name");
}

#[test]
fn who_is_silent_in_a_body_or_a_tunnel_for_too_long_is_counted() {
    let (origin, stage) = Stage::before_origin(|config| {
        config.client.idle_timeout = Duration::from_millis(300);
        config.client.tunnel_timeout = Duration::from_millis(300);
    });
    let (mut silent, mut tunnel) = (stage.client(), stage.client());

    silent.say("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nx");
    assert!(silent.head().starts_with("HTTP/1.1 408 "));
    assert_eq!(reached(&stage, Limit::ClientIdleTimeout), 1);

    drop(origin.call());
    let mut call = origin
        .asked(&mut tunnel, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    call.say("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    assert!(tunnel.head().starts_with("HTTP/1.1 101 "));
    tunnel.rest();
    assert_eq!(reached(&stage, Limit::TunnelTimeout), 1);
    assert_eq!(stage.proxy.totals().limits.iter().sum::<u64>(), 2, "each by its name");
}

#[test]
fn a_client_that_stops_reading_is_counted() {
    let (origin, stage) = Stage::before_origin(|config| {
        config.client.idle_timeout = Duration::from_millis(500);
    });
    let mut client = stage.client();

    let mut call = origin.asked(&mut client, GET);
    let sending = std::thread::spawn(move || {
        call.say("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
        // It ends with an error when the proxy has had enough.
        while std::io::Write::write_all(&mut call.stream, &[b'x'; 1 << 16]).is_ok() {}
    });

    eventually("cut off", || reached(&stage, Limit::ClientIdleTimeout) == 1);
    sending.join().unwrap();
    assert_eq!(reached(&stage, Limit::ClientRate), 0);
}

#[test]
fn a_request_of_which_too_much_is_left_ends_its_connection_and_is_counted() {
    let stage = Stage::with(&[], |config| config.client.drain_bytes = 10);
    let answer = stage.client().ask("POST / HTTP/1.1\r\nHost: nobody.test\r\nContent-Length: 11\r\n\r\n");

    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.to_lowercase().contains("connection: close"));
    assert_eq!(reached(&stage, Limit::ClientDrain), 1);
}

#[test]
fn who_waits_because_there_are_as_many_connections_as_may_be_is_counted_once() {
    let ping = "GET / HTTP/1.1\r\nHost: __ping__\r\n\r\n";
    let stage = Stage::with(&[], |config| config.client.connections = Some(1));
    let (mut first, mut second) = (stage.client(), stage.client());
    first.say(ping);
    first.expect("\r\n\r\nok");

    second.say(ping);
    eventually("it is full", || reached(&stage, Limit::Connections) == 1);
    assert!(second.is_quiet_for(Duration::from_millis(300)), "several looks");
    assert_eq!(reached(&stage, Limit::Connections), 1);

    drop(first);
    second.expect("\r\n\r\nok");
}

#[test]
fn an_answer_beyond_a_limit_is_counted_by_which_one() {
    let (origin, stage) = Stage::before_origin(|config| {
        config.upstream.head_bytes = 1_000;
        config.upstream.headers = 4;
        config.upstream.informational = 1;
    });
    for (answer, limit) in [
        (format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(1_000)), Limit::UpstreamHead),
        (format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: x\r\n".repeat(5)), Limit::UpstreamHeaders),
        ("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(2), Limit::UpstreamInformational),
    ] {
        let mut client = stage.client();
        let mut call = origin.asked(&mut client, GET);
        call.say(answer);

        client.expect("HTTP/1.1 502 ");
        assert_eq!(reached(&stage, limit), 1, "{limit:?}");
    }
    assert_eq!(stage.proxy.totals().limits.iter().sum::<u64>(), 3, "each by its name");
}
