//! Tells other servers that a zone of theirs has changed (RFC 1996): one task for each of them.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use model::{DomainName, RecordType};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::Shared;
use crate::config::{NOTIFY_ANSWER, UDP_MESSAGE};
use crate::respond::UDP;
use crate::transfer::{Key, Schedule, Secondary, Signer, now, patience};
use crate::wire::{HEAD, Head, IN, Section, Writer, flags, opcode};
use crate::zone::Zone;

/// NOTIFY (RFC 1996 §3.1).
const NOTIFY: u16 = 4;

/// Tells one secondary of changes, until all ends.
pub(crate) async fn tell(
    secondary: Secondary,
    shared: Arc<Shared>,
    mut swaps: watch::Receiver<()>,
    mut ended: watch::Receiver<bool>,
) {
    let key = secondary.key.as_ref().and_then(|key| shared.access.keys().get(key)).cloned();
    let mut teller = Teller { secondary, key, shared, schedule: Schedule::default(), is_silent: false };
    tokio::select! {
        () = teller.run(&mut swaps) => {}
        _ = ended.wait_for(|ended| *ended) => {}
    }
}

struct Teller {
    secondary: Secondary,
    key: Option<Arc<Key>>,
    shared: Arc<Shared>,
    schedule: Schedule,
    /// Whether it was said that it does not answer.
    is_silent: bool,
}

/// What a secondary said.
#[derive(Debug)]
enum Said {
    /// This code, and it is its own word where a key was to sign it.
    Code(u16),
    /// Nothing that can be believed.
    Nothing(String),
}

impl Teller {
    async fn run(&mut self, swaps: &mut watch::Receiver<()>) {
        loop {
            swaps.borrow_and_update();
            self.follow();
            while let Some((apex, serial)) = self.schedule.due(Instant::now()) {
                let (apex, serial) = (apex.clone(), serial);
                self.tell_of(&apex, serial).await;
                self.follow();
            }
            let next = self.schedule.next();
            let wait = async {
                match next {
                    Some(next) => sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = swaps.changed() => if changed.is_err() {
                    return;
                },
                () = wait => {}
            }
        }
    }

    fn follow(&mut self) {
        let served = self.shared.served.load();
        let its = served.zones().zones().filter(|zone| self.secondary.has(zone.apex()));
        self.schedule.follow(its.map(|zone| (zone.apex().clone(), zone.serial())), Instant::now());
    }

    async fn tell_of(&mut self, apex: &DomainName, serial: u32) {
        let Some(zone) = self.shared.served.load().zones().at(apex).map(Arc::clone) else { return };
        let said = match self.ask(&zone).await {
            Ok(said) => said,
            Err(error) => Said::Nothing(error.to_string()),
        };
        let at = self.secondary.address;
        match said {
            Said::Code(code) => {
                self.schedule.answered(apex, serial, Instant::now());
                if code != 0 {
                    tracing::warn!(zone = %apex, %at, code, "a secondary does not want to be told of changes (dns.notify)");
                } else if self.is_silent {
                    tracing::info!(%at, "a secondary answers again");
                }
                self.is_silent = false;
            }
            Said::Nothing(why) => {
                if self.schedule.unanswered(apex, serial, Instant::now()) && !self.is_silent {
                    let tried = patience();
                    tracing::warn!(zone = %apex, %at, serial, ?tried, %why, "a secondary does not answer; it looks by itself (dns.notify)");
                    self.is_silent = true;
                }
            }
        }
    }

    /// Tells it once, and waits for its answer.
    async fn ask(&self, zone: &Zone) -> io::Result<Said> {
        let from: SocketAddr = match self.secondary.address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(from).await?;
        socket.connect(self.secondary.address).await?;
        let id = fastrand::u16(..);
        let (mut message, mut signer) = (message(zone, id), self.key.as_ref().map(Signer::of));
        if let Some(signer) = &mut signer {
            signer.sign(&mut message, 0, now());
        }
        socket.send(&message).await?;
        let mut why = "nothing came".to_owned();
        let listen = async {
            let mut octets = vec![0; UDP_MESSAGE];
            loop {
                let length = socket.recv(&mut octets).await?;
                let answer = &octets[..length];
                let Some(code) = code(answer, id) else { continue };
                if signer.as_ref().is_none_or(|signer| signer.verify(answer, now())) {
                    return Ok(Said::Code(code));
                }
                why = format!("its answer, with code {code}, is not signed as it should be");
            }
        };
        match timeout(NOTIFY_ANSWER, listen).await {
            Ok(said) => said,
            Err(_) => Ok(Said::Nothing(why)),
        }
    }
}

/// That a zone has changed, with the SOA it has now (RFC 1996 §3.7).
fn message(zone: &Zone, id: u16) -> Vec<u8> {
    let (mut out, flags) = (Vec::new(), NOTIFY << 11 | flags::AA);
    let asked = [RecordType::SOA.0, IN].map(u16::to_be_bytes);
    let asked = [zone.apex().as_wire(), asked.as_flattened()].concat();
    let mut writer = Writer::new(&mut out, Head { id, flags }, &asked, usize::from(UDP), 0);
    if let Some(soa) = zone.soa() {
        writer.records(Section::Answer, soa, 0, usize::from(UDP));
    }
    writer.finish(flags, None);
    out
}

/// The code of an answer to the message with that id; `None`: it is something else.
fn code(answer: &[u8], id: u16) -> Option<u16> {
    let head = answer.first_chunk::<HEAD>()?;
    let (its_id, said) = (u16::from_be_bytes([head[0], head[1]]), u16::from_be_bytes([head[2], head[3]]));
    let is_it = its_id == id && said & flags::QR != 0 && opcode(said) == NOTIFY;
    is_it.then_some(said & 0xf)
}
