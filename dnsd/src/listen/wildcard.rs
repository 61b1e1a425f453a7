//! Datagrams to whichever address the machine has: each answer leaves from the address its question went to, or the client would not
//! take it. One by one: an answer's source is told for each (RFC 2181 §4.1).

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use nix::errno::Errno;
use nix::libc::{in_pktinfo, in6_pktinfo};
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
};

use super::later::Reply;
use super::udp::{client, rest_after};
use super::{Shared, answer};
use crate::config::UDP_MESSAGE;
use crate::metrics::Block;

/// The first octets of link-local addresses, which mean nothing without their interface.
const LINK_LOCAL: [u8; 2] = [0xfe, 0x80];

/// Where a datagram went.
#[derive(Debug, Clone, Copy)]
pub(super) enum Destination {
    V4(in_pktinfo),
    V6(in6_pktinfo),
}

/// Makes the system tell where each datagram went.
pub(super) fn want_destinations(socket: &socket2::Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv4() {
        setsockopt(socket, Ipv4PacketInfo, &true)?;
    } else {
        setsockopt(socket, Ipv6RecvPacketInfo, &true)?;
    }
    Ok(())
}

pub(super) fn serve(socket: &Arc<UdpSocket>, shared: &Shared, block: &Block) {
    let mut question = Box::new([0; UDP_MESSAGE]);
    let mut control = nix::cmsg_space!(in6_pktinfo);
    let (mut out, mut dice) = (Vec::new(), fastrand::Rng::new());
    while !shared.ended.load(Ordering::Relaxed) {
        let (length, from, destination) = match receive(socket, &mut question[..], &mut control) {
            Ok(received) => received,
            Err(error) => {
                rest_after(error);
                continue;
            }
        };
        out.clear();
        let question = question.get(..length).unwrap_or_default();
        let Some((from, client)) = from.and_then(|from| Some((from, client(&from)?))) else { continue };
        let seed = dice.u64(..);
        let reply = || Reply::Datagram { socket: Arc::clone(socket), to: from, from: destination };
        let answered = shared.with(|context| {
            let done = answer(context, question, &client, seed, block, &mut out);
            shared.later.settle(context, done, client, block, &mut out, reply)
        });
        if answered && send(socket, &out, Some(&from), destination, MsgFlags::empty()).is_err() {
            block.unsent(1);
        }
    }
}

type Received = (usize, Option<SockaddrStorage>, Option<Destination>);

fn receive(socket: &UdpSocket, question: &mut [u8], control: &mut [u8]) -> Result<Received, Errno> {
    let mut slices = [IoSliceMut::new(question)];
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(control), MsgFlags::empty())?;
    let destination = message.cmsgs()?.find_map(|said| match said {
        ControlMessageOwned::Ipv4PacketInfo(mut info) => {
            // Which interface it leaves by is the routing table's business.
            info.ipi_ifindex = 0;
            Some(Destination::V4(info))
        }
        ControlMessageOwned::Ipv6PacketInfo(mut info) => {
            if !info.ipi6_addr.s6_addr.starts_with(&LINK_LOCAL) {
                info.ipi6_ifindex = 0;
            }
            Some(Destination::V6(info))
        }
        _ => None,
    });
    Ok((message.bytes, message.address, destination))
}

/// Sends an answer, from this address where one is given.
pub(super) fn send(
    socket: &UdpSocket,
    answer: &[u8],
    to: Option<&SockaddrStorage>,
    from: Option<Destination>,
    flags: MsgFlags,
) -> Result<usize, Errno> {
    let slices = [IoSlice::new(answer)];
    let send = |control: &[ControlMessage<'_>]| sendmsg(socket.as_raw_fd(), &slices, control, flags, to);
    match from {
        Some(Destination::V4(info)) => send(&[ControlMessage::Ipv4PacketInfo(&info)]),
        Some(Destination::V6(info)) => send(&[ControlMessage::Ipv6PacketInfo(&info)]),
        None => send(&[]),
    }
}
