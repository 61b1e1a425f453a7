//! Sockets, bound: for each address one for UDP a thread, and a listener for TCP.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// How long a thread waits for datagrams before it looks whether it shall end.
const LOOK: Duration = Duration::from_millis(250);
/// How often another port is tried where any will do: the one that TCP got may be taken for UDP.
const PORTS: usize = 16;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another socket has it.
    #[error("{address} is taken ({protocol}): another process listens there")]
    Taken {
        /// Where.
        address: SocketAddr,
        /// UDP or TCP.
        protocol: &'static str,
    },
    /// Anything else: no such address, no right to a port below 1024.
    #[error("cannot listen on {address} ({protocol}): {source}")]
    Refused {
        /// Where.
        address: SocketAddr,
        /// UDP or TCP.
        protocol: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// The sockets of one address.
#[derive(Debug)]
pub(crate) struct Sockets {
    /// With the port that was found for port 0.
    pub(crate) address: SocketAddr,
    /// One for each thread.
    pub(crate) udp: Vec<UdpSocket>,
    pub(crate) tcp: TcpListener,
}

/// Binds an address for so many threads.
///
/// # Errors
/// [`BindError`] names the address.
pub(crate) fn bind(address: SocketAddr, threads: usize, receive_buffer: usize) -> Result<Sockets, BindError> {
    let mut tries = if address.port() == 0 { PORTS } else { 1 };
    loop {
        tries -= 1;
        match bind_both(address, threads, receive_buffer) {
            Err(BindError::Taken { .. }) if tries > 0 => {}
            outcome => return outcome,
        }
    }
}

/// Whether this machine has the address: no other can be bound.
pub(crate) fn is_here(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

fn bind_both(address: SocketAddr, threads: usize, receive_buffer: usize) -> Result<Sockets, BindError> {
    let failed = |protocol| {
        move |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::Taken { address, protocol },
            _ => BindError::Refused { address, protocol, source },
        }
    };
    let tcp = bind_tcp(address).map_err(failed("TCP"))?;
    let address = tcp.local_addr().map_err(failed("TCP"))?;
    // The first one binds alone and joins the group only then, so that a port which another process holds is an error, and not a silent
    // share of its questions.
    let udp = (0..threads.max(1))
        .map(|thread| bind_udp(address, thread > 0, receive_buffer).map_err(failed("UDP")));
    Ok(Sockets { address, udp: udp.collect::<Result<_, _>>()?, tcp })
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bind_udp(address: SocketAddr, joins: bool, receive_buffer: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    // As much as the system allows: bursts wait there.
    socket.set_recv_buffer_size(receive_buffer)?;
    socket.set_read_timeout(Some(LOOK))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if address.ip().is_unspecified() {
        super::wildcard::want_destinations(&socket, address)?;
    }
    if joins {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    if !joins {
        socket.set_reuse_port(true)?;
    }
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_a_port_and_both_protocols_have_it() {
        let sockets = bind(SocketAddr::from(([127, 0, 0, 1], 0)), 3, 1 << 16).expect("a free port");
        let addresses: Vec<_> =
            sockets.udp.iter().map(|socket| socket.local_addr().expect("bound")).collect();
        assert_eq!(addresses, [sockets.address; 3]);
        assert_eq!(sockets.tcp.local_addr().expect("bound"), sockets.address);
    }

    #[test]
    fn a_port_that_is_held_is_an_error() {
        let held = bind(SocketAddr::from(([127, 0, 0, 1], 0)), 2, 1 << 16).expect("a free port");
        let taken = bind(held.address, 2, 1 << 16).expect_err("held");
        assert!(matches!(taken, BindError::Taken { protocol: "TCP", .. }), "{taken}");
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let taken = bind(udp.local_addr().expect("bound"), 1, 1 << 16).expect_err("held");
        assert!(matches!(taken, BindError::Taken { protocol: "UDP", .. }), "{taken}");
    }
}
