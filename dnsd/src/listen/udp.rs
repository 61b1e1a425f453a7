//! Datagrams, in batches: one system call takes up to 32, one sends their answers.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
use smallvec::SmallVec;

use super::later::{Queue, Reply};
use super::wildcard::{self, Destination};
use super::{Shared, answer};
use crate::config::{BATCH, UDP_MESSAGE};
use crate::metrics::Block;
use crate::query::{Client, Context, Over};
use crate::respond::UDP;

/// How long a thread rests after the system failed it, so that it does not spin.
const REST: Duration = Duration::from_millis(10);

/// Answers what comes to `socket` until all ends.
pub(crate) fn serve(socket: &Arc<UdpSocket>, shared: &Shared, block: &Block) {
    let mut batch = Batch::of(socket);
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
fn rest_after(error: Errno) {
    if !matches!(error, Errno::EAGAIN | Errno::EINTR) {
        thread::sleep(REST);
    }
}

/// Whose address it is; nobody's, if it is none of IP.
fn client(from: &SockaddrStorage) -> Option<Client> {
    let v4 = || from.as_sockaddr_in().map(|from| IpAddr::V4(from.ip()));
    let address = v4().or_else(|| from.as_sockaddr_in6().map(|from| IpAddr::V6(from.ip())))?;
    Some(Client { address: address.to_canonical(), over: Over::Udp })
}

/// A question that came.
#[derive(Clone, Copy)]
struct Asked {
    length: usize,
    from: Option<SockaddrStorage>,
    /// Where it went, where the socket has many addresses.
    to: Option<Destination>,
}

struct Batch {
    received: MultiHeaders<SockaddrStorage>,
    /// Of answers that leave from wherever the socket is, and of those that leave from one of its many addresses.
    sent: [MultiHeaders<SockaddrStorage>; 2],
    /// Room for where a datagram went, where the socket has many addresses.
    space: Option<Vec<u8>>,
    questions: Box<[[u8; UDP_MESSAGE]; BATCH]>,
    asked: SmallVec<[Asked; BATCH]>,
    answers: [Vec<u8>; BATCH],
    /// To whom each answer goes.
    to: SmallVec<[Option<SockaddrStorage>; BATCH]>,
    /// From which address each leaves.
    from: SmallVec<[Option<Destination>; BATCH]>,
    dice: fastrand::Rng,
}

impl Batch {
    fn of(socket: &UdpSocket) -> Self {
        let space = wildcard::space(socket);
        Self {
            received: MultiHeaders::preallocate(BATCH, space.clone()),
            sent: [None, space.clone()].map(|space| MultiHeaders::preallocate(BATCH, space)),
            space,
            questions: Box::new([[0; UDP_MESSAGE]; BATCH]),
            asked: SmallVec::new(),
            answers: std::array::from_fn(|_| Vec::with_capacity(usize::from(UDP))),
            to: SmallVec::new(),
            from: SmallVec::new(),
            dice: fastrand::Rng::new(),
        }
    }

    /// Waits for a datagram, and takes with it those that are there.
    fn receive(&mut self, socket: &UdpSocket) -> Result<(), Errno> {
        self.asked.clear();
        let mut slices = self.questions.each_mut().map(|question| [IoSliceMut::new(question)]);
        let flags = MsgFlags::MSG_WAITFORONE;
        let received = recvmmsg(socket.as_raw_fd(), &mut self.received, slices.iter_mut(), flags, None)?;
        self.asked.extend(received.map(|message| Asked {
            length: message.bytes,
            from: message.address,
            to: Destination::of(&message),
        }));
        if self.space.is_some() && self.asked.iter().any(|asked| asked.to.is_none()) {
            // The system lessens the room to what it used, so where it told nothing there is none for what comes next.
            self.received = MultiHeaders::preallocate(BATCH, self.space.clone());
        }
        Ok(())
    }

    fn answer(&mut self, context: &Context<'_>, socket: &Arc<UdpSocket>, later: &Queue, block: &Block) {
        self.to.clear();
        self.from.clear();
        for (question, asked) in self.questions.iter().zip(&self.asked) {
            let Some(out) = self.answers.get_mut(self.to.len()) else { return };
            out.clear();
            let Some(question) = question.get(..asked.length) else { continue };
            let Some((to, client)) = asked.from.and_then(|from| Some((from, client(&from)?))) else {
                continue;
            };
            let done = answer(context, question, &client, self.dice.u64(..), block, out);
            let reply = || Reply::Datagram { socket: Arc::clone(socket), to, from: asked.to };
            if later.settle(context, done, client, block, out, reply) {
                self.to.push(Some(to));
                self.from.push(asked.to);
            }
        }
    }

    /// Sends all answers: those that follow each other and leave from one address together.
    fn send(&mut self, socket: &UdpSocket, block: &Block) {
        let mut done = 0;
        while let Some(from) = self.from.get(done) {
            let end = done + self.from[done..].iter().take_while(|other| *other == from).count();
            let control = from.as_ref().map(Destination::message);
            let slices: SmallVec<[[IoSlice<'_>; 1]; BATCH]> =
                self.answers[done..end].iter().map(|answer| [IoSlice::new(answer)]).collect();
            let sent = sendmmsg(
                socket.as_raw_fd(),
                &mut self.sent[usize::from(from.is_some())],
                slices.iter(),
                &self.to[done..end],
                control.as_slice(),
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
