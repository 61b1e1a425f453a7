//! Sockets of whichever address the machine has: each answer leaves from the address its question went to, or the client would not take it
//! (RFC 2181 §4.1). Where a datagram went, and where another comes from, is told beside it.

use std::io::{self, IoSlice};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc::{in_pktinfo, in6_pktinfo};
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, RecvMsg, SockaddrStorage, sendmsg, setsockopt,
};

/// The first octets of link-local addresses, which mean nothing without their interface.
const LINK_LOCAL: [u8; 2] = [0xfe, 0x80];

/// Where a datagram went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// Room for exactly one destination, where the socket has many addresses.
pub(super) fn space(socket: &UdpSocket) -> Option<Vec<u8>> {
    let address = socket.local_addr().ok().filter(|address| address.ip().is_unspecified())?;
    Some(if address.is_ipv4() { nix::cmsg_space!(in_pktinfo) } else { nix::cmsg_space!(in6_pktinfo) })
}

impl Destination {
    /// Where a datagram went, if that was told.
    pub(super) fn of(message: &RecvMsg<'_, '_, SockaddrStorage>) -> Option<Self> {
        message.cmsgs().ok()?.find_map(|said| match said {
            ControlMessageOwned::Ipv4PacketInfo(mut info) => {
                // Which interface it leaves by is the routing table's business.
                info.ipi_ifindex = 0;
                Some(Self::V4(info))
            }
            ControlMessageOwned::Ipv6PacketInfo(mut info) => {
                if !info.ipi6_addr.s6_addr.starts_with(&LINK_LOCAL) {
                    info.ipi6_ifindex = 0;
                }
                Some(Self::V6(info))
            }
            _ => None,
        })
    }

    /// What makes a datagram leave from there.
    pub(super) fn message(&self) -> ControlMessage<'_> {
        match self {
            Self::V4(info) => ControlMessage::Ipv4PacketInfo(info),
            Self::V6(info) => ControlMessage::Ipv6PacketInfo(info),
        }
    }
}

/// Sends an answer, from this address where one is given.
pub(super) fn send(
    socket: &UdpSocket,
    answer: &[u8],
    to: Option<&SockaddrStorage>,
    from: Option<Destination>,
    flags: MsgFlags,
) -> Result<usize, Errno> {
    let control = from.as_ref().map(Destination::message);
    sendmsg(socket.as_raw_fd(), &[IoSlice::new(answer)], control.as_slice(), flags, to)
}
