//! A name server that says what it is told, over UDP, in a thread of the test.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// What it says of a name.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    /// These addresses, for so many seconds.
    At(Vec<Ipv4Addr>, u32),
    /// This name instead, for so many seconds, and the address of that one, for so many.
    Alias(&'static str, u32, Ipv4Addr, u32),
    /// There is no such name.
    NoName,
    /// There is, and it has no address.
    NoAddress,
    /// It cannot say (SERVFAIL).
    Failure,
    /// Nothing at all.
    Silence,
}

#[derive(Default)]
struct Told {
    names: HashMap<String, Says>,
    /// Questions for an IPv4 address, by name.
    asked: HashMap<String, usize>,
}

/// A name server; ended when dropped.
pub(crate) struct NameServer {
    address: SocketAddr,
    told: Arc<Mutex<Told>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    /// One that knows no name.
    pub(crate) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let (told, ended) = (Arc::<Mutex<Told>>::default(), Arc::<AtomicBool>::default());
        let (mine, end) = (Arc::clone(&told), Arc::clone(&ended));
        let thread = thread::spawn(move || {
            let mut octets = [0; 1500];
            while let Ok((length, peer)) = socket.recv_from(&mut octets) {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                if let Some(answer) = answer(&octets[..length], &mut mine.lock().unwrap()) {
                    let _ = socket.send_to(&answer, peer);
                }
            }
        });
        Self { address, told, ended, thread: Some(thread) }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it says this of that name.
    pub(crate) fn now(&self, name: &str, says: Says) {
        self.told.lock().unwrap().names.insert(name.to_owned(), says);
    }

    /// From now on that name is there, for so many seconds each time.
    pub(crate) fn at(&self, name: &str, address: &str, ttl: u32) {
        self.now(name, Says::At(vec![address.parse().unwrap()], ttl));
    }

    /// How often it was asked for an IPv4 address of that name.
    pub(crate) fn asked(&self, name: &str) -> usize {
        self.told.lock().unwrap().asked.get(name).copied().unwrap_or(0)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread, so that it sees the end.
        if let Ok(socket) = UdpSocket::bind("127.0.0.1:0") {
            let _ = socket.send_to(b"end", self.address);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The answer to a question (RFC 1035 §4.1); `None`: none is sent.
fn answer(question: &[u8], told: &mut Told) -> Option<Vec<u8>> {
    let (mut name, mut at) = (String::new(), 12);
    while let length @ 1.. = usize::from(*question.get(at)?) {
        name.push_str(std::str::from_utf8(question.get(at + 1..at + 1 + length)?).ok()?);
        name.push('.');
        at += 1 + length;
    }
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let asked = question.get(at + 1..at + 5)?;
    let for_address = asked == [0, 1, 0, 1];
    *told.asked.entry(name.clone()).or_default() += usize::from(for_address);
    let (mut code, mut records) = (0, Vec::new());
    match told.names.get(&name).unwrap_or(&Says::NoName) {
        Says::At(addresses, ttl) if for_address => {
            records.extend(addresses.iter().map(|ip| record(&[0xc0, 12], 1, *ttl, &ip.octets())));
        }
        Says::Alias(other, ttl, ip, ttl_of_other) => {
            let spelled = spelled(other);
            records.push(record(&[0xc0, 12], 5, *ttl, &spelled));
            if for_address {
                records.push(record(&spelled, 1, *ttl_of_other, &ip.octets()));
            }
        }
        Says::At(..) | Says::NoAddress => {}
        Says::NoName => code = 3,
        Says::Failure => code = 2,
        Says::Silence => return None,
    }
    let mut answer = question.get(..2)?.to_vec();
    answer.extend([0x81, 0x80 | code, 0, 1, 0, u8::try_from(records.len()).ok()?, 0, 0, 0, 0]);
    answer.extend(question.get(12..at + 5)?);
    answer.extend(records.concat());
    Some(answer)
}

fn record(name: &[u8], kind: u8, ttl: u32, data: &[u8]) -> Vec<u8> {
    let length = u8::try_from(data.len()).unwrap();
    [name, &[0, kind, 0, 1], &ttl.to_be_bytes(), &[0, length], data].concat()
}

fn spelled(name: &str) -> Vec<u8> {
    let mut spelled = Vec::new();
    for label in name.split('.') {
        spelled.push(u8::try_from(label.len()).unwrap());
        spelled.extend(label.as_bytes());
    }
    spelled.push(0);
    spelled
}
