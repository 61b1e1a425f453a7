//! Proxies and name servers: they follow late, pick, hold what they picked, and say so, as the real ones do.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use model::{
    Address, DnsReport, LeavingEndpoint, Node as Told, NodeId, Nodes, Others, PortName, ProxyReport, Report,
    ServiceName, ServiceRef, Snapshot,
};
use tokio::time::Instant;

/// How long a node is believed to live without a word.
const LEASE: Duration = Duration::from_secs(10);
/// How long others may keep what DNS said.
const TTL: Duration = Duration::from_secs(2);

/// A client's way to an endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Flight {
    pub(crate) node: NodeId,
    pub(crate) address: Address,
    pub(crate) from: Instant,
    pub(crate) until: Instant,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Tunnel,
    /// What DNS said, and is remembered.
    Name,
}

/// A proxy and a name server.
pub(crate) struct Node {
    pub(crate) name: NodeId,
    table: Arc<Snapshot>,
    zones: Arc<Snapshot>,
    /// Exchanges that have not picked yet: from which table, and when they will.
    holding: VecDeque<(Instant, Arc<Snapshot>, ServiceName)>,
    pub(crate) flights: Vec<Flight>,
    /// Whether it hears of nothing, and nobody of it.
    pub(crate) is_cut: bool,
    /// How likely it follows at a tick, of 100.
    pub(crate) pace: u8,
    heard: Instant,
    report: Arc<Report>,
}

impl Node {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            name: NodeId(format!("node-{number}").into()),
            table: Arc::default(),
            zones: Arc::default(),
            holding: VecDeque::new(),
            flights: Vec::new(),
            is_cut: false,
            pace: 60,
            heard: Instant::now(),
            report: Arc::default(),
        }
    }

    /// What it does in between.
    pub(crate) fn tick(&mut self, latest: &Arc<Snapshot>, chance: &mut fastrand::Rng) {
        let now = Instant::now();
        self.flights.retain(|flight| flight.until > now);
        if !self.is_cut && chance.u8(0..100) < self.pace {
            self.table = Arc::clone(latest);
        }
        if !self.is_cut && chance.u8(0..100) < self.pace {
            self.zones = Arc::clone(latest);
        }
        while let Some((at, table, service)) = self.holding.pop_front() {
            if at > now {
                self.holding.push_front((at, table, service));
                break;
            }
            self.pick(&table, &service, chance);
        }
        let services: Vec<ServiceName> =
            self.table.services().map(|(service, _)| service.name.clone()).collect();
        if let Some(service) = chance.choice(services) {
            match chance.u8(0..4) {
                0 => {
                    let at = now + Duration::from_millis(chance.u64(0..400));
                    let at = self.holding.back().map_or(at, |(last, ..)| at.max(*last));
                    self.holding.push_back((at, Arc::clone(&self.table), service));
                }
                1 => self.name(&service, chance),
                _ => self.pick(&Arc::clone(&self.table), &service, chance),
            }
        }
        if !self.is_cut {
            (self.heard, self.report) = (now, Arc::new(self.say()));
        }
    }

    /// It dies, with all it held.
    pub(crate) fn die(&mut self) {
        self.flights.retain(|flight| flight.kind == Kind::Name);
        self.holding.clear();
    }

    fn pick(&mut self, table: &Snapshot, service: &ServiceName, chance: &mut fastrand::Rng) {
        let endpoints = table.endpoints_of(&ServiceRef { service: service.clone(), port: None });
        let Some(endpoint) = chance.choice(endpoints.iter()) else { return };
        let (kind, longest) = match chance.u8(0..30) {
            0 => (Kind::Tunnel, 60_000),
            1 => (Kind::Request, 8_000),
            _ => (Kind::Request, 500),
        };
        self.begin(endpoint.address.clone(), kind, Duration::from_millis(chance.u64(1..longest)));
    }

    fn name(&mut self, service: &ServiceName, chance: &mut fastrand::Rng) {
        let port = PortName::parse("http").unwrap();
        let addresses = self.zones.answering(service).into_iter().filter_map(|instance| {
            Some(Address::Ip { ip: instance.addresses.iter().next()?, port: *instance.ports.get(&port)? })
        });
        let addresses: Vec<Address> = addresses.collect();
        if let Some(address) = chance.choice(addresses) {
            self.begin(address, Kind::Name, TTL);
        }
    }

    fn begin(&mut self, address: Address, kind: Kind, lasts: Duration) {
        let from = Instant::now();
        self.flights.push(Flight { node: self.name.clone(), address, from, until: from + lasts, kind });
    }

    fn say(&self) -> Report {
        let serving = self.table.revision();
        let oldest = self.holding.iter().map(|(_, table, _)| table.revision()).min();
        let served: Vec<Address> = self
            .table
            .services()
            .flat_map(|(service, _)| {
                let all = self.table.endpoints_of(&ServiceRef { service: service.name.clone(), port: None });
                all.iter().map(|endpoint| endpoint.address.clone()).collect::<Vec<_>>()
            })
            .collect();
        let mut leaving: Vec<LeavingEndpoint> = Vec::new();
        let gone = self.flights.iter().filter(|flight| !served.contains(&flight.address));
        for flight in gone.filter(|flight| flight.kind != Kind::Name) {
            let found = leaving.iter().position(|endpoint| endpoint.address == flight.address);
            let at = found.unwrap_or_else(|| {
                let address = flight.address.clone();
                leaving.push(LeavingEndpoint { address, in_flight: 0, tunnels: 0 });
                leaving.len() - 1
            });
            match flight.kind {
                Kind::Tunnel => leaving[at].tunnels += 1,
                _ => leaving[at].in_flight += 1,
            }
        }
        let proxy = ProxyReport {
            serving,
            oldest: oldest.unwrap_or(serving).min(serving),
            leaving,
            ..ProxyReport::default()
        };
        let dns = DnsReport { serving: self.zones.revision(), ttl: TTL };
        Report { proxy: Some(Arc::new(proxy)), dns: Some(dns), ..Report::default() }
    }

    fn told(&self) -> Told {
        let lost = self.heard.elapsed() >= LEASE;
        Told { report: Arc::clone(&self.report), heard: self.heard.into_std(), lost }
    }
}

/// What is known of all.
pub(crate) fn known(nodes: &[Node]) -> Nodes {
    let by_name: BTreeMap<NodeId, Told> = nodes.iter().map(|node| (node.name.clone(), node.told())).collect();
    Nodes { own: NodeId("node-0".into()), others: Others::Heard, by_name }
}
