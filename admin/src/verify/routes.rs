//! The route table, walked back into frontends, and compared with what the registry states: a function of values.
//!
//! Nothing is believed that the table says of itself: neither what it was made of, nor its revision, nor that a route which is in it is
//! found. Each route is looked at and looked up; each frontend is looked for.

use std::sync::Arc;

use model::{Fact, Frontend, HostPattern, Snapshot};
use proxy::route::{Route, RouteTable};

use super::found::Found;
use crate::wire::{Finding, FindingKind};

/// What to do about a difference that no operator made.
const DEFECT: &str = "this is a defect of portico, please report it; a restart makes the routes anew";

/// Adds every route that is not what `snapshot` says, and every frontend that has none.
pub(crate) fn compare(table: &RouteTable, snapshot: &Snapshot, found: &mut Found) {
    let mut routes = 0_usize;
    for route in table.routes() {
        routes += 1;
        if let Some(wrong) = wrong_with(route, table, snapshot) {
            found.add(|| finding(route.frontend(), wrong));
        }
    }
    let mut frontends = 0_usize;
    for (frontend, _) in snapshot.frontends() {
        frontends += 1;
        if table.get(&frontend.key()).is_none() {
            found.add(|| finding(frontend, "it has no route in the proxy".to_owned()));
        }
    }
    if routes > frontends {
        // Each of them may be fine for itself: one stands there twice.
        let reason = format!("the proxy has {routes} routes for {frontends} frontends");
        found.add(|| Finding {
            kind: FindingKind::Route,
            key: "proxy".to_owned(),
            endpoint: None,
            reason,
            remedy: DEFECT.to_owned(),
        });
    }
}

fn finding(frontend: &Frontend, reason: String) -> Finding {
    Finding {
        kind: FindingKind::Route,
        key: frontend.key().to_string(),
        endpoint: None,
        reason,
        remedy: DEFECT.to_owned(),
    }
}

fn wrong_with(route: &Route, table: &RouteTable, snapshot: &Snapshot) -> Option<String> {
    let key = route.key();
    let Some(stated) = snapshot.get(&key) else {
        return Some("the proxy has a route for it, and the registry has no such frontend".to_owned());
    };
    let should = snapshot.served(&stated.fact);
    if route.fact() != &should {
        return Some(differing(route.frontend(), &should));
    }
    if !table.get(&key).is_some_and(|looked_up| looked_up.is(route)) {
        return Some("its route is in the table, and is not found there by its key".to_owned());
    }
    let frontend = route.frontend();
    let HostPattern::Exact(host) = &frontend.host else { return None };
    let found = table.find(host, frontend.path.as_str().as_bytes());
    match found.is_some_and(|found| found.is(route)) {
        true => None,
        false => Some("its route is in the table, and a request for it does not find it".to_owned()),
    }
}

/// Which parts of a route are other ones.
fn differing(served: &Frontend, should: &Arc<Fact>) -> String {
    let Some(should) = should.as_frontend() else {
        return "the proxy has a route for it, and it is no frontend".to_owned();
    };
    let (is, stated) = (&served.backend, &should.backend);
    let list = |frontend: &Frontend| {
        let endpoints = frontend.backend.endpoints.iter();
        let all: Vec<_> = endpoints
            .map(|endpoint| format!("{} {}", endpoint.address.url(), endpoint.weight.get()))
            .collect();
        if all.is_empty() { "nowhere".to_owned() } else { all.join(", ") }
    };
    let mut parts = Vec::new();
    if is.endpoints != stated.endpoints {
        parts.push(format!("its requests go to {}, and should to {}", list(served), list(should)));
    }
    if is.name != stated.name {
        parts.push(format!("its backend is {}, and should be {}", is.name, stated.name));
    }
    if is.rejected != stated.rejected {
        parts.push("it has other endpoints that cannot be used".to_owned());
    }
    let (policy, stated) = (&*served.policy, &*should.policy);
    let others = [
        (policy.balance != stated.balance, "balance"),
        (policy.timeouts != stated.timeouts, "timeouts"),
        (policy.check != stated.check, "check"),
    ];
    let others = others.iter().filter(|(differs, _)| *differs);
    parts.extend(others.map(|(_, what)| format!("its {what} is not the one that is stated")));
    if parts.is_empty() {
        parts.push("its route is not what is stated".to_owned());
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use model::{
        Address, Addresses, Backend, BackendName, BalanceKind, Change, Endpoint, Endpoints, HostPattern,
        Instance, InstanceName, Origin, PathPrefix, Policy, Revision, ServiceName, ServiceRef, Stated,
        Weight,
    };
    use proxy::health::States;

    use super::*;

    fn frontend(host: &str, path: &str, endpoints: Endpoints) -> Frontend {
        let backend =
            Backend { name: BackendName::parse("b").unwrap(), endpoints, ..Frontend::default().backend };
        Frontend {
            host: HostPattern::parse(host).unwrap(),
            path: PathPrefix::parse(path).unwrap(),
            backend,
            ..Frontend::default()
        }
    }

    fn to(address: &str, weight: u16) -> Endpoint {
        Endpoint {
            address: Address::parse_authority(address, 80).unwrap(),
            weight: Weight::new(weight.into()).unwrap(),
        }
    }

    fn facts(frontends: &[Frontend], instances: &[&str]) -> Arc<Snapshot> {
        let instances = instances.iter().map(|name| {
            let addresses = Addresses::new(["10.0.0.9".parse().unwrap()]).unwrap();
            let service = ServiceName::parse("web").unwrap();
            let mut instance = Instance::new(service, InstanceName::parse(name).unwrap(), addresses);
            instance.ports.insert(model::PortName::parse("http").unwrap(), 8080.try_into().unwrap());
            Fact::Instance(Box::new(instance))
        });
        let all = frontends.iter().cloned().map(Fact::Frontend).chain(instances);
        let put = |fact| {
            Change::Put(Stated { fact: Arc::new(fact), revision: Revision::new(1), origin: Origin::Native })
        };
        Arc::new(Snapshot::empty().apply(Revision::new(1), all.map(put)))
    }

    /// What is told of a table that was made of the one, where the registry has the other.
    fn compared(served: &Arc<Snapshot>, stated: &Snapshot) -> Vec<String> {
        let table = RouteTable::from_snapshot(Arc::clone(served), &States::default());
        let mut found = Found::new(100);
        compare(&table, stated, &mut found);
        let told = |finding: Finding| format!("{}: {}", finding.key, finding.reason);
        found.into_parts().0.into_iter().map(told).collect()
    }

    fn usual() -> Vec<Frontend> {
        let of_service = ServiceRef { service: ServiceName::parse("web").unwrap(), port: None };
        vec![
            frontend("a.test", "/", vec![to("10.0.0.1:1", 1), to("10.0.0.2:1", 2)].into()),
            frontend("a.test", "/api", vec![to("10.0.0.3:1", 1)].into()),
            frontend("*.test", "/", Endpoints::default()),
            frontend("b.test:81", "/x", vec![to("10.0.0.4:1", 1)].into()),
            frontend("*", "/", of_service.into()),
        ]
    }

    #[test]
    fn a_table_of_what_is_stated_has_no_difference() {
        let all = facts(&usual(), &["one"]);
        assert_eq!(compared(&all, &all), Vec::<String>::new());
    }

    #[test]
    fn each_kind_of_difference_is_named_with_its_frontend() {
        let stated = facts(&usual(), &["one"]);
        let check = |change: fn(&mut Vec<Frontend>), expected: &str| {
            let mut served = usual();
            change(&mut served);
            assert_eq!(compared(&facts(&served, &["one"]), &stated), [expected]);
        };
        check(|all| drop(all.remove(1)), "frontend:a.test/api: it has no route in the proxy");
        check(
            |all| all[0].backend.endpoints = vec![to("10.0.0.1:1", 1), to("10.0.0.2:1", 3)].into(),
            "frontend:a.test: its requests go to http://10.0.0.1:1 1, http://10.0.0.2:1 3, and should to http://10.0.0.1:1 1, http://10.0.0.2:1 2",
        );
        check(
            |all| all[2].backend.name = BackendName::parse("other").unwrap(),
            "frontend:*.test: its backend is other, and should be b",
        );
        check(
            |all| {
                let policy = Policy { balance: BalanceKind::Random, ..Policy::default() };
                all[3].policy = policy.into();
            },
            "frontend:b.test:81/x: its balance is not the one that is stated",
        );
        let extra = || frontend("extra.test", "/", Endpoints::default());
        let told = compared(&facts(&[usual(), vec![extra()]].concat(), &["one"]), &stated);
        let expected = [
            "frontend:extra.test: the proxy has a route for it, and the registry has no such frontend",
            "proxy: the proxy has 6 routes for 5 frontends",
        ];
        assert_eq!(told, expected);
        let gone = "frontend:*: its requests go to http://10.0.0.9:8080 1, and should to nowhere";
        assert_eq!(compared(&stated, &facts(&usual(), &[])), [gone]);
    }

    #[test]
    fn beyond_the_limit_differences_are_counted() {
        let table = RouteTable::default();
        let mut found = Found::new(2);
        compare(&table, &facts(&usual(), &[]), &mut found);
        let (findings, left_out) = found.into_parts();
        assert_eq!((findings.len(), left_out), (2, 3));
    }
}
