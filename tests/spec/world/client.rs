//! A small HTTP client that sends what it is told, octet by octet, and reads one answer after the other.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use super::wait::PATIENCE;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names in lower case, in order.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    /// The first field of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A connection that is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// Sends these octets, as they are.
    pub(crate) fn send(&mut self, octets: impl AsRef<[u8]>) -> &mut Self {
        // The other side may have answered and closed already: what it said is what counts.
        let _ = self.stream.write_all(octets.as_ref());
        self
    }

    /// Sends a GET.
    pub(crate) fn get(&mut self, host: &str, path: &str) -> &mut Self {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    }

    /// Says that no more will be sent.
    pub(crate) fn finish(&mut self) -> &mut Self {
        let _ = self.stream.shutdown(Shutdown::Write);
        self
    }

    /// Reads the next answer; `None` when the connection ends before one is complete.
    pub(crate) fn read(&mut self) -> Option<Reply> {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at + 4;
            }
            self.fill()?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.drain(..end);
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut reply = Reply { status, headers, body: String::new() };
        reply.body = String::from_utf8_lossy(&self.body(&reply)?).into_owned();
        Some(reply)
    }

    /// The body, by the framing that the head announces.
    fn body(&mut self, reply: &Reply) -> Option<Vec<u8>> {
        if matches!(reply.status, 100..=199 | 204 | 304) {
            return Some(Vec::new());
        }
        if reply.header("transfer-encoding") == Some("chunked") {
            let mut body = Vec::new();
            loop {
                let line = self.line()?;
                let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
                if size == 0 {
                    while !self.line()?.is_empty() {}
                    return Some(body);
                }
                body.extend(self.take(size)?);
                self.line()?;
            }
        }
        match reply.header("content-length") {
            Some(length) => self.take(length.parse().ok()?),
            None => {
                while self.fill().is_some() {}
                Some(std::mem::take(&mut self.buffer))
            }
        }
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..at]).into_owned();
                self.buffer.drain(..at + 2);
                return Some(line);
            }
            self.fill()?;
        }
    }

    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < length {
            self.fill()?;
        }
        Some(self.buffer.drain(..length).collect())
    }

    /// Reads some more; `None` at the end.
    fn fill(&mut self) -> Option<()> {
        let mut octets = [0; 16 << 10];
        match self.stream.read(&mut octets) {
            Ok(0) => None,
            Ok(length) => {
                self.buffer.extend_from_slice(&octets[..length]);
                Some(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("no answer within {PATIENCE:?}; so far {:?}", String::from_utf8_lossy(&self.buffer))
            }
            Err(_) => None,
        }
    }

    /// Everything up to the end of the connection, as it came.
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        while self.fill().is_some() {}
        std::mem::take(&mut self.buffer)
    }

    /// True when the other side closes without another octet.
    pub(crate) fn is_ended(&mut self) -> bool {
        self.buffer.is_empty() && self.fill().is_none()
    }
}

/// One GET on a connection of its own.
pub(crate) fn get(address: SocketAddr, host: &str, path: &str) -> Reply {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    Connection::open(address).send(request).read().expect("an answer")
}

/// One request, as it is, on a connection of its own.
pub(crate) fn send(address: SocketAddr, request: impl AsRef<[u8]>) -> Option<Reply> {
    Connection::open(address).send(request).read()
}

fn find(octets: &[u8], what: &[u8]) -> Option<usize> {
    octets.windows(what.len()).position(|window| window == what)
}
