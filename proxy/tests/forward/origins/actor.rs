//! An origin that behaves as it is told, on as many connections as come.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

use super::behaviour::{Behaviour, Do, When};
use crate::stage::PATIENCE;

/// What a well-behaved origin says.
const NEXT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext";
/// Between two octets of a trickle, and two words that shall not arrive as one.
const PAUSE: Duration = Duration::from_millis(20);

pub(super) struct Actor {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    behaviour: Mutex<Option<Behaviour>>,
    /// All that came, so that they can be ended.
    streams: Mutex<Vec<Weak<TcpStream>>>,
    /// Connections that are in the middle of a behaviour.
    busy: AtomicUsize,
}

impl Actor {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let mine = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, shared) = (Arc::new(stream.unwrap()), Arc::clone(&mine));
                shared.streams.lock().unwrap().push(Arc::downgrade(&stream));
                // The proxy may end it at any time.
                thread::spawn(move || drop(serve(&stream, &shared)));
            }
        });
        Self { address, shared }
    }

    /// From now on it does this; `None`: it answers each request well.
    pub(super) fn behaves(&self, behaviour: Option<&Behaviour>) {
        *self.shared.behaviour.lock().unwrap() = behaviour.cloned();
    }

    /// Ends all connections that there are.
    pub(super) fn hang_up(&self) {
        for stream in self.shared.streams.lock().unwrap().drain(..).filter_map(|stream| stream.upgrade()) {
            let _gone = stream.shutdown(Shutdown::Both);
        }
    }

    /// Connections that came since it hung up.
    pub(super) fn connections(&self) -> usize {
        self.shared.streams.lock().unwrap().len()
    }

    /// True once it has done all that it was told.
    pub(super) fn is_done(&self) -> bool {
        self.shared.busy.load(Ordering::SeqCst) == 0
    }
}

/// One connection, until somebody ends it. `Err`: the proxy did, which is its right.
fn serve(mut stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let told = |when| shared.behaviour.lock().unwrap().clone().filter(|behaviour| behaviour.when == when);
    let act = |behaviour: &Behaviour| {
        shared.busy.fetch_add(1, Ordering::SeqCst);
        let done = perform(stream, &behaviour.steps);
        shared.busy.fetch_sub(1, Ordering::SeqCst);
        done
    };
    if let Some(behaviour) = told(When::Accepted)
        && !act(&behaviour)?
    {
        return Ok(());
    }
    while read_head(stream)? {
        match told(When::Asked) {
            None => stream.write_all(NEXT)?,
            Some(behaviour) if !act(&behaviour)? => return Ok(()),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Reads a head; false at the end of the connection.
fn read_head(mut stream: &TcpStream) -> std::io::Result<bool> {
    let mut head = Vec::new();
    let mut octet = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut octet)? == 0 {
            return Ok(false);
        }
        head.push(octet[0]);
    }
    Ok(true)
}

/// Does all steps; false when the connection ends with them.
fn perform(mut stream: &TcpStream, steps: &[Do]) -> std::io::Result<bool> {
    for step in steps {
        match step {
            Do::Say(octets) => stream.write_all(octets)?,
            Do::Flood(octets, times) => {
                for _ in 0..*times {
                    stream.write_all(octets)?;
                }
            }
            Do::Trickle(octets) => {
                for octet in octets.iter() {
                    stream.write_all(&[*octet])?;
                    thread::sleep(PAUSE);
                }
            }
            Do::Take(octets) => stream.read_exact(&mut vec![0; *octets])?,
            Do::Pause => thread::sleep(2 * PAUSE),
            Do::Hold => while stream.read(&mut [0; 1024])? > 0 {},
            Do::Finish => stream.shutdown(Shutdown::Write)?,
            Do::Close => return Ok(false),
            Do::Reset => {
                socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO))?;
                return Ok(false);
            }
        }
    }
    Ok(true)
}
