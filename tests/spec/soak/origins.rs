//! Origins that say who they are and what they were asked, so that no answer can be taken for another.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// How many there are.
const ORIGINS: usize = 4;
/// How many octets follow the first line of a large answer.
pub(super) const LARGE: usize = 40_000;

/// Listening origins; ended when dropped, their connections with portico's.
pub(super) struct Origins {
    addresses: Vec<SocketAddr>,
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Origins {
    pub(super) fn start() -> Self {
        let ended = Arc::<AtomicBool>::default();
        let (mut addresses, mut threads) = (Vec::new(), Vec::new());
        for number in 0..ORIGINS {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            addresses.push(listener.local_addr().unwrap());
            let end = Arc::clone(&ended);
            threads.push(thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    if end.load(Ordering::SeqCst) {
                        return;
                    }
                    thread::spawn(move || serve(number, stream));
                }
            }));
        }
        Self { addresses, ended, threads }
    }

    pub(super) fn urls(&self) -> Vec<String> {
        self.addresses.iter().map(|address| format!("http://{address}")).collect()
    }
}

impl Drop for Origins {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        for (thread, address) in self.threads.drain(..).zip(&self.addresses) {
            // Wakes the listener, so that it sees the end.
            let _ = TcpStream::connect(address);
            let _ = thread.join();
        }
    }
}

/// One request after the other, for as long as the connection is there.
fn serve(number: usize, stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let path = line.split(' ').nth(1)?.to_owned();
        let (mut host, mut length) = (String::new(), 0);
        loop {
            let mut field = String::new();
            reader.read_line(&mut field).ok()?;
            let Some((name, value)) = field.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "host" => value.clone_into(&mut host),
                "content-length" => length = value.parse().ok()?,
                _ => {}
            }
        }
        let sum = read_body(&mut reader, length)?;
        let said = format!("{number} {host} {path} {sum}\n");
        let answer = if path.starts_with("/large/") {
            let rest = "x".repeat(LARGE);
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{said}\r\n{LARGE:x}\r\n{rest}\r\n0\r\n\r\n",
                said.len()
            )
        } else {
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{said}", said.len())
        };
        reader.get_mut().write_all(answer.as_bytes()).ok()?;
    }
}

/// The sum of the octets of a body.
fn read_body(reader: &mut impl Read, length: usize) -> Option<u64> {
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body.into_iter().map(u64::from).sum())
}
