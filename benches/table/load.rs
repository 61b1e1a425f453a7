//! Requests for random hosts at a fixed rate, each counted from when it was due.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cores;
use crate::machine::{CoreTime, LOAD_CORE, PROXY_CORE, taken};
use crate::store;
use crate::world::Portico;

/// How many connections take turns.
const CONNECTIONS: u64 = 16;

/// What a time of load says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Latency {
    /// Milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
    /// Answers that were none, or no 200.
    pub(crate) errors: u64,
    /// How busy the load's core was: 1 is all of it …
    pub(crate) load_core: f64,
    /// … how much of the proxy's core portico took, and how much others did.
    pub(crate) proxy_core: f64,
    pub(crate) others: f64,
}

/// Asks `portico` `rate` times a second for `time`, from the load's core.
pub(crate) fn measure(portico: &Portico, frontends: usize, rate: u64, time: Duration) -> Latency {
    let http = portico.http();
    let cores = [LOAD_CORE, PROXY_CORE].map(CoreTime::of);
    let (before, began) = (taken(portico.pid()).cpu_ns, Instant::now());
    let (mut took, errors) = cores::on(LOAD_CORE, || ask_all(http, frontends, rate, time));
    let elapsed = began.elapsed().as_secs_f64();
    let proxy_core = (taken(portico.pid()).cpu_ns - before) as f64 / 1e9 / elapsed;
    let load_core = CoreTime::of(LOAD_CORE).busy_since(cores[0]);
    let others = (CoreTime::of(PROXY_CORE).busy_since(cores[1]) - proxy_core).max(0.0);
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    Latency { p50: at(0.5), p99: at(0.99), max: at(1.0), errors, load_core, proxy_core, others }
}

fn ask_all(http: SocketAddr, frontends: usize, rate: u64, time: Duration) -> (Vec<Duration>, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tasks = tokio::task::LocalSet::new();
    let taken = Rc::new(std::cell::RefCell::new((Vec::new(), 0)));
    tasks.block_on(&runtime, async {
        let every = Duration::from_secs_f64(CONNECTIONS as f64 / rate as f64);
        let start = Instant::now() + Duration::from_millis(100);
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|n| {
                let (first, taken) =
                    (start + every.mul_f64(n as f64 / CONNECTIONS as f64), Rc::clone(&taken));
                tokio::task::spawn_local(async move {
                    let (mut dice, mut due) = (fastrand::Rng::new(), first);
                    let mut stream = connect(http).await;
                    while due < start + time {
                        let early = Instant::now() < due;
                        tokio::time::sleep_until(due.into()).await;
                        // A clock that wakes us late is no fault of the proxy's; an answer that made us late is.
                        let since = if early { Instant::now() } else { due };
                        let is_fine = ask(&mut stream, &store::host(dice.usize(..frontends))).await;
                        let mut taken = taken.borrow_mut();
                        taken.0.push(since.elapsed());
                        taken.1 += u64::from(!is_fine);
                        due += every;
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
    });
    taken.take()
}

async fn connect(http: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(http).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// One request, and its answer: whether that is a whole 200. The origin's bodies have 64 octets.
async fn ask(stream: &mut TcpStream, host: &str) -> bool {
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    if stream.write_all(request.as_bytes()).await.is_err() {
        return false;
    }
    let mut answer = Vec::with_capacity(512);
    loop {
        if stream.read_buf(&mut answer).await.is_ok_and(|read| read > 0) {
            let head = answer.windows(4).position(|four| four == b"\r\n\r\n");
            if head.is_some_and(|head| answer.len() >= head + 4 + 64) {
                return answer.starts_with(b"HTTP/1.1 200");
            }
        } else {
            return false;
        }
    }
}
