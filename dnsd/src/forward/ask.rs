//! One question to one upstream: by a socket of its own, so that its port is drawn by chance anew, with an id drawn by chance (RFC 5452).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::rand::{GetRandomFlags, getrandom};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::counters::Counters;
use crate::wire::upstream::{self, Ask, Told};

/// More than is asked for: what an upstream sends beyond it is malformed.
const ROOM: usize = 4096;

/// Asks over UDP, and over TCP once it is told that the answer is longer. For as long as it takes: the caller ends it.
///
/// # Errors
/// What the system says: that nobody listens there, for example.
pub(super) async fn ask(to: SocketAddr, ask: &Ask, counters: &Counters) -> io::Result<Told> {
    counters.asked();
    let told = over_udp(to, ask, counters).await?;
    if !told.truncated {
        return Ok(told);
    }
    counters.asked_over_tcp();
    over_tcp(to, ask).await
}

async fn over_udp(to: SocketAddr, ask: &Ask, counters: &Counters) -> io::Result<Told> {
    let any = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    // The system takes nothing from anybody else.
    socket.connect(to).await?;
    let id = id()?;
    let mut octets = Vec::with_capacity(ROOM);
    upstream::ask(id, ask, &mut octets);
    socket.send(&octets).await?;
    loop {
        octets.clear();
        socket.recv_buf(&mut octets).await?;
        match upstream::read(&octets, id, ask) {
            Ok(told) => return Ok(told),
            // Somebody guesses: the answer may still come.
            Err(_) => counters.unfit(),
        }
    }
}

async fn over_tcp(to: SocketAddr, ask: &Ask) -> io::Result<Told> {
    let mut stream = TcpStream::connect(to).await?;
    let id = id()?;
    let mut octets = vec![0; 2];
    upstream::ask(id, ask, &mut octets);
    let length = u16::try_from(octets.len() - 2).map_err(io::Error::other)?;
    octets[..2].copy_from_slice(&length.to_be_bytes());
    stream.write_all(&octets).await?;
    octets.resize(usize::from(stream.read_u16().await?), 0);
    stream.read_exact(&mut octets).await?;
    let told = upstream::read(&octets, id, ask).ok().filter(|told| !told.truncated);
    told.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// Nobody can know it beforehand.
fn id() -> io::Result<u16> {
    let mut id = [0; 2];
    getrandom(&mut id, GetRandomFlags::empty())?;
    Ok(u16::from_be_bytes(id))
}
