//! Datagrams, in batches: one system call takes up to 32, one sends their answers.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
use smallvec::SmallVec;

use super::later::{Queue, Reply};
use super::{Shared, answer, wildcard};
use crate::config::{BATCH, UDP_MESSAGE};
use crate::metrics::Block;
use crate::query::{Client, Context, Over};
use crate::respond::UDP;

/// How long a thread rests after the system failed it, so that it does not spin.
const REST: Duration = Duration::from_millis(10);

/// Answers what comes to `socket` until all ends.
pub(crate) fn serve(socket: &Arc<UdpSocket>, shared: &Arc<Shared>, block: &Block) {
    let any = socket.local_addr().is_ok_and(|address| address.ip().is_unspecified());
    if any { wildcard::serve(socket, shared, block) } else { in_batches(socket, shared, block) }
}

fn in_batches(socket: &Arc<UdpSocket>, shared: &Shared, block: &Block) {
    let mut batch = Batch::new();
    while !shared.ended.load(Ordering::Relaxed) {
        match batch.receive(socket) {
            Ok(()) => {
                shared.with(|context| batch.answer(context, socket, &shared.later, block));
                batch.send(socket, block);
            }
            Err(error) => rest_after(error),
        }
    }
}

/// Nothing came, or the system has no memory: the first is usual.
pub(super) fn rest_after(error: Errno) {
    if !matches!(error, Errno::EAGAIN | Errno::EINTR) {
        thread::sleep(REST);
    }
}

/// Whose address it is; nobody's, if it is none of IP.
pub(super) fn client(from: &SockaddrStorage) -> Option<Client> {
    let v4 = || from.as_sockaddr_in().map(|from| IpAddr::V4(from.ip()));
    let address = v4().or_else(|| from.as_sockaddr_in6().map(|from| IpAddr::V6(from.ip())))?;
    Some(Client { address: address.to_canonical(), over: Over::Udp })
}

struct Batch {
    received: MultiHeaders<SockaddrStorage>,
    sent: MultiHeaders<SockaddrStorage>,
    questions: Box<[[u8; UDP_MESSAGE]; BATCH]>,
    /// How long each question is, and from whom.
    from: SmallVec<[(usize, Option<SockaddrStorage>); BATCH]>,
    answers: [Vec<u8>; BATCH],
    /// To whom each answer goes.
    to: SmallVec<[Option<SockaddrStorage>; BATCH]>,
    dice: fastrand::Rng,
}

impl Batch {
    fn new() -> Self {
        Self {
            received: MultiHeaders::preallocate(BATCH, None),
            sent: MultiHeaders::preallocate(BATCH, None),
            questions: Box::new([[0; UDP_MESSAGE]; BATCH]),
            from: SmallVec::new(),
            answers: std::array::from_fn(|_| Vec::with_capacity(usize::from(UDP))),
            to: SmallVec::new(),
            dice: fastrand::Rng::new(),
        }
    }

    /// Waits for a datagram, and takes with it those that are there.
    fn receive(&mut self, socket: &UdpSocket) -> Result<(), Errno> {
        self.from.clear();
        let mut slices = self.questions.each_mut().map(|question| [IoSliceMut::new(question)]);
        let flags = MsgFlags::MSG_WAITFORONE;
        let received = recvmmsg(socket.as_raw_fd(), &mut self.received, slices.iter_mut(), flags, None)?;
        self.from.extend(received.map(|message| (message.bytes, message.address)));
        Ok(())
    }

    fn answer(&mut self, context: &Context<'_>, socket: &Arc<UdpSocket>, later: &Queue, block: &Block) {
        self.to.clear();
        for (question, (length, from)) in self.questions.iter().zip(&self.from) {
            let Some(out) = self.answers.get_mut(self.to.len()) else { return };
            out.clear();
            let Some(question) = question.get(..*length) else { continue };
            let Some((from, client)) = from.and_then(|from| Some((from, client(&from)?))) else { continue };
            let done = answer(context, question, &client, self.dice.u64(..), block, out);
            let reply = || Reply::Datagram { socket: Arc::clone(socket), to: from, from: None };
            if later.settle(context, done, client, block, out, reply) {
                self.to.push(Some(from));
            }
        }
    }

    fn send(&mut self, socket: &UdpSocket, block: &Block) {
        let mut done = 0;
        while done < self.to.len() {
            let slices: SmallVec<[[IoSlice<'_>; 1]; BATCH]> =
                self.answers[done..self.to.len()].iter().map(|answer| [IoSlice::new(answer)]).collect();
            let none: [ControlMessage<'_>; 0] = [];
            let sent = sendmmsg(
                socket.as_raw_fd(),
                &mut self.sent,
                slices.iter(),
                &self.to[done..],
                none,
                MsgFlags::empty(),
            );
            match sent.map(Iterator::count) {
                Ok(sent @ 1..) => done += sent,
                Err(Errno::EINTR) => {}
                // The first of them cannot be sent, to an address that cannot be reached for example; the others can.
                Ok(_) | Err(_) => {
                    block.unsent(1);
                    done += 1;
                }
            }
        }
    }
}
