//! Listeners: one for each address and thread, and never two processes behind one port by accident.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted, a listener.
const BACKLOG: i32 = 4096;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another socket listens there already.
    #[error("{address} is taken: another process listens there")]
    Taken {
        /// Where.
        address: SocketAddr,
    },
    /// Anything else: no such address, no right to a port below 1024.
    #[error("cannot listen on {address}: {source}")]
    Refused {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Listens on `address` once for each of `threads` threads, the kernel spreading connections between them.
///
/// The first socket binds alone and joins the `SO_REUSEPORT` group only then, so that a port which another process holds,
/// be it another portico, is an error and not a silent share of its traffic.
///
/// With `dual`, `[::]` takes IPv4 too.
///
/// # Errors
/// [`BindError`] names the address.
pub(crate) fn listen(address: SocketAddr, threads: usize, dual: bool) -> Result<Vec<TcpListener>, BindError> {
    let refused = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { address },
        _ => BindError::Refused { address, source },
    };
    let first = bind(address, false, dual).map_err(refused)?;
    let address = first.local_addr().map_err(refused)?;
    let mut listeners = vec![first];
    for _ in 1..threads {
        listeners.push(bind(address, true, dual).map_err(refused)?);
    }
    Ok(listeners)
}

fn bind(address: SocketAddr, joins: bool, dual: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    // What is accepted has it from its listener (Linux): answers leave at once, in whole writes.
    socket.set_tcp_nodelay(true)?;
    if address.is_ipv6() {
        // Never left to the system's own default (`bindv6only`).
        socket.set_only_v6(!dual)?;
    }
    if joins {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    if !joins {
        // Listening is what claims the port among sockets that reuse addresses; the first one must claim it alone.
        socket.listen(BACKLOG)?;
        socket.set_reuse_port(true)?;
    } else {
        socket.listen(BACKLOG)?;
    }
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[test]
    fn threads_share_a_port() {
        let listeners = listen(any(), 3, true).expect("a free port");
        let address = listeners[0].local_addr().expect("bound");
        assert!(listeners.iter().all(|l| l.local_addr().expect("bound") == address));
    }

    #[test]
    fn a_second_start_on_the_same_port_is_an_error() {
        let held = listen(any(), 2, true).expect("a free port");
        let address = held[0].local_addr().expect("bound");
        let second = listen(address, 2, true).expect_err("the port is held");
        assert!(matches!(second, BindError::Taken { .. }), "{second}");
    }

    #[test]
    fn a_connection_reaches_one_of_the_group() {
        let listeners = listen(any(), 2, true).expect("a free port");
        let address = listeners[0].local_addr().expect("bound");
        let clients: Vec<_> = (0..32)
            .map(|_| std::net::TcpStream::connect(address).expect("accepted by the backlog"))
            .collect();
        let mut counts = [0; 2];
        for (count, listener) in counts.iter_mut().zip(&listeners) {
            while listener.accept().is_ok() {
                *count += 1;
            }
        }
        assert_eq!(counts.iter().sum::<usize>(), clients.len());
        assert!(counts.iter().all(|&c| c > 0), "the kernel must spread them: {counts:?}");
    }
}
