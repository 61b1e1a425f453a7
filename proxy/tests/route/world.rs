//! Facts and tables, made of short texts.

use std::sync::Arc;

use model::{
    Address, Backend, BackendName, BalanceKind, Change, Endpoint, Fact, FactKey, Frontend, HostPattern,
    Origin, PathPrefix, Policy, Revision, Snapshot, Stated, Weight,
};
use proxy::health::States;
use proxy::route::{Route, RouteTable};

/// `host:port` as an address.
pub(crate) fn address(text: &str) -> Address {
    Address::parse_authority(text, 80).unwrap()
}

/// The n-th of many addresses.
pub(crate) fn nth_address(n: usize) -> Address {
    address(&format!("10.0.{}.{}:8000", n / 256, n % 256))
}

/// The key of `host` and `path`.
pub(crate) fn key(host: &str, path: &str) -> FactKey {
    FactKey::Frontend { host: HostPattern::parse(host).unwrap(), path: PathPrefix::parse(path).unwrap() }
}

/// A frontend with these endpoints and weights.
pub(crate) fn weighted(host: &str, path: &str, balance: BalanceKind, endpoints: Vec<(Address, u64)>) -> Fact {
    let endpoints = endpoints
        .into_iter()
        .map(|(address, weight)| Endpoint { address, weight: Weight::new(weight).unwrap() });
    Fact::Frontend(Frontend {
        host: HostPattern::parse(host).unwrap(),
        path: PathPrefix::parse(path).unwrap(),
        backend: Backend {
            name: BackendName::parse("web").unwrap(),
            endpoints: endpoints.collect(),
            rejected: model::Rare::default(),
        },
        policy: Policy { balance, ..Policy::default() }.into(),
    })
}

/// A frontend with the path `/` and these addresses, balanced as by default.
pub(crate) fn frontend(host: &str, addresses: &[&str]) -> Fact {
    let endpoints = addresses.iter().map(|text| (address(text), 1)).collect();
    weighted(host, "/", BalanceKind::default(), endpoints)
}

/// The change that puts `fact` at revision `at`.
pub(crate) fn put(fact: Fact, at: u64) -> Change {
    Change::Put(Stated { fact: Arc::new(fact), revision: Revision::new(at), origin: Origin::Native })
}

/// A table that follows a snapshot, with the states beside it.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) states: States,
    pub(crate) table: RouteTable,
}

impl World {
    /// A table of these frontends.
    pub(crate) fn with(facts: impl IntoIterator<Item = Fact>) -> Self {
        let mut world = Self::default();
        world.put(facts);
        world
    }

    /// These frontends are put.
    pub(crate) fn put(&mut self, facts: impl IntoIterator<Item = Fact>) {
        self.change(facts.into_iter().map(|fact| put(fact, 1)));
    }

    /// The frontend of this host is removed.
    pub(crate) fn remove(&mut self, host: &str) {
        self.change([Change::Remove(key(host, "/"))]);
    }

    /// The table follows these changes.
    pub(crate) fn change(&mut self, changes: impl IntoIterator<Item = Change>) {
        let snapshot = self.snapshot();
        let next = snapshot.apply(snapshot.revision().next(), changes);
        self.table = self.table.update(Arc::new(next), &self.states);
    }

    pub(crate) fn snapshot(&self) -> &Snapshot {
        self.table.snapshot()
    }

    /// The route of `host`, path `/`.
    pub(crate) fn route(&self, host: &str) -> Route {
        self.table.find(host, b"/").expect("a route").clone()
    }
}
