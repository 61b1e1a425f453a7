//! Do all threads work? Few and many long connections over one, two and three threads, through the real binary: who serves how
//! many, and how much is answered how soon. `cargo bench --bench workers [-- --help]`.
//!
//! ```text
//! clients, each one request after the other (a thread) ──► portico, so many workers ──► origin (a thread)
//! each round: a portico of its own, on another port, so that the system deals the connections out anew
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What is asked for, and answered with a kilobyte.
const HOST: &str = "bench.local";
/// How long anything may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connections and requests of each thread of portico, and how soon answers come.
///
/// Load, origin and portico share the machine: where they have fewer cores than threads, requests a second say little of portico.
/// What counts is the busiest thread's part of all requests (`even`: what it would be if all had the same): with a core for each
/// thread the busiest is what limits the others, so `bound` is how much of n threads' throughput is left.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo bench --bench workers --")]
struct Arguments {
    /// Which portico; of several, each has every other round.
    #[arg(long, value_name = "PATH", value_delimiter = ',', default_value = env!("CARGO_BIN_EXE_portico"))]
    binary: Vec<PathBuf>,
    /// Threads of portico.
    #[arg(long, value_delimiter = ',', default_value = "1,2,3")]
    workers: Vec<usize>,
    /// Connections, each kept; with --close one for each request.
    #[arg(long, value_delimiter = ',', default_value = "8,64,512")]
    connections: Vec<usize>,
    /// A connection for each request.
    #[arg(long)]
    close: bool,
    /// So many more connections download without end.
    #[arg(long, default_value_t = 0)]
    downloads: usize,
    /// Rounds for each figure: chance deals the connections out.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Milliseconds that count, of each round.
    #[arg(long, default_value_t = 500)]
    time: u64,
    /// Milliseconds before them.
    #[arg(long, default_value_t = 700)]
    warm_up: u64,
    /// Given by `cargo bench`, of no meaning here.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What one round says.
#[derive(Debug, Default, Clone)]
struct Round {
    /// Requests of each thread, and connections open at it.
    requests: Vec<f64>,
    open: Vec<f64>,
    answers: usize,
    errors: usize,
    took: Vec<Duration>,
    /// CPU microseconds of portico for each request.
    cpu_us: f64,
    moved: f64,
}

fn main() {
    let arguments = Arguments::parse();
    let origin = origin();
    println!(
        "{} rounds of {} ms, 1 KiB answers{}{}\n",
        arguments.rounds,
        arguments.time,
        if arguments.close { ", a connection each" } else { "" },
        if arguments.downloads > 0 {
            format!(", beside {} downloads", arguments.downloads)
        } else {
            String::new()
        },
    );
    println!(
        "{:>7} {:>11} | {:>6} {:>17} {:>6} {:>6} | {:>10} {:>10} {:>6} | {:>8} {:>8} {:>7} {:>6} {:>6}",
        "workers",
        "connections",
        "even",
        "busiest: med  max",
        "least",
        "bound",
        "most open",
        "least open",
        "idle",
        "req/s",
        "CPU us",
        "p50 ms",
        "p99",
        "moved"
    );
    for &workers in &arguments.workers {
        for &connections in &arguments.connections {
            let mut rounds = vec![Vec::new(); arguments.binary.len()];
            for number in 1..=arguments.rounds {
                eprint!("\r{workers} workers, {connections} connections, round {number}   ");
                for (binary, rounds) in arguments.binary.iter().zip(&mut rounds) {
                    rounds.push(round(&arguments, binary, origin, (workers, connections)));
                }
            }
            eprint!("\r");
            for (binary, rounds) in arguments.binary.iter().zip(&rounds) {
                let name =
                    if arguments.binary.len() > 1 { binary.display().to_string() } else { String::new() };
                println!("{} {name}", line(&arguments, workers, connections, rounds));
            }
        }
    }
}

fn line(arguments: &Arguments, workers: usize, connections: usize, rounds: &[Round]) -> String {
    let sum = |of: &[f64]| of.iter().sum::<f64>().max(1.0);
    let most = |of: &[f64]| of.iter().copied().fold(0.0, f64::max);
    let least = |of: &[f64]| of.iter().copied().fold(f64::MAX, f64::min);
    let busiest: Vec<f64> = rounds.iter().map(|r| most(&r.requests) / sum(&r.requests)).collect();
    let laziest: Vec<f64> = rounds.iter().map(|r| least(&r.requests) / sum(&r.requests)).collect();
    let (most_open, least_open): (Vec<_>, Vec<_>) =
        rounds.iter().map(|r| (most(&r.open), least(&r.open))).unzip();
    let idle = rounds.iter().flat_map(|r| &r.requests).filter(|requests| **requests == 0.0).count();
    let mut took: Vec<Duration> = rounds.iter().flat_map(|r| r.took.iter().copied()).collect();
    took.sort_unstable();
    let at = |share: f64| took.get((took.len().saturating_sub(1) as f64 * share) as usize);
    let ms = |share| at(share).map_or(f64::NAN, |took| took.as_secs_f64() * 1e3);
    let bound = median(busiest.iter().map(|busiest| 1.0 / (workers as f64 * busiest)));
    let errors = rounds.iter().map(|r| r.errors).sum::<usize>();
    format!(
        "{workers:>7} {connections:>11} | {:>5.0}% {:>11.0}% {:>3.0}% {:>5.0}% {:>5.0}% | {:>5.0} {:>4.0} {:>5.0} {:>4.0} {idle:>6} | {:>8.0} {:>8.1} {:>7.2} {:>6.2} {:>6.0}{}",
        100.0 / workers as f64,
        100.0 * median(busiest.iter().copied()),
        100.0 * most(&busiest),
        100.0 * least(&laziest),
        100.0 * bound,
        median(most_open.iter().copied()),
        most(&most_open),
        median(least_open.iter().copied()),
        least(&least_open),
        median(rounds.iter().map(|r| r.answers as f64)) * 1e3 / arguments.time as f64,
        median(rounds.iter().map(|r| r.cpu_us)),
        ms(0.5),
        ms(0.99),
        median(rounds.iter().map(|r| r.moved)),
        if errors > 0 { format!("  {errors} ERRORS") } else { String::new() },
    )
}

fn median(of: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = of.collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

fn round(
    arguments: &Arguments,
    binary: &Path,
    origin: SocketAddr,
    (workers, connections): (usize, usize),
) -> Round {
    let portico = Portico::start(binary, workers, origin);
    let load = Arc::new(Load::default());
    let clients: Vec<_> = [("/small", connections), ("/endless", arguments.downloads)]
        .into_iter()
        .filter(|(_, clients)| *clients > 0)
        .map(|(path, clients)| {
            let (load, http, close) = (Arc::clone(&load), portico.http, arguments.close);
            thread::spawn(move || run(http, path, clients, close && path == "/small", &load))
        })
        .collect();
    thread::sleep(Duration::from_millis(arguments.warm_up));
    let (before, cpu) = (portico.metrics(), portico.cpu_us());
    load.phase.store(COUNT, Ordering::SeqCst);
    thread::sleep(Duration::from_millis(arguments.time));
    let (after, cpu) = (portico.metrics(), portico.cpu_us() - cpu);
    load.phase.store(END, Ordering::SeqCst);
    for client in clients {
        client.join().unwrap();
    }
    let of = |metrics: &str, name: &str| -> Vec<f64> {
        let values = (0..workers).map(|n| value(metrics, &format!("{name}{{worker=\"{n}\"}}")));
        values.map(|value| value.expect("metrics by worker")).collect()
    };
    let requests = "portico_worker_requests_total";
    let took = std::mem::take(&mut *load.took.lock().unwrap());
    Round {
        requests: of(&after, requests).iter().zip(of(&before, requests)).map(|(b, a)| b - a).collect(),
        open: of(&after, "portico_worker_connections_open"),
        answers: took.len(),
        errors: load.errors.load(Ordering::SeqCst),
        cpu_us: cpu / took.len().max(1) as f64,
        took,
        moved: value(&after, "portico_connections_moved_total").unwrap_or(0.0),
    }
}

/// The value of a metric, by its name with its labels.
fn value(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// What clients are to do.
const COUNT: usize = 1;
const END: usize = 2;

#[derive(Debug, Default)]
struct Load {
    phase: AtomicUsize,
    errors: AtomicUsize,
    took: Mutex<Vec<Duration>>,
}

/// So many clients of one thread, until the end.
fn run(http: SocketAddr, path: &'static str, clients: usize, close: bool, load: &Arc<Load>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let all: Vec<_> =
            (0..clients).map(|_| tokio::spawn(client(http, path, close, Arc::clone(load)))).collect();
        for client in all {
            client.await.unwrap();
        }
    });
}

async fn client(http: SocketAddr, path: &'static str, close: bool, load: Arc<Load>) {
    let closing = if close { "Connection: close\r\n" } else { "" };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{closing}\r\n");
    let (mut kept, mut took, mut buffer) = (None, Vec::new(), vec![0; 16 << 10]);
    loop {
        let (since, counts) = (Instant::now(), load.phase.load(Ordering::Relaxed) == COUNT);
        let asked = tokio::time::timeout(PATIENCE, ask(http, &mut kept, &request, &mut buffer, &load)).await;
        let is_over = load.phase.load(Ordering::Relaxed) == END;
        match asked {
            Ok(Ok(())) if counts && !is_over && path == "/small" => took.push(since.elapsed()),
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => {
                load.errors.fetch_add(1, Ordering::Relaxed);
                kept = None;
            }
        }
        if close {
            kept = None;
        }
        if is_over {
            return load.took.lock().unwrap().extend(took);
        }
    }
}

/// One request over the connection that is kept, or a new one; its answer read to the end, or to that of the load.
async fn ask(
    http: SocketAddr,
    kept: &mut Option<tokio::net::TcpStream>,
    request: &str,
    buffer: &mut [u8],
    load: &Load,
) -> std::io::Result<()> {
    let stream = match kept {
        Some(stream) => stream,
        None => kept.insert(tokio::net::TcpStream::connect(http).await?),
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
        head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()?.parse::<u64>().ok());
    let mut missing = match length {
        Some(length) if head.starts_with("http/1.1 200 ") => length.saturating_sub((read - body) as u64),
        _ => return Err(std::io::ErrorKind::InvalidData.into()),
    };
    while missing > 0 && load.phase.load(Ordering::Relaxed) != END {
        match stream.read(buffer).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => missing = missing.saturating_sub(n as u64),
        }
    }
    Ok(())
}

/// An origin in a thread of its own: a kilobyte, or octets without an end.
fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
    });
    address
}

/// One connection to the origin; its end is none of the bench's business.
async fn serve(mut stream: tokio::net::TcpStream) -> std::io::Result<()> {
    let small = format!("HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n{}", "x".repeat(1024));
    let (mut buffer, block) = (vec![0; 16 << 10], vec![0; 256 << 10]);
    let mut read = 0;
    stream.set_nodelay(true)?;
    loop {
        match stream.read(&mut buffer[read..]).await? {
            0 => return Ok(()),
            n => read += n,
        }
        if !buffer[..read].ends_with(b"\r\n\r\n") {
            continue;
        }
        if buffer.starts_with(b"GET /endless ") {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n").await?;
            loop {
                stream.write_all(&block).await?;
            }
        }
        stream.write_all(small.as_bytes()).await?;
        read = 0;
    }
}

/// A running portico; ended when dropped.
struct Portico {
    child: Child,
    http: SocketAddr,
    admin: SocketAddr,
    _data: tempfile::TempDir,
}

impl Portico {
    fn start(binary: &Path, workers: usize, origin: SocketAddr) -> Self {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (http, admin, data) = (free(), free(), tempfile::tempdir().unwrap());
        let path = |name: &str| data.path().join(name).display().to_string();
        let child = Command::new(binary)
            // Several run side by side; a variable, because older ones are measured too.
            .env("PORTICO_DNS", "off")
            .args(["run", &format!("--workers={workers}"), &format!("--http={http}")])
            .args([&format!("--admin={admin}"), "--registry=memory:", &format!("--data={}", path(""))])
            .arg(format!("--access-log={}", path("access.log")))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is such a binary");
        let portico = Self { child, http, admin, _data: data };
        let body = format!("{{\"host\":\"{HOST}\",\"endpoints\":[\"http://{origin}\"]}}");
        let put = format!(
            "PUT /v1/frontends/{HOST} HTTP/1.1\r\nHost: {admin}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let get = format!("GET /small HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
        for (address, request, answer) in [(admin, put, "HTTP/1.1 20"), (http, get, "HTTP/1.1 200 ")] {
            let began = Instant::now();
            while !exchange(address, &request).is_ok_and(|said| said.starts_with(answer)) {
                assert!(began.elapsed() < PATIENCE, "{address} does not answer");
                thread::sleep(Duration::from_millis(10));
            }
        }
        portico
    }

    fn metrics(&self) -> String {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.admin);
        exchange(self.admin, &request).expect("metrics")
    }

    /// CPU time of all its threads.
    fn cpu_us(&self) -> f64 {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap().flatten();
        let spent = threads.filter_map(|thread| {
            let spent = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            spent.split_whitespace().next()?.parse::<f64>().ok()
        });
        spent.sum::<f64>() / 1e3
    }
}

impl Drop for Portico {
    fn drop(&mut self) {
        let _gone = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGKILL);
        let _gone = self.child.wait();
    }
}

fn exchange(address: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
