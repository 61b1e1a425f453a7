//! Latency at equal load: requests at a fixed rate, whoever answers them.
//!
//! A metronome says when a request is due, evenly; the connection that has waited longest takes it. An answer's time counts from then:
//! when every connection still waits for its last answer, from when the request was due, because it is the proxy who is late.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::LocalSet;

use crate::case::Case;
use crate::machine::{CoreTime, LOAD_CORE};
use crate::peer::{HOST, Running};

/// What one measurement says.
#[derive(Debug, Clone)]
pub(crate) struct Paced {
    /// Requests that were due each second.
    pub(crate) rate: u64,
    /// What each answer took, the quickest first.
    pub(crate) taken: Vec<Duration>,
    pub(crate) errors: u64,
    /// Of the load's core, how much was used.
    pub(crate) load_busy: f64,
}

impl Paced {
    /// The median.
    pub(crate) fn p50_ms(&self) -> f64 {
        at(&self.taken, 0.5)
    }

    /// What one in a hundred exceeds.
    pub(crate) fn p99_ms(&self) -> f64 {
        at(&self.taken, 0.99)
    }
}

/// Milliseconds that such a share of answers, which are in order, took at most.
pub(crate) fn at(taken: &[Duration], share: f64) -> f64 {
    let place = (taken.len().saturating_sub(1)) as f64 * share;
    taken.get(place as usize).map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
}

/// How long an answer may take before it counts as an error.
const PATIENCE: Duration = Duration::from_secs(5);

/// So many requests may be due that nobody was told of.
const AHEAD: usize = 1 << 16;

/// Asks `running` `rate` times a second for `time`.
pub(crate) fn measure(running: &Running, case: &'static Case, rate: u64, time: Duration) -> Paced {
    let http = running.http;
    let load = std::thread::spawn(move || {
        stay_on_load_core();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, Load::run(http, case, rate, time))
    });
    load.join().unwrap()
}

/// What the metronome and the connections share.
struct Load {
    http: SocketAddr,
    case: &'static Case,
    request: String,
    /// When requests were due that nobody has taken yet; a permit for each.
    due: RefCell<VecDeque<Instant>>,
    is_due: Semaphore,
    /// So many connections may come at once, and a permit for each that is here.
    door: Semaphore,
    here: Semaphore,
    taken: RefCell<Vec<Duration>>,
    errors: Cell<u64>,
    scratch: RefCell<Vec<u8>>,
}

impl Load {
    async fn run(http: SocketAddr, case: &'static Case, rate: u64, time: Duration) -> Paced {
        let closing = if case.close { "Connection: close\r\n" } else { "" };
        let load = Rc::new(Self {
            http,
            case,
            request: format!("GET {} HTTP/1.1\r\nHost: {HOST}\r\n{closing}\r\n", case.path),
            due: RefCell::default(),
            is_due: Semaphore::new(0),
            door: Semaphore::new(50),
            here: Semaphore::new(0),
            taken: RefCell::default(),
            errors: Cell::new(0),
            scratch: RefCell::new(vec![0; 256 << 10]),
        });
        let clients: Vec<_> = (0..case.connections)
            .map(|_| {
                let load = Rc::clone(&load);
                tokio::task::spawn_local(async move {
                    let kept = load.come().await;
                    load.client(kept).await;
                })
            })
            .collect();
        // Every connection is there, and has had an answer, before time is taken.
        let all = u32::try_from(case.connections).unwrap();
        load.here.acquire_many(all).await.unwrap().forget();
        let before = CoreTime::of(LOAD_CORE);
        load.beat(rate, time).await;
        let load_busy = CoreTime::of(LOAD_CORE).busy_since(before);
        let patience = Instant::now() + PATIENCE;
        while !load.due.borrow().is_empty() && Instant::now() < patience {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        load.is_due.close();
        for client in clients {
            client.await.unwrap();
        }
        let mut taken = load.taken.take();
        taken.sort_unstable();
        let errors = load.errors.get() + load.due.borrow().len() as u64;
        Paced { rate, taken, errors, load_busy }
    }

    /// Comes before time is taken, unless every request has a connection of its own.
    async fn come(&self) -> Option<TcpStream> {
        let mut kept = None;
        let turn = self.door.acquire().await;
        if !self.case.close && self.ask(&mut kept).await.is_err() {
            self.errors.set(self.errors.get() + 1);
            kept = None;
        }
        drop(turn);
        self.here.add_permits(1);
        kept
    }

    /// Hands on what the metronome says is due.
    async fn beat(&self, rate: u64, time: Duration) {
        let (beat, mut beats) = mpsc::channel(AHEAD);
        let metronome = std::thread::spawn(move || metronome(rate, time, &beat));
        while let Some(due) = beats.recv().await {
            self.due.borrow_mut().push_back(due);
            self.is_due.add_permits(1);
        }
        metronome.join().unwrap();
    }

    /// Asks whenever it is its turn, over the connection that is kept or a new one.
    async fn client(&self, mut kept: Option<TcpStream>) {
        loop {
            let idle = Instant::now();
            let Ok(turn) = self.is_due.acquire().await else { return };
            turn.forget();
            let Some(due) = self.due.borrow_mut().pop_front() else { return };
            // A clock that wakes us late is no fault of the proxy's; an answer that made us late is.
            let since = if due > idle { Instant::now() } else { due };
            match tokio::time::timeout(PATIENCE, self.ask(&mut kept)).await {
                Ok(Ok(())) => self.taken.borrow_mut().push(since.elapsed()),
                Ok(Err(_)) | Err(_) => {
                    self.errors.set(self.errors.get() + 1);
                    kept = None;
                }
            }
            if self.case.close {
                kept = None;
            }
        }
    }

    async fn ask(&self, kept: &mut Option<TcpStream>) -> Result<()> {
        let stream = match kept {
            Some(stream) => stream,
            None => kept.insert(TcpStream::connect(self.http).await?),
        };
        stream.write_all(self.request.as_bytes()).await?;
        let (mut head, mut missing) = (Vec::new(), None);
        while missing != Some(0) {
            stream.readable().await?;
            let mut scratch = self.scratch.borrow_mut();
            let read = match stream.try_read(&mut scratch) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            missing = match missing {
                Some(missing) => Some(usize::saturating_sub(missing, read)),
                None => {
                    head.extend_from_slice(&scratch[..read]);
                    body(&head)?.map(|(start, length)| (start + length).saturating_sub(head.len()))
                }
            };
        }
        Ok(())
    }
}

/// Says when requests are due. A thread that sleeps, because timers of the runtime are as coarse as a millisecond.
fn metronome(rate: u64, time: Duration, beat: &mpsc::Sender<Instant>) {
    stay_on_load_core();
    nix::sys::prctl::set_timerslack(1).unwrap();
    let (every, start) = (Duration::from_secs_f64(1.0 / rate as f64), Instant::now());
    for n in 0.. {
        let due = start + every.mul_f64(f64::from(n));
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if due >= start + time || beat.blocking_send(due).is_err() {
            return;
        }
    }
}

fn stay_on_load_core() {
    let mut core = nix::sched::CpuSet::new();
    core.set(LOAD_CORE).unwrap();
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &core).unwrap();
}

/// Where the body begins and how long it is, when `octets` have the whole head of a 200.
fn body(octets: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&octets[..end]).to_lowercase();
    let length =
        head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()?.trim().parse().ok());
    match length {
        Some(length) if head.starts_with("http/1.1 200 ") => Ok(Some((end + 4, length))),
        _ => Err(Error::from(ErrorKind::InvalidData)),
    }
}
