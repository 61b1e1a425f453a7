//! One thread of the proxy: everything a request needs is here, owned by the thread, so that no request ever locks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arc_swap::{ArcSwap, Cache};
use model::{Address, FactKey, HealthReport, HealthVerdict, HostPattern};
use tokio::sync::mpsc;

use crate::accept::Addresses;
use crate::accept::buffer::Shelf;
use crate::accept::deadline::{Deadline, Deadlines};
use crate::accept::descriptors::Descriptors;
use crate::accept::handover::Given;
use crate::apart::Apart;
use crate::clock::{Millis, millis, now_ms};
use crate::config::UpstreamLimits;
use crate::health::{DeadReason, InFlight, Marked, Recent, RetryBudget, States};
use crate::http::ResponseHead;
use crate::log::Sink;
use crate::memory::{Gauge, LOOK_MS, Pressure, give_back};
use crate::metrics::{Counters, Limit};
use crate::middleware::Via;
use crate::route::{Route, RouteTable};
use crate::settings::Settings;
use crate::spread::{Loads, Spread};
use crate::upstream::gate::{Gates, Used};
use crate::upstream::guard::Guard;
use crate::upstream::pool::Pool;
use crate::upstream::resolve::Resolver;
use crate::upstream::splice::Pipes;

/// Octets of a buffer for requests.
const REQUEST_BUFFER: usize = 16 << 10;
/// Octets of what a request waits in for its answer, where they are enough for it.
const SNUG_BUFFER: usize = 1 << 10;
/// Octets of a buffer for responses: the larger, the fewer system calls a body takes. A body of 64 KiB, which many are, comes
/// and goes with its head in one call each.
pub(crate) const RESPONSE_BUFFER: usize = 72 << 10;
/// Unused buffers of a kind that a thread keeps.
const KEPT_BUFFERS: usize = 256;
/// The same of the small ones.
const KEPT_SNUG: usize = 4096;

/// What all threads share. The request path loads from it, and never waits for it; what it writes stands apart.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) table: Arc<ArcSwap<RouteTable>>,
    pub(crate) settings: Arc<ArcSwap<Settings>>,
    /// What is known of endpoints, beside the table. Locked to write a mark, which is rare.
    pub(crate) states: Arc<States>,
    /// Client connections open, over all threads.
    pub(crate) connections: Apart<AtomicUsize>,
    /// Client connections of each listener, in the order of the configuration; counted where they are limited.
    pub(crate) listeners: Box<[Apart<AtomicUsize>]>,
    /// Client connections of each address.
    pub(crate) addresses: Apart<Addresses>,
    /// How near the limit of memory is.
    pub(crate) memory: Arc<Gauge>,
    /// How near the limit of open files is.
    pub(crate) descriptors: Descriptors,
    /// Where connections to an endpoint are limited: who may have one.
    pub(crate) gates: Option<Arc<Gates>>,
    /// How many connections each thread has at work.
    pub(crate) loads: Loads,
    /// The way to each thread, for connections that another one has too many of.
    pub(crate) doors: Box<[mpsc::Sender<Given>]>,
    /// Exchanges that the drain's deadline cut off, over all threads.
    pub(crate) cut_off: AtomicUsize,
    /// Retries of the last second.
    pub(crate) retries: Arc<Recent>,
    /// Who we are in `Via`.
    pub(crate) via: Via,
    /// Our own listeners, which no endpoint may be.
    pub(crate) guard: Guard,
    pub(crate) health: mpsc::Sender<HealthReport>,
    /// False until the routes are known and in the table. Whoever asks does so before it looks into the table.
    pub(crate) known: AtomicBool,
    /// True while an active checker proves itself alive: a 500 then counts as death, as in hipache.
    pub(crate) active_checker: AtomicBool,
}

impl Shared {
    /// Client connections open at a listener that limits them.
    pub(crate) fn open_at(&self, place: usize) -> usize {
        self.listeners.get(place).map_or(0, |open| open.load(Ordering::Relaxed))
    }
}

/// One thread of the proxy.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    table: RefCell<Cache<Arc<ArcSwap<RouteTable>>, Arc<RouteTable>>>,
    /// The thread's own copy: no cache line moves between cores for its count.
    settings: RefCell<Rc<Settings>>,
    /// What it is a copy of.
    copied: RefCell<Arc<Settings>>,
    pub(crate) requests: Rc<Shelf>,
    /// Where requests that are sent wait for their answers.
    pub(crate) snug: Rc<Shelf>,
    pub(crate) responses: Rc<Shelf>,
    scratch: RefCell<Vec<Vec<u8>>>,
    #[expect(clippy::vec_box, reason = "a head passes through many hands: what moves is where it is")]
    heads: RefCell<Vec<Box<ResponseHead>>>,
    pub(crate) deadlines: Deadlines,
    pub(crate) pool: Pool,
    /// What large bodies go through.
    pub(crate) pipes: Pipes,
    pub(crate) gates: Option<Used>,
    pub(crate) resolver: Resolver,
    pub(crate) rng: RefCell<fastrand::Rng>,
    pub(crate) budget: RefCell<RetryBudget>,
    pub(crate) counters: Counters,
    pub(crate) log: Sink,
    phase: Cell<Phase>,
    /// Client connections open at this thread.
    open: Cell<usize>,
    /// Exchanges going on at this thread.
    busy: Cell<usize>,
    /// Connections that are being told that there is no room for them.
    refusals: Cell<usize>,
    /// When memory was last given back because it is short.
    relieved: Cell<Millis>,
    spread: Spread,
}

/// Where a thread stands on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    /// No request follows the one in flight.
    Draining,
    /// The time for those in flight is up too.
    Over,
}

impl Worker {
    /// The state of the thread with this `number`; `log` and `counters` are its own.
    pub(crate) fn new(
        number: usize,
        shared: Arc<Shared>,
        resolver: Resolver,
        counters: Counters,
        log: Sink,
    ) -> Self {
        let settings = shared.settings.load_full();
        let upstream = &settings.config.upstream;
        let budget = budget(upstream, &shared);
        Self {
            table: RefCell::new(Cache::new(Arc::clone(&shared.table))),
            settings: RefCell::new(Rc::new(Settings::clone(&settings))),
            copied: RefCell::new(settings),
            requests: Shelf::new(REQUEST_BUFFER, KEPT_BUFFERS),
            snug: Shelf::new(SNUG_BUFFER, KEPT_SNUG),
            responses: Shelf::new(RESPONSE_BUFFER, KEPT_BUFFERS),
            scratch: RefCell::default(),
            heads: RefCell::default(),
            deadlines: Deadlines::default(),
            pool: Pool::default(),
            pipes: Pipes::default(),
            gates: shared.gates.clone().map(Used::new),
            resolver,
            rng: RefCell::new(fastrand::Rng::new()),
            budget: RefCell::new(budget),
            counters,
            log,
            phase: Cell::new(Phase::Serving),
            open: Cell::new(0),
            busy: Cell::new(0),
            refusals: Cell::new(0),
            relieved: Cell::new(0),
            spread: Spread::new(number),
            shared,
        }
    }

    /// The time.
    pub(crate) fn now(&self) -> Millis {
        now_ms()
    }

    /// The moment `wait` milliseconds from now.
    pub(crate) fn after(&self, wait: u64) -> Millis {
        now_ms().saturating_add(wait)
    }

    /// Runs `find` on the table of this moment: the one lock-free load of a request.
    pub(crate) fn with_table<T>(&self, find: impl FnOnce(&RouteTable) -> T) -> T {
        find(self.table.borrow_mut().load())
    }

    /// The settings as of the last sweep.
    pub(crate) fn settings(&self) -> Rc<Settings> {
        Rc::clone(&self.settings.borrow())
    }

    /// Chance.
    pub(crate) fn roll(&self) -> usize {
        self.rng.borrow_mut().usize(..)
    }

    /// Empty scratch memory for a head; give it back with [`Worker::give_scratch`].
    pub(crate) fn take_scratch(&self) -> Vec<u8> {
        self.scratch.borrow_mut().pop().unwrap_or_default()
    }

    /// Scratch memory for the next head; what grew large is let go.
    pub(crate) fn give_scratch(&self, mut scratch: Vec<u8>) {
        let mut kept = self.scratch.borrow_mut();
        if kept.len() < KEPT_BUFFERS && scratch.capacity() <= REQUEST_BUFFER {
            scratch.clear();
            kept.push(scratch);
        }
    }

    /// A response head with memory of its own; give it back with [`Worker::give_head`].
    pub(crate) fn take_head(&self) -> Box<ResponseHead> {
        self.heads.borrow_mut().pop().unwrap_or_default()
    }

    /// Memory for the next response head.
    pub(crate) fn give_head(&self, head: Box<ResponseHead>) {
        let mut kept = self.heads.borrow_mut();
        if kept.len() < KEPT_BUFFERS {
            kept.push(head);
        }
    }

    /// Marks the endpoint at `index` of `route` dead, here at once and in the registry soon. Never the last live one.
    /// `host` is what the client asked for: hipache names its marks by it, planb with the port where the frontend has one.
    pub(crate) fn bury(&self, host: &str, route: &Route, index: usize, reason: DeadReason) {
        let ttl = self.settings().config.health.dead_ttl;
        let Some(candidate) = route.candidate(index) else { return };
        if self.shared.states.mark_dead(route, index, reason, self.now(), millis(ttl)) != Marked::Now {
            return;
        }
        self.counters.dead_mark();
        if reason == DeadReason::Forbidden || matches!(candidate.address(), Address::Unix(_)) {
            // Each node judges by its own settings and listeners, and a Unix socket is another one on each machine.
            return;
        }
        let ttl_seconds = u32::try_from(ttl.as_secs().max(1)).unwrap_or(u32::MAX);
        let host = match &route.frontend().host {
            HostPattern::OnPort(host) => host,
            HostPattern::Any | HostPattern::Suffix(_) | HostPattern::Exact(_) => host,
        };
        let report = HealthReport {
            host: host.into(),
            frontend: route.key(),
            address: candidate.address().clone(),
            verdict: HealthVerdict::Dead { ttl_seconds },
        };
        if self.shared.health.try_send(report).is_err() {
            self.counters.health_report_dropped();
        }
    }

    /// As [`Worker::bury`], for who has let go of its route: nothing, where the `frontend` has the endpoint no more.
    pub(crate) fn bury_later(&self, host: &str, frontend: &FactKey, at: &InFlight, reason: DeadReason) {
        let Some(route) = self.with_table(|table| table.get(frontend).cloned()) else { return };
        let place = route.states().iter().position(|state| Arc::ptr_eq(state, at.state()));
        if let Some(index) = place {
            self.bury(host, &route, index, reason);
        }
    }

    /// One more client connection is open at this thread.
    pub(crate) fn has_one_more(&self) {
        self.open.set(self.open.get() + 1);
    }

    /// One of them ended, or went to another thread.
    pub(crate) fn has_one_less(&self) {
        self.open.set(self.open.get().saturating_sub(1));
    }

    /// Where the connection in hand goes, because this thread has more than its share at work; `None`: it stays.
    pub(crate) fn next_door(&self) -> Option<mpsc::Permit<'_, Given>> {
        self.spread.give(&self.shared.loads, |to| {
            let door = self.shared.doors.get(to).filter(|_| !self.is_draining())?;
            // One that has many waiting already, or takes its leave, is given no more.
            door.try_reserve().ok()
        })
    }

    /// True while this thread has client connections.
    pub(crate) fn has_connections(&self) -> bool {
        self.open.get() > 0
    }

    /// True once no request shall follow the one in flight.
    pub(crate) fn is_draining(&self) -> bool {
        self.phase.get() != Phase::Serving
    }

    /// True once those in flight shall end too, however incomplete.
    pub(crate) fn is_over(&self) -> bool {
        self.phase.get() == Phase::Over
    }

    /// How near the limit of memory is.
    pub(crate) fn pressure(&self) -> Pressure {
        self.shared.memory.pressure()
    }

    /// Counts an exchange as going on for as long as the guard lives.
    pub(crate) fn busy(&self) -> Busy<'_> {
        self.busy.set(self.busy.get() + 1);
        Busy(self)
    }

    /// Counts a connection as being refused for as long as the guard lives; `None` where `most` are already.
    pub(crate) fn refusing(&self, most: usize) -> Option<Refusing<'_>> {
        (self.refusals.get() < most).then(|| {
            self.refusals.set(self.refusals.get() + 1);
            Refusing(self)
        })
    }

    /// How many exchanges go on.
    pub(crate) fn exchanges(&self) -> usize {
        self.busy.get()
    }

    /// A wait for a client ended without what was waited for: counts `limit`, if it is why.
    pub(crate) fn waited_out(&self, deadline: &Deadline, limit: Limit) {
        if deadline.has_passed() {
            self.counters.limit(limit);
        }
    }

    /// From now on connections end with the request in flight; those between two requests end at once.
    pub(crate) fn start_draining(&self) {
        self.phase.set(Phase::Draining);
        self.deadlines.end_idle();
        self.pool.clear();
    }

    /// From now on nothing is waited for: exchanges in flight get this turn to tell their clients.
    pub(crate) fn give_up(&self) {
        self.phase.set(Phase::Over);
        self.deadlines.end_all();
    }

    /// The coarse sweep: deadlines, unused connections, what there is to give, the log's buffer, new settings; and the table is
    /// loaded, so that an idle thread holds no old one.
    pub(crate) async fn sweep(&self) {
        let now = self.now();
        let mut sweep = self.deadlines.begin_sweep(now, self.settings().min_rate);
        while !self.deadlines.go_on(&mut sweep) {
            tokio::task::yield_now().await;
        }
        if sweep.slow > 0 {
            self.counters.limits(Limit::ClientRate, sweep.slow);
        }
        self.spread.sweep(&self.shared.loads, self.deadlines.at_work());
        self.pool.sweep(now);
        if let Some(gates) = &self.gates {
            gates.sweep();
        }
        self.log.flush();
        if self.pressure() != Pressure::None {
            self.relieve(now);
        }
        let _newest = self.table.borrow_mut().load();
        let newest = self.shared.settings.load();
        if !Arc::ptr_eq(&newest, &self.copied.borrow()) {
            self.take_settings(&newest);
        }
    }

    /// Lets go of all that is only kept in case it is needed again, and has the allocator give it back.
    fn relieve(&self, now: Millis) {
        // Who is between two requests holds a connection for nothing.
        self.deadlines.end_kept();
        self.pool.clear();
        self.pipes.clear();
        if now.saturating_sub(self.relieved.get()) < LOOK_MS {
            return;
        }
        self.relieved.set(now);
        for shelf in [&self.requests, &self.snug, &self.responses] {
            shelf.clear();
        }
        self.scratch.take();
        self.heads.take();
        self.log.let_go();
        give_back();
    }

    fn take_settings(&self, newest: &Arc<Settings>) {
        let old = self.settings();
        let (old, new) = (&old.config.upstream, &newest.config.upstream);
        let allowed = |limits: &UpstreamLimits| (limits.retry_budget_percent, limits.retry_budget_floor);
        if allowed(old) != allowed(new) {
            *self.budget.borrow_mut() = budget(new, &self.shared);
        }
        *self.settings.borrow_mut() = Rc::new(Settings::clone(newest));
        *self.copied.borrow_mut() = Arc::clone(newest);
    }
}

/// A thread's budget of retries, whose floor it shares.
fn budget(limits: &UpstreamLimits, shared: &Shared) -> RetryBudget {
    let recent = Arc::clone(&shared.retries);
    RetryBudget::sharing(limits.retry_budget_percent, limits.retry_budget_floor, recent)
}

#[cfg(test)]
impl Worker {
    /// A thread's state with nothing around it.
    pub(crate) fn alone(resolver: Resolver) -> Self {
        let mut config = crate::config::Config::default();
        config.access_log.target = None;
        let metrics = crate::metrics::Metrics::new();
        let writer = crate::log::Writer::start(&config.access_log, 1, &metrics).expect("no log");
        let states = Arc::new(States::default());
        let table = RouteTable::from_snapshot(Arc::new(model::Snapshot::empty()), &states);
        let shared = Shared {
            table: Arc::new(ArcSwap::from_pointee(table)),
            settings: Arc::new(ArcSwap::from_pointee(Settings::new(config).expect("no pages"))),
            states,
            connections: Apart::default(),
            listeners: Box::new([Apart::default()]),
            addresses: Apart::default(),
            memory: Arc::default(),
            descriptors: Descriptors::new(crate::settings::open_files()),
            gates: None,
            loads: Loads::new(1),
            doors: Box::default(),
            cut_off: AtomicUsize::new(0),
            retries: Arc::default(),
            via: Via::by_chance(0),
            guard: Guard::default(),
            health: mpsc::channel(1).0,
            known: AtomicBool::new(true),
            active_checker: AtomicBool::new(false),
        };
        let counters = metrics.counters();
        let sink = writer.sink(counters.clone());
        Self::new(0, Arc::new(shared), resolver, counters, sink)
    }
}

/// An exchange that goes on.
#[derive(Debug)]
pub(crate) struct Busy<'a>(&'a Worker);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.set(self.0.busy.get().saturating_sub(1));
    }
}

/// A connection that is being refused.
#[derive(Debug)]
pub(crate) struct Refusing<'a>(&'a Worker);

impl Drop for Refusing<'_> {
    fn drop(&mut self) {
        self.0.refusals.set(self.0.refusals.get().saturating_sub(1));
    }
}
