//! All routes at one revision.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::OrdSet;
use memchr::memrchr;
use model::{Fact, FactKey, HostPattern, Revision, ServiceName, Snapshot, Stated, split_port};

use super::index::{Index, text};
use super::{Explanation, Route};
use crate::health::States;

/// Labels of a host that suffixes are looked for in, from the right (hipache 0.4, `getDomainsLookup`) …
const LABELS: usize = 6;
/// … so at most this many suffixes are asked for.
const SUFFIXES: usize = LABELS - 1;
/// The longest `host:port`, in octets: a name of 253, a colon, five digits.
const MAX_AUTHORITY: usize = 260;

/// All routes at one revision. Immutable: [`RouteTable::update`] makes the next one and shares what did not change.
///
/// Holds the snapshot it was made of, so that "the difference to the one before" cannot be taken of another.
/// Tables are made by one task; any number of threads read them.
#[derive(Debug, Default)]
pub struct RouteTable {
    snapshot: Arc<Snapshot>,
    exact: Index,
    suffix: Index,
    /// Hosts on one port, by `host:port` …
    on_port: Index,
    /// … and how many there are: most tables have none, and look for none.
    on_ports: usize,
    /// The frontends whose endpoints are those of a service, by that.
    by_service: OrdSet<(ServiceName, FactKey)>,
}

impl RouteTable {
    /// The table of `snapshot`, from nothing. Marks that `states` holds are applied.
    pub fn from_snapshot(snapshot: Arc<Snapshot>, states: &States) -> Self {
        let mut table = Self::default();
        for (_, stated) in snapshot.frontends() {
            table.refer(None, Some(&stated.fact));
            let route = Route::new(snapshot.served(&stated.fact), None, states);
            route.into_iter().for_each(|route| table.insert(route));
        }
        table.snapshot = snapshot;
        states.settle_all(&table);
        table
    }

    /// The table of `snapshot`, from this one: O(log n) work for each fact that differs; for one of a service, as much for each
    /// frontend that it answers for.
    ///
    /// Endpoints that stay keep their state, wherever in the list they stand; those that leave are remembered by `states`
    /// for as long as there is something to remember.
    #[must_use]
    pub fn update(&self, snapshot: Arc<Snapshot>, states: &States) -> Self {
        if snapshot.is_empty() {
            return self.emptied(snapshot, states);
        }
        if self.snapshot.is_empty() {
            return Self::from_snapshot(snapshot, states);
        }
        let mut table = Self {
            snapshot: Arc::clone(&snapshot),
            exact: self.exact.clone(),
            suffix: self.suffix.clone(),
            on_port: self.on_port.clone(),
            on_ports: self.on_ports,
            by_service: self.by_service.clone(),
        };
        let (mut changed, mut services) = (Vec::new(), BTreeSet::new());
        for difference in snapshot.diff(&self.snapshot) {
            match &difference.key {
                FactKey::Frontend { .. } => {
                    let fact = |stated: Option<&'_ Stated>| stated.map(|stated| Arc::clone(&stated.fact));
                    let (before, after) = (fact(difference.before), fact(difference.after));
                    table.refer(before.as_ref(), after.as_ref());
                    if table.follow(self, &difference.key, after.as_ref(), states) {
                        changed.push(difference.key);
                    }
                }
                FactKey::Service(service) | FactKey::Instance { service, .. } => {
                    services.insert(service.clone());
                }
                FactKey::Host(_)
                | FactKey::Record { .. }
                | FactKey::Deployment(_)
                | FactKey::Standing(_)
                | FactKey::Controller => {}
            }
        }
        table.follow_services(self, services, &mut changed, states);
        states.settle_changed(&table, &changed);
        table
    }

    /// The frontends whose endpoints are those of `services` have what these are now; those that `changed` already do.
    fn follow_services(
        &mut self,
        before: &Self,
        services: BTreeSet<ServiceName>,
        changed: &mut Vec<FactKey>,
        states: &States,
    ) {
        let followed: BTreeSet<FactKey> =
            if services.is_empty() { BTreeSet::new() } else { changed.iter().cloned().collect() };
        for service in services {
            let first = (service.clone(), FactKey::FIRST);
            let referring = self.by_service.range(first..).take_while(|(of, _)| *of == service);
            let keys: Vec<FactKey> = referring.map(|(_, key)| key.clone()).collect();
            for key in keys.into_iter().filter(|key| !followed.contains(key)) {
                let fact = self.snapshot.get(&key).map(|stated| Arc::clone(&stated.fact));
                if self.follow(before, &key, fact.as_ref(), states) {
                    changed.push(key);
                }
            }
        }
    }

    /// Takes in what stands under `key` now; false: what is served does not change.
    fn follow(&mut self, table: &Self, key: &FactKey, fact: Option<&Arc<Fact>>, states: &States) -> bool {
        let before = table.get(key);
        let after = fact.map(|fact| self.snapshot.served(fact));
        if let (Some(before), Some(after)) = (before, &after)
            // The same fact at another revision, or another instance that answers no more than the one before.
            && (Arc::ptr_eq(before.fact(), after) || (is_derived(fact) && before.fact() == after))
        {
            return false;
        }
        let after = after.and_then(|fact| Route::new(fact, before, states));
        if let Some(before) = before {
            states.leave(before, after.as_ref(), table.revision());
        }
        match after {
            Some(route) => self.insert(route),
            None => self.remove(key),
        }
        true
    }

    /// Notes which service a frontend's endpoints are of, that were of another, or none, `before`.
    fn refer(&mut self, before: Option<&Arc<Fact>>, after: Option<&Arc<Fact>>) {
        let reference = |fact: &Arc<Fact>| Some((service_of(fact)?, fact.key()));
        if let Some(before) = before.and_then(reference) {
            self.by_service.remove(&before);
        }
        if let Some(after) = after.and_then(reference) {
            self.by_service.insert(after);
        }
    }

    /// The table of an empty snapshot: nothing has to be taken out piece by piece, which costs several times as much.
    fn emptied(&self, snapshot: Arc<Snapshot>, states: &States) -> Self {
        for (_, stated) in self.snapshot.frontends() {
            if let Some(route) = self.get(&stated.fact.key()) {
                states.leave(route, None, self.revision());
            }
        }
        let table = Self { snapshot, ..Self::default() };
        states.settle_all(&table);
        table
    }

    /// The snapshot it was made of.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The revision it was made of.
    pub fn revision(&self) -> Revision {
        self.snapshot.revision()
    }

    /// The route of the canonical `host` (no port) and the canonical `path` (no query). No lock, no allocation.
    #[inline]
    pub fn find(&self, host: &str, path: &[u8]) -> Option<&Route> {
        if let Some(route) = self.exact.find(host, path) {
            return Some(route);
        }
        suffixes(host)
            .find_map(|suffix| self.suffix.find(suffix, path))
            .or_else(|| self.suffix.find("", path))
    }

    /// As [`RouteTable::find`] for a client that named `port`: what is for that port alone comes first, as in planb.
    #[inline]
    pub fn find_at(&self, host: &str, port: Option<u16>, path: &[u8]) -> Option<&Route> {
        match port {
            Some(port) if self.on_ports > 0 => {
                self.find_on_port(host, port, path).or_else(|| self.find(host, path))
            }
            _ => self.find(host, path),
        }
    }

    /// The route of `host` on `port` alone.
    fn find_on_port(&self, host: &str, port: u16, path: &[u8]) -> Option<&Route> {
        use std::io::Write as _;
        let mut text = [0; MAX_AUTHORITY];
        let mut rest = text.as_mut_slice();
        write!(rest, "{host}:{port}").ok()?;
        let left = rest.len();
        let text = std::str::from_utf8(text.get(..MAX_AUTHORITY - left)?).ok()?;
        self.on_port.find(text, path)
    }

    /// The route for whose endpoints the dead marks of `host` (which may name a port) hold: whoever serves its path `/`.
    pub(crate) fn find_marked(&self, host: &str) -> Option<&Route> {
        match split_port(host) {
            (name, Some(port)) => self.find_on_port(name, port, b"/"),
            (name, None) => self.find(name, b"/"),
        }
    }

    /// The route made of the fact under `key`.
    pub fn get(&self, key: &FactKey) -> Option<&Route> {
        let FactKey::Frontend { host, path } = key else { return None };
        self.index(host).get(text(host), path)
    }

    /// Which route [`RouteTable::find_at`] takes for `host` (with a port, where the client names one) and why, what else was looked at, and how its endpoints are at `now_ms`.
    pub fn explain(&self, host: &str, path: &[u8], now_ms: u64) -> Explanation {
        Explanation::of(self, host, path, now_ms)
    }

    /// All routes under one host pattern; the root path last.
    pub(super) fn all(&self, pattern: &HostPattern) -> impl Iterator<Item = &Route> {
        self.index(pattern).all(text(pattern))
    }

    /// All routes, in no order: what requests are routed by, not what the table was made of.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        [&self.exact, &self.suffix, &self.on_port].into_iter().flat_map(Index::iter)
    }

    fn index(&self, pattern: &HostPattern) -> &Index {
        match pattern {
            HostPattern::Exact(_) => &self.exact,
            HostPattern::OnPort(_) => &self.on_port,
            HostPattern::Suffix(_) | HostPattern::Any => &self.suffix,
        }
    }

    fn index_mut(&mut self, pattern: &HostPattern) -> &mut Index {
        match pattern {
            HostPattern::Exact(_) => &mut self.exact,
            HostPattern::OnPort(_) => &mut self.on_port,
            HostPattern::Suffix(_) | HostPattern::Any => &mut self.suffix,
        }
    }

    fn insert(&mut self, route: Route) {
        let host = route.frontend().host.clone();
        if matches!(host, HostPattern::OnPort(_)) && self.get(&route.key()).is_none() {
            self.on_ports += 1;
        }
        self.index_mut(&host).insert(route);
    }

    fn remove(&mut self, key: &FactKey) {
        let FactKey::Frontend { host, path } = key else { return };
        if matches!(host, HostPattern::OnPort(_)) && self.get(key).is_some() {
            self.on_ports -= 1;
        }
        self.index_mut(host).remove(text(host), path);
    }
}

/// The service whose instances answer for a frontend.
fn service_of(fact: &Fact) -> Option<ServiceName> {
    Some(fact.as_frontend()?.backend.endpoints.service()?.service.clone())
}

fn is_derived(fact: Option<&Arc<Fact>>) -> bool {
    fact.is_some_and(|fact| fact.as_frontend().is_some_and(|f| f.backend.endpoints.service().is_some()))
}

/// What is left of `host` after dropping labels from the left, the longest first; only of its last [`LABELS`] labels.
pub(super) fn suffixes(host: &str) -> impl Iterator<Item = &str> {
    let mut dots = [0; SUFFIXES];
    let mut found = 0;
    let mut end = host.len();
    while found < SUFFIXES
        && let Some(dot) = memrchr(b'.', host.as_bytes().get(..end).unwrap_or_default())
    {
        dots[found] = dot;
        found += 1;
        end = dot;
    }
    dots.into_iter().take(found).rev().filter_map(|dot| host.get(dot + 1..))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, expected: &[&str]) {
        assert_eq!(suffixes(host).collect::<Vec<_>>(), expected, "host {host:?}");
    }

    #[test]
    fn suffixes_are_those_of_the_last_six_labels() {
        check("localhost", &[]);
        check("example.com", &["com"]);
        check("www.example.com", &["example.com", "com"]);
        check("a.b.c.d.e.f", &["b.c.d.e.f", "c.d.e.f", "d.e.f", "e.f", "f"]);
        check("z.a.b.c.d.e.f", &["b.c.d.e.f", "c.d.e.f", "d.e.f", "e.f", "f"]);
        check("x.y.z.a.b.c.d.e.f", &["b.c.d.e.f", "c.d.e.f", "d.e.f", "e.f", "f"]);
    }
}
