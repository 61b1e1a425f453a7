//! The proxy as the rest of the house sees it: bound, started, asked about, drained.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use model::{Address, Alarm, DeadMarks, HealthReport, ProxyReport, Snapshot};
use tokio::sync::{mpsc, watch};

use crate::accept::descriptors::Descriptors;
use crate::accept::{BindError, listen};
use crate::apart::Apart;
use crate::caught::watched;
use crate::clock::now_ms;
use crate::config::{Config, MAX_MOVED};
use crate::follow::{self, Follower};
use crate::health::States;
use crate::health::check::{Checker, Checks, Counts};
use crate::log::{LogError, Writer};
use crate::memory::{self, Memory};
use crate::metrics::{Metrics, Totals};
use crate::middleware::Via;
use crate::respond::PagesError;
use crate::route::{Explanation, RouteTable};
use crate::settings::{Settings, open_files};
use crate::spread::Loads;
use crate::thread_main;
use crate::upstream::gate::Gates;
use crate::upstream::guard::{Guard, Refusal};
use crate::upstream::resolve::Resolver;
use crate::upstream::unix::{self, Barred};
use crate::worker::Shared;

/// How long the threads may take to end once the drain's deadline has passed.
const THREAD_DEADLINE: Duration = Duration::from_secs(2);
/// How long the access log's last lines may take to be written.
const LOG_DEADLINE: Duration = Duration::from_secs(2);

/// What the registry gives the proxy, and what it takes from it.
#[derive(Debug)]
pub struct Inputs {
    /// The facts, one snapshot after the other.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// The dead marks of all writers.
    pub marks: watch::Receiver<Arc<DeadMarks>>,
    /// False until the routes are known, be it from the last known good file: what no route takes is 503 until then, not 400.
    pub known: watch::Receiver<bool>,
    /// Where our own marks go; full is counted, never waited for.
    pub health: mpsc::Sender<HealthReport>,
    /// Told when a part of the proxy that it lives by ends by a panic: it is to be drained then, and started anew.
    pub alarm: Alarm,
}

/// Why a proxy cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The error pages.
    #[error(transparent)]
    Pages(#[from] PagesError),
    /// A thread or its reactor.
    #[error("cannot start a thread of the proxy: {0}")]
    Thread(#[from] std::io::Error),
}

/// Why a new configuration was not taken; the old one goes on.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The error pages.
    #[error(transparent)]
    Pages(#[from] PagesError),
    /// The access log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Settings that take a restart.
    #[error("cannot change while running, restart instead: {}", .0.join(", "))]
    Fixed(Vec<&'static str>),
}

/// Listeners that are bound, and a configuration that was checked: nothing is served yet.
#[derive(Debug)]
pub struct Bound {
    config: Config,
    /// For each thread, its listener at each address.
    threads: Vec<Vec<TcpListener>>,
    addresses: Vec<SocketAddr>,
    /// Listeners that no endpoint may be.
    own: Vec<SocketAddr>,
    metrics: Arc<Metrics>,
    writer: Writer,
}

/// Why a proxy cannot have what only a privileged process may take.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A listener.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The access log.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Binds every listener of `config` and opens its access log: what has to be done before privileges are dropped.
///
/// # Errors
/// [`OpenError`] names the address or file; what was bound before it is released.
pub fn bind(config: &Config) -> Result<Bound, OpenError> {
    let workers = match config.workers {
        0 => thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let mut threads: Vec<Vec<TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
    let mut addresses = Vec::new();
    let mut own = Vec::new();
    for address in config.listen.iter().map(|listener| listener.address) {
        let dual = is_dual(address, config);
        let listeners = listen(address, workers, dual)?;
        let bound = listeners.first().and_then(|listener| listener.local_addr().ok());
        addresses.extend(bound);
        own.extend(bound);
        own.extend(bound.filter(|_| dual).map(in_ipv4));
        for (thread, listener) in threads.iter_mut().zip(listeners) {
            thread.push(listener);
        }
    }
    let metrics = Metrics::new();
    let writer = Writer::start(&config.access_log, workers, &metrics)?;
    Ok(Bound { config: config.clone(), threads, addresses, own, metrics, writer })
}

/// True when an address is for both families: `[::]`, unless IPv4 has a listener of its own at that port.
fn is_dual(address: SocketAddr, config: &Config) -> bool {
    let has_own = |other: SocketAddr| other.is_ipv4() && other.port() == address.port() && other.port() != 0;
    config.dual_stack && is_any_v6(address) && !config.listen.iter().any(|other| has_own(other.address))
}

fn is_any_v6(address: SocketAddr) -> bool {
    address.is_ipv6() && address.ip().is_unspecified()
}

/// The IPv4 side of a listener for both families.
fn in_ipv4(address: SocketAddr) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()))
}

impl Bound {
    /// The addresses, with the ports that were found for port 0, in the order of the configuration.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Names a listener of the process that is not the proxy's: no endpoint may be there.
    pub fn guards(&mut self, listener: SocketAddr) {
        self.own.push(listener);
        // Whether such a one takes IPv4 too is its own business: better one too many.
        self.own.extend(Some(listener).filter(|&listener| is_any_v6(listener)).map(in_ipv4));
    }

    /// Starts the threads, and on the current runtime what follows the registry. Serves from the first snapshot on.
    ///
    /// # Errors
    /// [`StartError`] says what is in the way.
    pub fn start(self, inputs: Inputs) -> Result<Proxy, StartError> {
        let (metrics, writer, alarm) = (self.metrics, self.writer, inputs.alarm);
        let settings = Arc::new(ArcSwap::from_pointee(Settings::new(self.config)?));
        let states = Arc::new(States::default());
        // What the registry knows already is there before the first request, also when that waited in the backlog; whether it does
        // is asked before what.
        let known = AtomicBool::new(*inputs.known.borrow());
        let snapshot = Arc::clone(&inputs.snapshots.borrow());
        let table = Arc::new(ArcSwap::from_pointee(RouteTable::from_snapshot(snapshot, &states)));
        let (report, reports) = watch::channel(Arc::new(ProxyReport::default()));
        let (doors, given): (Vec<_>, Vec<_>) = self.threads.iter().map(|_| mpsc::channel(MAX_MOVED)).unzip();
        let shared = Arc::new(Shared {
            table,
            settings: Arc::clone(&settings),
            states,
            connections: Apart::default(),
            listeners: self.addresses.iter().map(|_| Apart::default()).collect(),
            addresses: Apart::default(),
            memory: Arc::default(),
            descriptors: Descriptors::new(open_files()),
            gates: settings.load().config.upstream.connections.map(|most| Arc::new(Gates::new(most))),
            loads: Loads::new(doors.len()),
            doors: doors.into(),
            cut_off: AtomicUsize::new(0),
            retries: Arc::default(),
            via: Via::by_chance(fastrand::u64(..)),
            guard: Guard::new(self.own),
            health: inputs.health,
            known,
            active_checker: AtomicBool::new(false),
        });
        watch_memory(&shared, &alarm);
        let (served, serves) = watch::channel(shared.table.load().revision());
        let checks = Arc::new(Counts::default());
        let follower = Follower {
            shared: Arc::clone(&shared),
            served,
            checks: Arc::clone(&checks),
            metrics: Arc::clone(&metrics),
            writer: writer.clone(),
            snapshots: inputs.snapshots,
            marks: inputs.marks,
            known: inputs.known,
        };
        let following = follow::follow(follower, report);
        tokio::spawn(watched(alarm.watch("what follows the registry"), following));
        let resolver = Resolver::start(&settings.load().config.upstream, &alarm);
        let (drain, draining) = watch::channel(false);
        if settings.load().config.health.active_checks {
            let checker = Checker::new(Arc::clone(&shared), resolver.clone(), Arc::clone(&checks));
            let checking = checker.run(serves, draining.clone());
            tokio::spawn(watched(alarm.watch("the checker"), checking));
        }
        let (alive, ended) = mpsc::channel(1);
        for (number, (listeners, given)) in self.threads.into_iter().zip(given).enumerate() {
            let start = thread_main::Start {
                number,
                shared: Arc::clone(&shared),
                resolver: resolver.clone(),
                metrics: Arc::clone(&metrics),
                writer: writer.clone(),
                listeners,
                given,
                draining: draining.clone(),
                alarm: alarm.clone(),
                alive: alive.clone(),
            };
            thread::Builder::new().name(format!("proxy-{number}")).spawn(move || thread_main::run(start))?;
        }
        let ended = Arc::new(tokio::sync::Mutex::new(ended));
        let addresses = self.addresses.into();
        let drain = Arc::new(drain);
        Ok(Proxy { shared, metrics, reports, writer, drain, ended, addresses, resolver, checks })
    }
}

/// Keeps the gauge of `shared` true, by what the settings say of the limit.
fn watch_memory(shared: &Shared, alarm: &Alarm) {
    let configured = Arc::clone(&shared.settings);
    let gauging = memory::watch(Arc::clone(&shared.memory), move || configured.load().config.memory);
    tokio::spawn(watched(alarm.watch("the watch over memory"), gauging));
}

/// A running proxy.
#[derive(Debug, Clone)]
pub struct Proxy {
    shared: Arc<Shared>,
    metrics: Arc<Metrics>,
    reports: watch::Receiver<Arc<ProxyReport>>,
    writer: Writer,
    drain: Arc<watch::Sender<bool>>,
    /// Closes when the last thread has ended. Locked by [`Proxy::drain`] alone.
    ended: Arc<tokio::sync::Mutex<mpsc::Receiver<()>>>,
    addresses: Arc<[SocketAddr]>,
    resolver: Resolver,
    checks: Arc<Counts>,
}

impl Proxy {
    /// The addresses it listens on.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What it says of itself, anew whenever it serves another revision, and once a second.
    pub fn reports(&self) -> watch::Receiver<Arc<ProxyReport>> {
        self.reports.clone()
    }

    /// What it has counted so far.
    pub fn totals(&self) -> Totals {
        let mut totals = self.metrics.totals();
        totals.panics += self.checks.panicked() + self.resolver.panicked();
        totals
    }

    /// What each of its threads counted so far.
    pub fn by_worker(&self) -> Vec<Totals> {
        self.metrics.by_worker()
    }

    /// What its active checks counted so far.
    pub fn checks(&self) -> Checks {
        self.checks.read()
    }

    /// How near it is to its memory limit.
    pub fn memory(&self) -> Memory {
        self.shared.memory.read()
    }

    /// Client connections open now.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// How a request for `host` and `path` (canonical) would be routed now, and why.
    pub fn explain(&self, host: &str, path: &str) -> Explanation {
        let mut explanation = self.shared.table.load().explain(host, path.as_bytes(), now_ms());
        if let Some(matched) = &mut explanation.matched {
            for endpoint in &mut matched.endpoints {
                endpoint.refused = self.refuses(&endpoint.address);
                endpoint.serves &= endpoint.refused.is_none();
                endpoint.check_failure =
                    self.shared.states.check_failure(&matched.frontend, &endpoint.address);
            }
        }
        explanation
    }

    /// The routes that new requests are routed by.
    pub fn table(&self) -> Arc<RouteTable> {
        self.shared.table.load_full()
    }

    /// Why no connection is made to this endpoint; `None`: one may be, or nobody knows yet what its name resolves to.
    pub fn refuses(&self, address: &Address) -> Option<Refusal> {
        let settings = self.shared.settings.load();
        if let Address::Unix(path) = address {
            return match unix::locate(path, &settings.config.upstream) {
                Err(Barred::Refused(refusal)) => Some(refusal),
                Ok(_) | Err(Barred::Unreachable(_)) => None,
            };
        }
        let judge = |socket| self.shared.guard.judge(socket, &settings.config.upstream).err();
        let mut last = None;
        for socket in self.resolver.last_known(address) {
            last = Some(judge(socket)?);
        }
        last
    }

    /// Opens the access log's file anew (after it was moved away).
    pub fn reopen_log(&self) {
        self.writer.reopen();
    }

    /// Takes what can change while running from `config`: limits, timeouts, trusted peers, error pages, health rules, the access log.
    ///
    /// # Errors
    /// [`ReloadError`]; nothing has changed then.
    pub fn reload(&self, config: &Config) -> Result<(), ReloadError> {
        let old = self.shared.settings.load();
        let fixed: Vec<&'static str> = [
            ("listen", !old.config.listens_as(config)),
            ("access log's queue", old.config.access_log.queue_bytes != config.access_log.queue_bytes),
            ("connections to an endpoint", old.config.upstream.connections != config.upstream.connections),
            ("dual stack", old.config.dual_stack != config.dual_stack),
            ("active checks", old.config.health.active_checks != config.health.active_checks),
            ("workers", old.config.workers != config.workers),
            ("resolve interval", old.config.upstream.resolve_interval != config.upstream.resolve_interval),
        ]
        .into_iter()
        .filter_map(|(name, changed)| changed.then_some(name))
        .collect();
        if !fixed.is_empty() {
            return Err(ReloadError::Fixed(fixed));
        }
        let settings = Settings::new(config.clone())?;
        self.writer.reload(&config.access_log)?;
        self.shared.settings.store(Arc::new(settings));
        Ok(())
    }

    /// Stops accepting, ends idle connections, and waits until every request in flight has ended, or `config.drain` has
    /// passed. Returns true when all ended by themselves: nothing was cut off.
    pub async fn drain(&self) -> bool {
        self.drain.send_replace(true);
        let deadline = self.shared.settings.load().config.drain;
        let mut ended = self.ended.lock().await;
        let all = tokio::time::timeout(deadline.saturating_add(THREAD_DEADLINE), ended.recv()).await.is_ok();
        drop(ended);
        let writer = self.writer.clone();
        // What the threads logged is written before we say that all is done.
        let _panicked = tokio::task::spawn_blocking(move || writer.close(LOG_DEADLINE)).await;
        all && self.shared.cut_off.load(Ordering::Relaxed) == 0
    }
}
