//! What connections cost that wait: memory of the proxy for each of many that asked once and stay.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::machine::taken;
use crate::peer::{HOST, Running};

/// So many wait …
pub(crate) const CONNECTIONS: usize = 4000;
/// … and so many of them ask at once.
const AT_ONCE: usize = 50;

/// How long a proxy has to let go of what it does not need for waiting.
const SETTLE: Duration = Duration::from_secs(2);

/// KiB of the proxy's resident memory for each of [`CONNECTIONS`] that have had an answer and may ask again.
///
/// # Errors
/// A connection broke.
pub(crate) fn measure(running: &Running) -> std::io::Result<f64> {
    // So that what the start took is not given back meanwhile.
    std::thread::sleep(SETTLE);
    let before = taken(running.process()).resident_kib;
    let mut waiting = Vec::with_capacity(CONNECTIONS);
    while waiting.len() < CONNECTIONS {
        let some = (0..AT_ONCE).map(|_| ask(running)).collect::<std::io::Result<Vec<_>>>()?;
        for stream in some {
            waiting.push(answered(stream)?);
        }
    }
    std::thread::sleep(SETTLE);
    let after = taken(running.process()).resident_kib;
    drop(waiting);
    Ok((after as f64 - before as f64) / CONNECTIONS as f64)
}

fn ask(running: &Running) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(running.http)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET /small HTTP/1.1\r\nHost: {HOST}\r\n\r\n")?;
    Ok(stream)
}

fn answered(mut stream: TcpStream) -> std::io::Result<TcpStream> {
    let (mut read, mut octets) = (0, [0; 4096]);
    loop {
        let n = stream.read(&mut octets[read..])?;
        read += n;
        let body = octets[..read].windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        match body {
            Some(body) if read >= body + 1024 => return Ok(stream),
            _ if n == 0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => {}
        }
    }
}
