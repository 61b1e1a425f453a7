//! Random frontends that change all the while: each is named another backend, and leads where it led.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::store::{self, Store};
use crate::world::{Connection, Portico};

/// How many writers there are: each waits for the answer to its change.
const WRITERS: u64 = 8;

/// Changes under way.
pub(crate) struct Changes {
    ended: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    begun: Instant,
    writers: Vec<JoinHandle<()>>,
}

/// What a writer changes.
#[derive(Clone)]
struct Task {
    frontends: usize,
    origin: String,
    /// Between two changes of one writer.
    every: Duration,
}

impl Changes {
    /// Has `rate` frontends a second change: through the admin API, or in Redis, as its users do.
    pub(crate) fn start(portico: &Portico, store: &Store, frontends: usize, rate: u64, origin: &str) -> Self {
        let (ended, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let every = Duration::from_secs_f64(WRITERS as f64 / rate.max(1) as f64);
        let task = Task { frontends, origin: origin.to_owned(), every };
        let writers = (0..WRITERS).map(|seed| {
            let (task, ended, done) = (task.clone(), Arc::clone(&ended), Arc::clone(&done));
            let mut change: Box<dyn FnMut(usize, u64) + Send> = match store {
                Store::Redis(redis) => Box::new(in_redis(redis.port())),
                Store::Embedded(_) | Store::Memory => Box::new(by_api(portico.admin(), task.origin.clone())),
            };
            std::thread::spawn(move || {
                let (mut dice, mut due) = (fastrand::Rng::with_seed(seed), Instant::now());
                while !ended.load(Ordering::Relaxed) {
                    change(dice.usize(..task.frontends), dice.u64(..));
                    done.fetch_add(1, Ordering::Relaxed);
                    due += task.every;
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                }
            })
        });
        Self { writers: writers.collect(), ended, done, begun: Instant::now() }
    }

    /// Ends them; how many there were a second.
    pub(crate) fn end(self) -> f64 {
        let rate = self.done.load(Ordering::Relaxed) as f64 / self.begun.elapsed().as_secs_f64();
        self.ended.store(true, Ordering::Relaxed);
        self.writers.into_iter().for_each(|writer| writer.join().unwrap());
        rate
    }
}

fn in_redis(port: u16) -> impl FnMut(usize, u64) + Send {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    move |n, new| {
        let (key, backend) = (format!("frontend:{}", store::host(n)), format!("{}-{new}", store::backend(n)));
        stream.write_all(store::command(&["LSET", &key, "0", &backend]).as_bytes()).unwrap();
        let mut line = String::new();
        replies.read_line(&mut line).unwrap();
        assert_eq!(line, "+OK\r\n");
    }
}

fn by_api(admin: SocketAddr, origin: String) -> impl FnMut(usize, u64) + Send {
    let mut connection = Connection::open(admin);
    move |n, new| {
        let (host, backend) = (store::host(n), store::backend(n));
        let body =
            format!("{{\"host\":\"{host}\",\"backend\":\"{backend}-{new}\",\"endpoints\":[\"{origin}\"]}}");
        connection.send(format!(
            "PUT /v1/frontends/{host} HTTP/1.1\r\nHost: {admin}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        let reply = connection.read().expect("an answer");
        assert!(reply.status < 300, "{reply:?}");
    }
}
