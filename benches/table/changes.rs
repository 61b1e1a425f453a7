//! Random frontends that change all the while: each is named another backend, and leads where it led.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::cores;
use crate::machine::LOAD_CORE;
use crate::store::{self, Serving};
use crate::world::{Connection, until_within};

/// How many writers there are: each waits for the answer to its change.
const WRITERS: u64 = 8;

/// How long it may take until changes are served before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Changes under way.
pub(crate) struct Changes<'a> {
    serving: &'a Serving,
    ended: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    begun: Instant,
    /// Each returns the host and the backend of its last change.
    writers: Vec<JoinHandle<(String, String)>>,
}

/// What was changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    /// Changes a second that were written and answered.
    pub(crate) rate: f64,
    /// From the last one until requests are routed by all of them, in milliseconds.
    pub(crate) behind: f64,
}

/// Gives a host this backend.
type Change = Box<dyn FnMut(&str, &str) + Send>;

/// What a writer changes.
#[derive(Clone)]
struct Task {
    frontends: usize,
    origin: String,
    /// Between two changes of one writer.
    every: Duration,
}

impl<'a> Changes<'a> {
    /// Has `rate` frontends a second change: through the admin API, or in Redis, as its users do. Writers stay on the load's core, and
    /// each has frontends of its own.
    pub(crate) fn start(serving: &'a Serving, frontends: usize, rate: u64, origin: &str) -> Self {
        let (ended, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let every = Duration::from_secs_f64(WRITERS as f64 / rate.max(1) as f64);
        let task = Task { frontends, origin: origin.to_owned(), every };
        let writers = (0..WRITERS).map(|seed| {
            let (task, ended, done) = (task.clone(), Arc::clone(&ended), Arc::clone(&done));
            let mut change: Change = match &serving.redis {
                Some(redis) => Box::new(in_redis(redis.port())),
                None => Box::new(by_api(serving.portico.admin(), task.origin.clone())),
            };
            std::thread::spawn(move || {
                cores::stay(LOAD_CORE);
                cores::give_way(nix::unistd::gettid());
                let mut dice = fastrand::Rng::with_seed(seed);
                // Writers take turns, as clients do that know nothing of one another.
                let mut due = Instant::now() + task.every.mul_f64(seed as f64 / WRITERS as f64);
                loop {
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    let n =
                        dice.usize(..task.frontends / WRITERS as usize) * WRITERS as usize + seed as usize;
                    let (host, backend) = (store::host(n), format!("{}-{}", store::backend(n), dice.u32(..)));
                    change(&host, &backend);
                    done.fetch_add(1, Ordering::Relaxed);
                    due += task.every;
                    if ended.load(Ordering::Relaxed) {
                        return (host, backend);
                    }
                }
            })
        });
        Self { serving, writers: writers.collect(), ended, done, begun: Instant::now() }
    }

    /// Ends them, and waits until all are served.
    pub(crate) fn end(self) -> Written {
        let rate = self.done.load(Ordering::Relaxed) as f64 / self.begun.elapsed().as_secs_f64();
        self.ended.store(true, Ordering::Relaxed);
        let last: Vec<_> = self.writers.into_iter().map(|writer| writer.join().unwrap()).collect();
        let ended = Instant::now();
        let portico = &self.serving.portico;
        let mut admin = Connection::open(portico.admin());
        until_within(PATIENCE, "every change is in the registry, and served", || {
            let is_known = last.iter().all(|(host, backend)| {
                let reply = admin.get("127.0.0.1", &format!("/v1/frontends/{host}")).read();
                reply.is_some_and(|reply| reply.body.contains(&format!("\"{backend}\"")))
            });
            let serving = || portico.metric("portico_proxy_serving_revision");
            (is_known && serving() >= portico.metric("portico_registry_revision")).then_some(())
        });
        Written { rate, behind: ended.elapsed().as_secs_f64() * 1e3 }
    }
}

fn in_redis(port: u16) -> impl FnMut(&str, &str) + Send {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    move |host, backend| {
        let key = format!("frontend:{host}");
        stream.write_all(store::command(&["LSET", &key, "0", backend]).as_bytes()).unwrap();
        let mut line = String::new();
        replies.read_line(&mut line).unwrap();
        assert_eq!(line, "+OK\r\n");
    }
}

fn by_api(admin: SocketAddr, origin: String) -> impl FnMut(&str, &str) + Send {
    let mut connection = Connection::open(admin);
    move |host, backend| {
        let body = format!("{{\"host\":\"{host}\",\"backend\":\"{backend}\",\"endpoints\":[\"{origin}\"]}}");
        connection.send(format!(
            "PUT /v1/frontends/{host} HTTP/1.1\r\nHost: {admin}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        let reply = connection.read().expect("an answer");
        assert!(reply.status < 300, "{reply:?}");
    }
}
