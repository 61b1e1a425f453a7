//! The pure parts of a request, as a thread of the proxy runs them: its memory is its own and stays.

use std::net::SocketAddr;
use std::sync::Arc;

use model::{
    Address, Backend, BackendName, BalanceKind, Change, Endpoint, Fact, Frontend, HostPattern, Origin,
    PathPrefix, Policy, Revision, Snapshot, Stated, Weight,
};
use proxy::health::States;
use proxy::http::{Limits, Parsed, RequestHead, write_request};
use proxy::middleware::{Forwarded, Peer, Scheme, Via};
use proxy::route::{RouteTable, Tried};

/// What a load generator sends …
pub(crate) const SMALL: &str = "GET /small HTTP/1.1\r\nHost: host-7.example.com\r\n\r\n";

/// … and what a browser does.
pub(crate) const BROWSER: &str = "GET /shop/items?page=2&sort=price HTTP/1.1\r\nHost: host-7.example.com\r\n\
Connection: keep-alive\r\nsec-ch-ua: \"Chromium\";v=\"142\", \"Not_A Brand\";v=\"99\"\r\nsec-ch-ua-mobile: ?0\r\n\
sec-ch-ua-platform: \"Linux\"\r\nUpgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 \
(KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,\
image/webp,*/*;q=0.8\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\n\
Referer: http://host-7.example.com/shop\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB,en;q=0.9\r\n\
Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\r\n";

const LIMITS: Limits = Limits { request_line: 16 << 10, head: 64 << 10, headers: 128 };

/// A table of so many frontends, with so many endpoints each.
pub(crate) fn table(frontends: usize, endpoints: usize, balance: &BalanceKind) -> (RouteTable, States) {
    let states = States::default();
    let changes = (0..frontends).map(|n| put(frontend(n, endpoints, balance.clone()), 1));
    let snapshot = Snapshot::empty().apply(Revision::new(1), changes);
    (RouteTable::from_snapshot(Arc::new(snapshot), &states), states)
}

fn put(frontend: Frontend, revision: u64) -> Change {
    let revision = Revision::new(revision);
    Change::Put(Stated { fact: Arc::new(Fact::Frontend(frontend)), revision, origin: Origin::Native })
}

fn frontend(n: usize, endpoints: usize, balance: BalanceKind) -> Frontend {
    let endpoint = |i: usize| Endpoint {
        address: Address::from(SocketAddr::from(([10, 0, (i / 250) as u8, (i % 250) as u8 + 1], 8000))),
        weight: Weight::ONE,
    };
    Frontend {
        host: HostPattern::parse(&host(n)).unwrap(),
        path: PathPrefix::root(),
        backend: Backend {
            name: BackendName::parse("web").unwrap(),
            endpoints: (0..endpoints).map(endpoint).collect(),
            rejected: model::Rare::default(),
        },
        policy: Policy { balance, ..Policy::default() }.into(),
    }
}

/// The n-th host.
pub(crate) fn host(n: usize) -> String {
    format!("host-{n}.example.com")
}

/// The table that follows when the frontend at `n` gets another endpoint, at `revision`.
pub(crate) fn next(table: &RouteTable, states: &States, n: usize, revision: u64) -> RouteTable {
    let changed = put(frontend(n, 2, BalanceKind::default()), revision);
    let snapshot = table.snapshot().apply(Revision::new(revision), [changed]);
    table.update(Arc::new(snapshot), states)
}

/// What stays of one request for the next.
pub(crate) struct Exchange {
    head: RequestHead,
    out: Vec<u8>,
    forwarded: Forwarded,
    via: Via,
    tried: Tried,
    dice: fastrand::Rng,
}

impl Exchange {
    /// Of a client that nobody trusts.
    pub(crate) fn new() -> Self {
        let peer = Peer::new(SocketAddr::from(([192, 0, 2, 1], 50_000)), &[]);
        Self {
            head: RequestHead::new(),
            out: Vec::with_capacity(4096),
            forwarded: Forwarded::new(peer, &[], 8080, Scheme::Http),
            via: Via::new("0123456789abcdef"),
            tried: Tried::new(),
            dice: fastrand::Rng::with_seed(7),
        }
    }

    /// Reads the head.
    pub(crate) fn parse(&mut self, octets: &[u8]) {
        assert_eq!(self.head.parse(octets, &LIMITS), Ok(Parsed::Complete));
    }

    /// Writes it as the endpoint shall see it, and returns how many octets that took.
    pub(crate) fn rewrite(&mut self, octets: &[u8]) -> usize {
        self.out.clear();
        let edits = self.forwarded.before(&self.head, octets, false).edits;
        let via = self.via.line(self.head.version());
        write_request(&self.head, octets, edits.replaced, &[edits.lines, via], &mut self.out);
        self.out.len()
    }

    /// All of it: head, route, endpoint, head again.
    pub(crate) fn all(&mut self, octets: &[u8], table: &RouteTable) -> usize {
        self.parse(octets);
        let route = table.find(self.head.host(), self.head.path(octets)).unwrap();
        let picked = route.pick(Default::default(), &self.tried, &mut self.dice, 0).unwrap().index;
        picked + self.rewrite(octets)
    }
}
