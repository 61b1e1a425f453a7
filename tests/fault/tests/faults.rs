//! Each fault does what it says, and no more.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use fault::{Door, Fault, FaultProxy, Way};

const PATIENCE: Duration = Duration::from_secs(10);
/// How long is looked at something that must not happen.
const QUIET: Duration = Duration::from_millis(100);

/// A proxy, and both ends of a connection through it.
struct Between {
    proxy: FaultProxy,
    target: TcpListener,
    peer: TcpStream,
    other: TcpStream,
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn connect(address: SocketAddr) -> TcpStream {
    patient(TcpStream::connect(address).unwrap())
}

fn accept(listener: &TcpListener) -> TcpStream {
    patient(listener.accept().unwrap().0)
}

fn between() -> Between {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = FaultProxy::start(target.local_addr().unwrap()).unwrap();
    let peer = connect(proxy.address());
    let other = accept(&target);
    Between { proxy, target, peer, other }
}

fn read(stream: &mut TcpStream, n: usize) -> Vec<u8> {
    let mut octets = vec![0; n];
    stream.read_exact(&mut octets).expect("so much comes in time");
    octets
}

/// All that comes, and whether it ended by a reset.
fn rest(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut octets = Vec::new();
    let reset = match stream.read_to_end(&mut octets) {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            true
        }
    };
    (octets, reset)
}

fn is_quiet(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(QUIET)).unwrap();
    let quiet = matches!(stream.read(&mut [0]), Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    quiet
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "waited for this: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn all_passes_both_ways_and_is_counted_until_told_otherwise() {
    let mut b = between();

    b.peer.write_all(b"hello").unwrap();
    assert_eq!(read(&mut b.other, 5), b"hello");
    let answer = vec![b'x'; 1 << 20];
    let (mut other, sent) = (b.other, answer.clone());
    let writer = std::thread::spawn(move || {
        other.write_all(&sent).unwrap();
        other.shutdown(Shutdown::Write).unwrap();
        other
    });

    assert_eq!(rest(&mut b.peer), (answer, false));
    let mut other = writer.join().unwrap();
    b.peer.write_all(b"more").unwrap();
    assert_eq!(read(&mut other, 4), b"more", "one way has ended, the other has not");
    drop(b.peer);
    assert_eq!(rest(&mut other), (vec![], false));
    eventually("it is over", || b.proxy.counts().open == 0);
    let counts = b.proxy.counts();
    assert_eq!((counts.accepted, counts.up, counts.down, counts.unreachable), (1, 9, 1 << 20, 0));
}

#[test]
fn a_cut_resets_both_sides_after_so_many_octets_of_one_way() {
    for (way, after) in [(Way::Up, 3), (Way::Down, 3), (Way::Down, 0)] {
        let mut b = between();
        b.proxy.set(way, Fault::Cut { after });

        let (from, to) = match way {
            Way::Up => (&mut b.peer, &mut b.other),
            Way::Down => (&mut b.other, &mut b.peer),
        };
        let refused = from.write_all(b"12345").is_err();

        let (octets, reset) = rest(to);
        assert_eq!((octets.as_slice(), reset), (&b"123"[..usize::try_from(after).unwrap()], true), "{way:?}");
        assert!(refused || rest(from).1, "an error is told once");
    }
}

#[test]
fn a_cut_at_once_is_for_those_that_are_in() {
    let mut b = between();

    b.proxy.cut();

    assert!(rest(&mut b.peer).1 && rest(&mut b.other).1);
    let mut later = connect(b.proxy.address());
    later.write_all(b"hello").unwrap();
    assert_eq!(read(&mut accept(&b.target), 5), b"hello");
}

#[test]
fn a_half_close_ends_one_way_alone() {
    let mut b = between();
    b.proxy.set(Way::Up, Fault::HalfClose { after: 2 });

    b.peer.write_all(b"12345").unwrap();

    assert_eq!(rest(&mut b.other), (b"12".to_vec(), false));
    b.other.write_all(b"answer").unwrap();
    assert_eq!(read(&mut b.peer, 6), b"answer");
}

#[test]
fn a_delay_keeps_each_piece_back_and_the_end_too() {
    let mut b = between();
    b.proxy.set(Way::Down, Fault::Delay(QUIET));

    let begin = Instant::now();
    b.other.write_all(b"late").unwrap();
    assert_eq!(read(&mut b.peer, 4), b"late");
    assert!(begin.elapsed() >= QUIET);
    let begin = Instant::now();
    drop(b.other);
    assert_eq!(rest(&mut b.peer), (vec![], false));

    assert!(begin.elapsed() >= QUIET);
}

#[test]
fn a_trickle_keeps_its_pace_and_ends_when_it_is_healed() {
    let mut b = between();
    b.proxy.set(Way::Up, Fault::Trickle { per_second: 50 });

    let begin = Instant::now();
    b.peer.write_all(&[b'x'; 5000]).unwrap();
    read(&mut b.other, 10);
    let took = begin.elapsed();
    b.proxy.heal();
    read(&mut b.other, 4990);

    assert!(took >= Duration::from_millis(180), "{took:?}");
    assert!(begin.elapsed() < PATIENCE);
}

#[test]
fn what_a_stall_kept_back_comes_and_what_was_swallowed_does_not() {
    let mut b = between();
    b.proxy.set(Way::Up, Fault::Stall);
    b.peer.write_all(b"kept ").unwrap();
    assert!(is_quiet(&mut b.other));
    b.proxy.heal();
    assert_eq!(read(&mut b.other, 5), b"kept ");

    b.proxy.set(Way::Up, Fault::Swallow);
    b.peer.write_all(b"lost").unwrap();
    assert!(is_quiet(&mut b.other));
    b.proxy.heal();
    b.peer.write_all(b"back").unwrap();

    assert_eq!(read(&mut b.other, 4), b"back");
}

#[test]
fn garbage_is_where_the_script_wants_it() {
    let mut b = between();
    b.proxy.set(Way::Up, Fault::Flip { every: 3 });
    b.peer.write_all(b"12").unwrap();
    assert_eq!(read(&mut b.other, 2), b"12");
    b.peer.write_all(b"3456").unwrap();
    assert_eq!(read(&mut b.other, 4), [!b'3', b'4', b'5', !b'6']);

    b.proxy.set(Way::Up, Fault::Insert { after: 2, octets: b"--".to_vec() });
    b.peer.write_all(b"1234").unwrap();
    assert_eq!(read(&mut b.other, 6), b"12--34");
    // A change of the other way does not bring it in again.
    b.proxy.set(Way::Down, Fault::None);
    b.peer.write_all(b"56").unwrap();

    assert_eq!(read(&mut b.other, 2), b"56");
}

#[test]
fn a_closed_door_refuses_and_opens_again_at_the_same_port() {
    let mut b = between();
    for _ in 0..3 {
        b.proxy.door(Door::Refuse);
        assert_eq!(TcpStream::connect(b.proxy.address()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        b.peer.write_all(b"still in").unwrap();
        assert_eq!(read(&mut b.other, 8), b"still in");

        b.proxy.door(Door::Open);
        connect(b.proxy.address()).write_all(b"in again").unwrap();
        assert_eq!(read(&mut accept(&b.target), 8), b"in again");
    }
}

#[test]
fn a_silent_door_lets_in_and_passes_on_later_and_another_one_resets() {
    let b = between();
    b.proxy.door(Door::Silent);
    let mut waits = connect(b.proxy.address());
    waits.write_all(b"anybody?").unwrap();
    assert!(is_quiet(&mut waits));
    b.target.set_nonblocking(true).unwrap();
    assert!(b.target.accept().is_err(), "the target knows nothing of it");
    b.target.set_nonblocking(false).unwrap();

    b.proxy.heal();
    assert_eq!(read(&mut accept(&b.target), 8), b"anybody?");
    b.proxy.door(Door::Reset);

    let mut turned_away = connect(b.proxy.address());
    assert!(rest(&mut turned_away).1);
}

#[test]
fn a_target_that_is_not_there_is_counted_and_another_one_is_gone_to() {
    let b = between();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    b.proxy.redirect(nobody);
    assert!(rest(&mut connect(b.proxy.address())).1);
    assert_eq!(b.proxy.counts().unreachable, 1);

    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    b.proxy.redirect(elsewhere.local_addr().unwrap());
    connect(b.proxy.address()).write_all(b"there").unwrap();

    assert_eq!(read(&mut accept(&elsewhere), 5), b"there");
}

#[test]
fn dropped_it_ends_all_that_it_began() {
    let mut b = between();
    let address = b.proxy.address();

    drop(b.proxy);

    rest(&mut b.peer);
    rest(&mut b.other);
    assert!(TcpStream::connect(address).is_err());
}
