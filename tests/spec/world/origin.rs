//! Origins that do as they are told, good or bad, in threads of the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::wait::PATIENCE;

/// What an origin does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Script {
    /// 200 with this body.
    Say(String),
    /// This status, with these further header lines.
    Status(u16, &'static str),
    /// 200 with this body, after this time.
    Slow(String, Duration),
    /// Closes without an answer.
    Hang,
    /// These octets, then the end of the connection.
    Raw(&'static [u8]),
}

struct Shared {
    script: Mutex<Script>,
    requests: AtomicUsize,
    heads: Mutex<Vec<String>>,
    ended: AtomicBool,
}

/// A listening origin; ended when dropped.
pub(crate) struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Origin {
    /// One that answers with this body.
    pub(crate) fn saying(text: &str) -> Self {
        Self::start(Script::Say(text.to_owned()))
    }

    /// One that answers with this body, at this address.
    pub(crate) fn saying_at(text: &str, address: SocketAddr) -> Self {
        Self::listening(TcpListener::bind(address).unwrap(), Script::Say(text.to_owned()))
    }

    /// One that does this.
    pub(crate) fn start(script: Script) -> Self {
        Self::listening(TcpListener::bind("127.0.0.1:0").unwrap(), script)
    }

    fn listening(listener: TcpListener, script: Script) -> Self {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            requests: AtomicUsize::new(0),
            heads: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let mine = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if mine.ended.load(Ordering::SeqCst) {
                    return;
                }
                let mine = Arc::clone(&mine);
                // Ends with its connection, which ends with its client.
                thread::spawn(move || serve(stream, &mine));
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    /// From now on it does this.
    pub(crate) fn now(&self, script: Script) {
        *self.shared.script.lock().unwrap() = script;
    }

    /// Its URL, as a frontend names it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many requests reached it.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// The heads of those requests.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.shared.heads.lock().unwrap().clone()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the listener, so that it sees the end.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One connection: a request after the other, until either side has enough.
fn serve(stream: TcpStream, shared: &Shared) {
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let mut reader = BufReader::new(stream);
    while let Some(head) = read_request(&mut reader) {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        shared.requests.fetch_add(1, Ordering::SeqCst);
        shared.heads.lock().unwrap().push(head);
        let script = shared.script.lock().unwrap().clone();
        let stream = reader.get_mut();
        let fine = match script {
            Script::Say(text) => say(stream, "200 OK", "", &text),
            Script::Slow(text, time) => {
                thread::sleep(time);
                say(stream, "200 OK", "", &text)
            }
            Script::Status(status, headers) => say(stream, &format!("{status} As Told"), headers, "told"),
            Script::Hang => return,
            Script::Raw(octets) => {
                let _ = stream.write_all(octets);
                return;
            }
        };
        if fine.is_err() {
            return;
        }
    }
}

fn say(stream: &mut TcpStream, status: &str, headers: &str, text: &str) -> std::io::Result<()> {
    let length = text.len();
    stream
        .write_all(format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{text}").as_bytes())
}

/// Reads a head and a body of known length; `None` at the end.
fn read_request(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = String::new();
    loop {
        let before = head.len();
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
        if &head[before..] == "\r\n" {
            break;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<u64>().ok())?
    });
    std::io::copy(&mut reader.take(length.unwrap_or(0)), &mut std::io::sink()).ok()?;
    Some(head)
}
