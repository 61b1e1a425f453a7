//! Clients: each connection asks some things and is closed, some are left in the middle.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::origins::LARGE;
use super::routes::{Owner, Routes};
use super::{ENOUGH, Plan};
use crate::world::{Connection, Reply};

/// Threads that ask.
const THREADS: usize = 16;
/// One connection in so many is left with a request under way.
const LEFT: usize = 50;

/// What was asked, and how it was answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) answered: usize,
    pub(crate) connections: usize,
    /// Requests that nobody waited for.
    pub(crate) left: usize,
    /// The first answers that were wrong.
    pub(crate) wrong: Vec<String>,
}

impl Asked {
    pub(super) fn add(&mut self, other: &Self) {
        self.answered += other.answered;
        self.connections += other.connections;
        self.left += other.left;
        self.wrong.extend(other.wrong.iter().cloned());
    }
}

struct Shared {
    routes: Arc<Routes>,
    http: SocketAddr,
    next: AtomicUsize,
    asked: Mutex<Asked>,
    plan: Plan,
    begin: Instant,
}

/// Clients at work.
pub(super) struct Clients {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    pub(super) fn start(http: SocketAddr, routes: &Arc<Routes>, plan: Plan) -> Self {
        let (next, asked) = (AtomicUsize::new(0), Mutex::default());
        let begin = Instant::now();
        let shared = Arc::new(Shared { routes: Arc::clone(routes), http, next, asked, plan, begin });
        let work = |_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.work())
        };
        let threads = (0..THREADS).map(work).collect();
        Self { shared, threads }
    }

    /// How many answers were wrong so far.
    pub(super) fn wrong(&self) -> usize {
        self.shared.asked.lock().unwrap().wrong.len()
    }

    /// Waits for the end, and does this once a second.
    pub(super) fn finish(self, mut each_second: impl FnMut()) -> Asked {
        let mut looked = Instant::now();
        while self.threads.iter().any(|thread| !thread.is_finished()) {
            thread::park_timeout(Duration::from_millis(50));
            if looked.elapsed() >= Duration::from_secs(1) {
                looked = Instant::now();
                each_second();
            }
        }
        for thread in self.threads {
            thread.join().unwrap();
        }
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Shared {
    /// One connection after the other, each in its time.
    fn work(&self) {
        let each = self.plan.requests / self.plan.connections;
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.plan.connections || self.asked.lock().unwrap().wrong.len() >= ENOUGH {
                return;
            }
            let due = self.begin + self.plan.time.mul_f64(number as f64 / self.plan.connections as f64);
            thread::park_timeout(due.saturating_duration_since(Instant::now()));
            let mut connection = Connection::open(self.http);
            let left = usize::from(number % LEFT == LEFT - 1);
            let wrong: Vec<String> = (0..each - left)
                .filter_map(|turn| self.ask(&mut connection, number * 31 + turn * 17, turn))
                .collect();
            if left == 1 {
                connection.get(&Routes::host(number), "/large/left");
            }
            let answered = each - left;
            self.asked.lock().unwrap().add(&Asked { answered, connections: 1, left, wrong });
        }
    }

    /// One request; what is wrong with its answer.
    fn ask(&self, connection: &mut Connection, host: usize, turn: usize) -> Option<String> {
        let name = Routes::host(host);
        let allowed = self.routes.allowed(host);
        let (path, body) = match turn % 5 {
            0 => (format!("/large/{host}"), String::new()),
            1 => (format!("/post/{host}"), "y".repeat(host * 13 % 9_000)),
            _ => (format!("/{host}"), String::new()),
        };
        if body.is_empty() {
            connection.get(&name, &path);
        } else {
            let length = body.len();
            connection.send(format!(
                "POST {path} HTTP/1.1\r\nHost: {name}\r\nContent-Length: {length}\r\n\r\n{body}"
            ));
        }
        let sum: u64 = body.bytes().map(u64::from).sum();
        let Some(reply) = connection.read() else { return Some(format!("{name}{path}: no answer")) };
        let Ok(owner) = read(&reply, &format!(" {name} {path} {sum}\n"), path.starts_with("/large/")) else {
            return Some(format!("{name}{path}: {} {:.200}", reply.status, reply.body));
        };
        let right = self.routes.may_answer(host, &allowed, owner);
        (!right).then(|| format!("{name}{path}: answered by {owner:?}, who is not allowed to"))
    }
}

/// Who answered, where it is the answer to what was asked.
fn read(reply: &Reply, expected: &str, large: bool) -> Result<Owner, ()> {
    match reply.status {
        400 => Ok(None),
        200 => {
            let (number, rest) = reply.body.split_at_checked(1).ok_or(())?;
            let follows = rest.strip_prefix(expected).ok_or(())?;
            let length = if large { LARGE } else { 0 };
            let whole = follows.len() == length && follows.bytes().all(|octet| octet == b'x');
            if whole { number.parse().map(Some).map_err(drop) } else { Err(()) }
        }
        _ => Err(()),
    }
}
