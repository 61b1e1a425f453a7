//! Zones handed over, and changed, on real sockets.

use std::io::Write;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Change, DomainName, Origin, RecordType, Revision, Snapshot, Stated};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Served, ZONE, code, framed, next, question, until};
use crate::config::{Config, UPDATE_WAIT, UPDATES_AT_ONCE};
use crate::metrics::Limit;
use crate::transfer::{Allowed, Key, MayUpdate, Signer, UpdateRequest, now};

/// A zone of some megabytes, for whoever asks from here.
fn with_a_large_zone(change: impl FnOnce(&mut Config)) -> Served {
    let served = Served::start([127, 0, 0, 1], |config| {
        config.transfer_allow = vec![Allowed::parse("127.0.0.0/8").expect("addresses")];
        change(config);
    });
    let many: String = (0..20_000).map(|n| format!("n{n} 60 TXT {n}{}\n", "x".repeat(200))).collect();
    served.write(&format!("{ZONE}{many}"));
    assert!(served.dns.reload(&served.config).is_empty());
    until("the names are there", || served.dns.served().zones().zones().any(|zone| zone.len() > 20_000));
    served
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_behind_a_transfer_are_answered_while_it_goes_on() {
    let served = with_a_large_zone(|_| {});
    let mut stream = served.connect();
    stream.write_all(&framed(&question(1, "example", RecordType::AXFR))).expect("written");
    let first = next(&mut stream).expect("its first message");
    assert_eq!((code(&first), first[1]), (0, 1));

    stream.write_all(&framed(&question(2, "ns.example", RecordType::A))).expect("written");
    served.write(ZONE);
    assert!(served.dns.reload(&served.config).is_empty());
    until("the names are gone", || served.dns.served().zones().zones().all(|zone| zone.len() < 10));

    let (mut records, mut answered_at, mut messages) = (0, None, vec![first]);
    let count = |message: &[u8]| usize::from(u16::from_be_bytes([message[6], message[7]]));
    records += count(&messages[0]);
    while records < 2 + 3 + 20_000 {
        let message = next(&mut stream).expect("one more");
        if message[1] == 2 {
            answered_at = Some(messages.len());
        } else {
            records += count(&message);
        }
        messages.push(message);
    }
    assert_eq!(records, 2 + 3 + 20_000, "the zone as it was when it was asked for");
    assert!(answered_at.is_some_and(|at| at < messages.len() - 1), "{answered_at:?} of {}", messages.len());
    assert_eq!(served.dns.totals().transfers, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_have_a_limit_and_whoever_does_not_take_one_loses_it() {
    let served = with_a_large_zone(|config| {
        config.transfers = 1;
        config.tcp_message = Duration::from_millis(300);
    });
    let axfr = framed(&question(1, "example", RecordType::AXFR));
    let mut deaf = served.connect();
    deaf.write_all(&axfr).expect("written");
    until("it has begun", || served.dns.totals().transfers == 1);

    let mut second = served.connect();
    second.write_all(&axfr).expect("written");

    assert_eq!(code(&next(&mut second).expect("an answer")), 2);
    assert_eq!(served.limits(Limit::Transfers), 1);
    until("it is closed", || served.limits(Limit::Message) == 1);
    until("there is room again", || {
        let mut third = served.connect();
        third.write_all(&axfr).expect("written");
        next(&mut third).is_ok_and(|answer| code(&answer) == 0)
    });
}

/// A key file's text, and the key.
const KEY: &str = "key second { algorithm hmac-sha256; secret \"AAAAAAAAAAAAAAAAAAAAAA==\"; };";

/// An update of the derived zone that adds an address to `box`, signed.
fn signed_update(id: u16, last: u8) -> Vec<u8> {
    let head = [id, 5 << 11, 1, 0, 1, 0].map(u16::to_be_bytes).concat();
    let name = |text: &str| DomainName::parse(text).expect("a name").as_wire().to_vec();
    let zone = [name("svc.internal"), vec![0, 6, 0, 1]].concat();
    let record = [name("box.svc.internal"), vec![0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, last]].concat();
    let mut message = [head, zone, record].concat();
    let key = Arc::new(Key::new("second", "hmac-sha256", &[0; 16]).expect("a key"));
    Signer::of(&key).sign(&mut message, 0, now());
    message
}

/// DNS that takes updates, and what it wants written.
fn with_updates() -> (Arc<Served>, mpsc::Receiver<UpdateRequest>) {
    let (updates, wanted) = mpsc::channel(4);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("key"), KEY).expect("written");
    let served = Served::start_with([127, 0, 0, 1], Some(updates), |config| {
        config.key_file = Some(folder.path().join("key"));
        config.update_allow = vec![MayUpdate::parse("key:second").expect("somebody")];
    });
    (Arc::new(served), wanted)
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_behind_a_slow_registry_have_a_limit_and_what_it_wrote_is_said_to_be_written() {
    let (served, mut wanted) = with_updates();
    let ask = |message: Vec<u8>| {
        let served = Arc::clone(&served);
        async move { tokio::task::spawn_blocking(move || served.ask(Ipv4Addr::LOCALHOST, &message)).await }
    };
    let update = signed_update(7, 1);
    let first = tokio::spawn(ask(update.clone()));
    let UpdateRequest { answer, .. } = wanted.recv().await.expect("asked for");

    let start = Instant::now();
    let mut others = JoinSet::new();
    for id in 0..UPDATES_AT_ONCE {
        others.spawn(ask(signed_update(100 + u16::try_from(id).expect("few"), 2)));
    }
    let refused = others.join_next().await.expect("one").expect("no panic").expect("no panic");
    assert_eq!(code(&refused), 2, "there is no room for it");
    assert!(start.elapsed() < UPDATE_WAIT, "at once");
    // Written, and never served here.
    answer.send(Ok(Revision::new(9))).expect("waited for");

    let first = first.await.expect("no panic").expect("no panic");
    assert_eq!(code(&first), 0, "the registry has it");
    while let Some(other) = others.join_next().await {
        assert_eq!(code(&other.expect("no panic").expect("no panic")), 2, "its turn did not come");
    }
    let again = ask(update).await.expect("no panic");
    assert_eq!((code(&again), wanted.try_recv().is_err()), (0, true), "it is not made again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_comes_twice_is_made_once() {
    let (served, mut wanted) = with_updates();
    let ask = |message: Vec<u8>| {
        let served = Arc::clone(&served);
        tokio::task::spawn_blocking(move || served.ask(Ipv4Addr::LOCALHOST, &message))
    };
    let update = signed_update(7, 1);

    let first = ask(update.clone());
    let UpdateRequest { who, edits, answer, .. } = wanted.recv().await.expect("asked for");
    assert_eq!((who.as_str(), edits.len(), edits[0].expected), ("dns:second.@127.0.0.1", 1, None));
    let fact = edits[0].fact.clone().expect("put");
    let stated = Stated { fact: fact.into(), revision: Revision::new(9), origin: Origin::Native };
    let snapshot = Snapshot::empty().apply(Revision::new(9), [Change::Put(stated)]);
    served.snapshots.send_replace(Arc::new(snapshot));
    answer.send(Ok(Revision::new(9))).expect("waited for");
    let first = first.await.expect("no panic");
    let second = ask(update).await.expect("no panic");

    assert_eq!((code(&first), code(&second)), (0, 0), "the second one has the answer of the first");
    assert_eq!(first[2] >> 3 & 0xf, 5, "UPDATE");
    assert!(wanted.try_recv().is_err(), "and is not made");
    let third = ask(signed_update(8, 1)).await.expect("no panic");
    assert_eq!((code(&third), wanted.try_recv().is_err()), (0, true), "what is so already is no change");
    let fourth = ask(signed_update(9, 2));
    let UpdateRequest { edits, answer, .. } = wanted.recv().await.expect("asked for");
    assert_eq!(edits[0].expected, Some(Revision::new(9)));
    drop(answer);
    assert_eq!(code(&fourth.await.expect("no panic")), 2, "the registry is gone");
}
