//! What the table itself takes: to find a route, and to become the next table. In this process, with nothing around it.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use allocation_counter::measure as counted;
use model::{
    Address, Backend, BackendName, Change, Endpoint, Fact, Frontend, HostPattern, Origin, PathPrefix, Policy,
    Revision, Snapshot, Stated, Weight,
};
use proxy::health::States;
use proxy::route::RouteTable;

use crate::cores;
use crate::goals::Spread;
use crate::machine::PROXY_CORE;
use crate::store::{backend, host};

/// The smallest table; the others are compared with it.
pub(crate) const SMALL: usize = 1_000;

/// Hosts that are asked for again and again: few enough to stay in the core's own cache, with all that leads to them.
pub(crate) const HOT: usize = 64;

/// Lookups that are timed at once …
const LOOKUPS: usize = 4096;
/// … and changes, of each table in a round; the tables take turns.
const CHANGES: usize = 100;
const ROUNDS: usize = 30;

/// What one table takes.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) frontends: usize,
    /// Nanoseconds to find one of [`HOT`] hosts …
    pub(crate) hot_ns: Spread,
    /// … and one of all.
    pub(crate) random_ns: Spread,
    /// Allocations of all lookups that were timed.
    pub(crate) allocations: u64,
    /// Microseconds from a changed fact to the table that serves it, and octets allocated for that.
    pub(crate) change_us: Spread,
    pub(crate) change_octets: f64,
}

/// Measures tables of up to so many frontends.
pub(crate) fn measure(frontends: usize) -> Vec<Part> {
    cores::on(PROXY_CORE, || {
        let mut sizes: Vec<usize> = [SMALL, 100_000].into_iter().filter(|size| *size < frontends).collect();
        sizes.push(frontends);
        let mut tables: Vec<Table> = sizes.into_iter().map(Table::new).collect();
        for _ in 0..ROUNDS {
            tables.iter_mut().for_each(Table::look_up);
        }
        for _ in 0..ROUNDS {
            tables.iter_mut().for_each(Table::change);
        }
        tables.into_iter().map(Table::part).collect()
    })
}

struct Table {
    frontends: usize,
    routes: RouteTable,
    states: States,
    dice: fastrand::Rng,
    revision: u64,
    /// What is asked for next, and in which order.
    asked: Vec<String>,
    order: Vec<usize>,
    hot: Vec<f64>,
    random: Vec<f64>,
    allocations: u64,
    changes: Vec<f64>,
    octets: u64,
}

impl Table {
    /// As a store lists it: in order, a part at a time.
    fn new(frontends: usize) -> Self {
        let states = States::default();
        let mut hosts: Vec<usize> = (0..frontends).collect();
        hosts.sort_by_key(|n| host(*n));
        let mut snapshot = Snapshot::empty();
        for part in hosts.chunks(1000) {
            snapshot = snapshot.apply(Revision::new(1), part.iter().map(|n| put(*n, 8000, 1)));
        }
        Self {
            frontends,
            routes: RouteTable::from_snapshot(Arc::new(snapshot), &states),
            states,
            dice: fastrand::Rng::with_seed(1),
            revision: 1,
            asked: Vec::new(),
            order: Vec::new(),
            hot: Vec::new(),
            random: Vec::new(),
            allocations: 0,
            changes: Vec::new(),
            octets: 0,
        }
    }

    /// Times lookups of few hosts, that were looked up a moment before, and of hosts out of all.
    fn look_up(&mut self) {
        let apart = self.frontends / HOT;
        self.asked = (0..HOT).map(|n| host(n * apart)).collect();
        self.order = (0..LOOKUPS).map(|_| self.dice.usize(..HOT)).collect();
        self.time();
        let hot = self.time();
        self.hot.push(hot);
        self.asked = (0..LOOKUPS).map(|_| host(self.dice.usize(..self.frontends))).collect();
        self.order = (0..LOOKUPS).collect();
        let random = self.time();
        self.random.push(random);
    }

    /// Nanoseconds of a lookup.
    fn time(&mut self) -> f64 {
        let mut took = 0.0;
        let cost = counted(|| {
            let (mut at, nothing) = (0, black_box(0));
            let begun = Instant::now();
            while let Some(next) = self.order.get(at) {
                let route = self.routes.find(&self.asked[*next], b"/").unwrap();
                // The next lookup needs what this one found, as if a request lay between: they do not wait for memory together.
                at += 1 + (route.frontend().backend.name.as_str().len() & nothing);
            }
            took = begun.elapsed().as_secs_f64();
        });
        self.allocations += cost.count_total;
        took * 1e9 / LOOKUPS as f64
    }

    /// Times changes of random frontends, each by itself; the table before is gone when one is over.
    fn change(&mut self) {
        let mut took = Vec::with_capacity(CHANGES);
        for _ in 0..CHANGES {
            self.revision += 1;
            let n = self.dice.usize(..self.frontends);
            let changed = put(n, 8000 + (self.revision % 1000) as u16, self.revision);
            let cost = counted(|| {
                let begun = Instant::now();
                let next = self.routes.snapshot().apply(Revision::new(self.revision), [changed]);
                self.routes = self.routes.update(Arc::new(next), &self.states);
                took.push(begun.elapsed().as_secs_f64() * 1e6);
            });
            self.octets += cost.bytes_total;
        }
        self.changes.extend(Spread::of(took.into_iter()).map(|spread| spread.median));
    }

    fn part(self) -> Part {
        let spread = |values: Vec<f64>| Spread::of(values.into_iter()).unwrap();
        Part {
            frontends: self.frontends,
            hot_ns: spread(self.hot),
            random_ns: spread(self.random),
            allocations: self.allocations,
            change_us: spread(self.changes),
            change_octets: self.octets as f64 / (ROUNDS * CHANGES) as f64,
        }
    }
}

fn put(n: usize, port: u16, revision: u64) -> Change {
    let address = Address::from(SocketAddr::from(([10, 0, 0, 1], port)));
    let frontend = Frontend {
        host: HostPattern::parse(&host(n)).unwrap(),
        path: PathPrefix::root(),
        backend: Backend {
            name: BackendName::parse(&backend(n)).unwrap(),
            endpoints: std::iter::once(Endpoint { address, weight: Weight::ONE }).collect(),
            rejected: model::Rare::default(),
        },
        policy: Policy::default().into(),
    };
    let fact = Arc::new(Fact::Frontend(frontend));
    Change::Put(Stated { fact, revision: Revision::new(revision), origin: Origin::Native })
}
