//! Latency at equal load: requests at a fixed rate, whoever answers them, each counted from when it was due.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::case::Case;
use crate::peer::{HOST, Running};

/// What one measurement says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paced {
    /// Requests that were due each second.
    pub(crate) rate: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) errors: u64,
}

/// How long an answer may take before it counts as an error.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks `running` `rate` times a second for `time`.
pub(crate) fn measure(running: &Running, case: &'static Case, rate: u64, time: Duration) -> Paced {
    let (http, taken, errors) = (running.http, Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU64::new(0)));
    let (all, failed) = (Arc::clone(&taken), Arc::clone(&errors));
    let load = std::thread::spawn(move || {
        let mut core = nix::sched::CpuSet::new();
        core.set(0).unwrap();
        nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &core).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let every = Duration::from_secs_f64(case.connections as f64 / rate as f64);
            let start = Instant::now() + Duration::from_millis(500);
            let clients: Vec<_> = (0..case.connections)
                .map(|n| {
                    let first = start + every.mul_f64(n as f64 / case.connections as f64);
                    let (all, failed) = (Arc::clone(&all), Arc::clone(&failed));
                    tokio::spawn(client(http, case, (first, every, start + time), all, failed))
                })
                .collect();
            for client in clients {
                client.await.unwrap();
            }
        });
    });
    load.join().unwrap();
    let mut taken = std::mem::take(&mut *taken.lock().unwrap());
    taken.sort_unstable();
    let at = |share: f64| {
        let place = (taken.len().saturating_sub(1)) as f64 * share;
        taken.get(place as usize).map_or(f64::NAN, |took: &Duration| took.as_secs_f64() * 1e3)
    };
    Paced { rate, p50_ms: at(0.5), p99_ms: at(0.99), errors: errors.load(Ordering::Relaxed) }
}

/// One connection after the other, or one for all, asked whenever it is due.
async fn client(
    http: SocketAddr,
    case: &Case,
    (mut due, every, end): (Instant, Duration, Instant),
    all: Arc<Mutex<Vec<Duration>>>,
    failed: Arc<AtomicU64>,
) {
    let closing = if case.close { "Connection: close\r\n" } else { "" };
    let request = format!("GET {} HTTP/1.1\r\nHost: {HOST}\r\n{closing}\r\n", case.path);
    let (mut kept, mut took, mut buffer) = (None, Vec::new(), vec![0; 256 << 10]);
    while due < end {
        let early = Instant::now() < due;
        tokio::time::sleep_until(due.into()).await;
        // A clock that wakes us late is no fault of the proxy's; an answer that made us late is.
        let since = if early { Instant::now() } else { due };
        let asked = tokio::time::timeout(PATIENCE, ask(http, &mut kept, &request, &mut buffer)).await;
        match asked {
            Ok(Ok(())) => took.push(since.elapsed()),
            Ok(Err(_)) | Err(_) => {
                failed.fetch_add(1, Ordering::Relaxed);
                kept = None;
            }
        }
        if case.close {
            kept = None;
        }
        due += every;
    }
    all.lock().unwrap().extend(took);
}

/// One request over the connection that is kept, or a new one; its answer read to the end.
async fn ask(
    http: SocketAddr,
    kept: &mut Option<TcpStream>,
    request: &str,
    buffer: &mut [u8],
) -> std::io::Result<()> {
    let stream = match kept {
        Some(stream) => stream,
        None => kept.insert(TcpStream::connect(http).await?),
    };
    stream.write_all(request.as_bytes()).await?;
    let mut read = 0;
    let body = loop {
        let n = stream.read(&mut buffer[read..]).await?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        read += n;
        if let Some(end) = buffer[..read].windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..body]).to_lowercase();
    let length =
        head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()?.parse::<usize>().ok());
    let mut missing = match length {
        Some(length) if head.starts_with("http/1.1 200 ") => length.saturating_sub(read - body),
        _ => return Err(std::io::ErrorKind::InvalidData.into()),
    };
    while missing > 0 {
        match stream.read(buffer).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => missing = missing.saturating_sub(n),
        }
    }
    Ok(())
}
