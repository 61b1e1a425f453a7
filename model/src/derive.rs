//! What is derived of services and their instances, once for all who need it: who answers for a service now.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::sync::Arc;

use crate::domain_name::DomainName;
use crate::endpoint::{Address, Endpoint, Weight};
use crate::endpoints::{Endpoints, ServiceRef};
use crate::fact::Fact;
use crate::frontend::{Frontend, MAX_ENDPOINTS};
use crate::instance::{Instance, InstanceState};
use crate::label::{PortName, ServiceName};
use crate::service::{Port, Protocol, Service, WhenEmpty};
use crate::snapshot::Snapshot;

impl Snapshot {
    /// The instances that answer for a service now, by name: the healthy ones of the lowest priority that has any. Where none is
    /// healthy: all of the lowest priority when the service says so ([`WhenEmpty::All`]), else none.
    ///
    /// Of a service that runs elsewhere, none.
    pub fn answering(&self, service: &ServiceName) -> Vec<&Instance> {
        let stated = self.service(service).map(|(service, _)| service);
        if stated.is_some_and(|service| service.external.is_some()) {
            return Vec::new();
        }
        let when_empty = stated.map_or(WhenEmpty::default(), |service| service.when_empty);
        answering(self.instances_of(service).map(|(instance, _)| instance), when_empty)
    }

    /// The endpoints that a service publishes to frontends: of each instance that answers, its first address at the port that is asked
    /// for; at most [`MAX_ENDPOINTS`]. An instance without such a port is none. Of a service that runs elsewhere: that name.
    pub fn endpoints_of(&self, asked: &ServiceRef) -> Endpoints {
        let service = self.service(&asked.service).map(|(service, _)| service);
        if let Some((service, target)) =
            service.and_then(|service| Some((service, service.external.as_ref()?)))
        {
            let port = stated_port(service, asked.port.as_ref());
            return port.and_then(|port| elsewhere(target, port)).into_iter().collect();
        }
        let endpoint = |instance: &Instance| {
            let (ip, port) =
                (instance.addresses.iter().next()?, port_of(service, instance, asked.port.as_ref())?);
            Some(Endpoint { address: Address::Ip { ip, port }, weight: instance.weight })
        };
        // Two instances at one address are one endpoint.
        let mut seen = BTreeSet::new();
        let found = self.answering(&asked.service).into_iter().filter_map(endpoint);
        found.filter(|endpoint| seen.insert(endpoint.address.clone())).take(MAX_ENDPOINTS).collect()
    }

    /// The frontend as it is to be served: itself, or, where its backend is a service, with the endpoints of that.
    pub fn served(&self, fact: &Arc<Fact>) -> Arc<Fact> {
        match fact.as_frontend().and_then(|frontend| Some((frontend, frontend.backend.endpoints.service()?)))
        {
            Some((frontend, asked)) => Arc::new(Fact::Frontend(self.with_endpoints(frontend, asked))),
            None => Arc::clone(fact),
        }
    }

    fn with_endpoints(&self, frontend: &Frontend, asked: &ServiceRef) -> Frontend {
        let mut served = frontend.clone();
        served.backend.endpoints = self.endpoints_of(asked);
        served
    }
}

/// Who of these instances of a service answers: the healthy ones of the lowest priority that has any. Where none is healthy: all of the
/// lowest priority when the service says so ([`WhenEmpty::All`]), else none.
pub fn answering<'i>(
    instances: impl IntoIterator<Item = &'i Instance>,
    when_empty: WhenEmpty,
) -> Vec<&'i Instance> {
    // What a controller is about to end is never among them.
    let all: Vec<&Instance> = instances.into_iter().filter(|instance| !instance.is_leaving()).collect();
    let is_healthy = |instance: &&Instance| instance.state == InstanceState::Healthy;
    let healthy: Vec<&Instance> = all.iter().copied().filter(is_healthy).collect();
    first(if healthy.is_empty() && when_empty == WhenEmpty::All { all } else { healthy })
}

/// Those of the lowest priority.
fn first(instances: Vec<&Instance>) -> Vec<&Instance> {
    let lowest = instances.iter().map(|instance| instance.priority).min();
    instances.into_iter().filter(|instance| Some(instance.priority) == lowest).collect()
}

/// The port of an instance by name; without a name, the first TCP port of its service, or the only one it has itself.
fn port_of(service: Option<&Service>, instance: &Instance, name: Option<&PortName>) -> Option<NonZeroU16> {
    let stated = service.and_then(|service| stated_port(service, name));
    match (name.or(stated.map(|port| &port.name)), stated) {
        (Some(name), stated) => instance.ports.get(name).copied().or(stated.map(|port| port.port)),
        (None, _) => instance.ports.values().next().copied().filter(|_| instance.ports.len() == 1),
    }
}

/// The port of a service by name; without a name, its first TCP port.
fn stated_port<'s>(service: &'s Service, name: Option<&PortName>) -> Option<&'s Port> {
    match name {
        Some(name) => service.ports.get(name),
        None => service.ports.iter().find(|port| port.protocol == Protocol::Tcp),
    }
}

/// A place that is known by a domain name; `None` where that is no name of a host.
fn elsewhere(target: &DomainName, port: &Port) -> Option<Endpoint> {
    let address = Address::parse_authority(&target.to_string(), port.port.get()).ok()?;
    Some(Endpoint { address, weight: Weight::ONE })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Change;
    use crate::fact::{Origin, Stated};
    use crate::instance::Addresses;
    use crate::label::InstanceName;
    use crate::revision::Revision;
    use crate::service::Ports;

    fn named(text: &str) -> ServiceName {
        ServiceName::parse(text).expect("name")
    }

    fn port(text: &str) -> (PortName, NonZeroU16) {
        let (name, number) = text.split_once('=').expect("name=number");
        (PortName::parse(name).expect("name"), number.parse().expect("port"))
    }

    /// The service `web` with these ports, all TCP.
    fn service(ports: &[&str], when_empty: WhenEmpty) -> Fact {
        let ports = ports.iter().map(|text| port(text));
        let ports = ports.map(|(name, port)| Port { name, port, protocol: Protocol::Tcp });
        let ports = Ports::new(ports.collect()).expect("ports");
        Fact::Service(Box::new(Service { ports, when_empty, ..Service::new(named("web")) }))
    }

    /// An instance of it as `name last-octet priority state [port=number]`; `h`, `u`, `d` or `s` is the state.
    fn instance(text: &str) -> Fact {
        let words: Vec<&str> = text.split(' ').collect();
        let ip = format!("10.0.0.{}", words[1]).parse().expect("address");
        let addresses = Addresses::new([ip, "fd00::1".parse().expect("address")]).expect("addresses");
        let name = InstanceName::parse(words[0]).expect("name");
        let mut instance = Instance::new(named("web"), name, addresses);
        instance.priority = words[2].parse().expect("priority");
        instance.state = match words[3] {
            "h" => InstanceState::Healthy,
            "u" => InstanceState::Unhealthy,
            "d" => InstanceState::Draining,
            _ => InstanceState::Starting,
        };
        instance.ports = words[4..].iter().map(|text| port(text)).collect();
        Fact::Instance(Box::new(instance))
    }

    fn check(facts: &[Fact], port: Option<&str>, expected: &str) {
        let put = |fact: &Fact| {
            let (fact, revision) = (Arc::new(fact.clone()), Revision::new(1));
            Change::Put(Stated { fact, revision, origin: Origin::Native })
        };
        let snapshot = Snapshot::empty().apply(Revision::new(1), facts.iter().map(put));
        let port = port.map(|name| PortName::parse(name).expect("name"));
        let endpoints = snapshot.endpoints_of(&ServiceRef { service: named("web"), port });
        let told: Vec<String> = endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect();
        assert_eq!(told.join(" "), expected, "{facts:?}");
    }

    #[test]
    fn healthy_instances_answer_by_their_first_address() {
        let web = service(&["http=80", "admin=81"], WhenEmpty::NoData);
        let all = [
            web,
            instance("a 1 0 h"),
            instance("b 2 0 u"),
            instance("c 3 0 d"),
            instance("d 4 0 h http=8080"),
        ];

        check(&all, None, "10.0.0.1:80 10.0.0.4:8080");
        check(&all, Some("http"), "10.0.0.1:80 10.0.0.4:8080");
        check(&all, Some("admin"), "10.0.0.1:81 10.0.0.4:81");
        check(&all, Some("other"), "");
        check(&all[1..], None, "10.0.0.4:8080");
        check(&all[1..], Some("http"), "10.0.0.4:8080");
        check(&[], None, "");
    }

    #[test]
    fn those_of_the_next_priority_answer_when_none_of_the_first_can() {
        let web = service(&["http=80"], WhenEmpty::NoData);

        check(&[web.clone(), instance("a 1 1 h"), instance("b 2 0 h")], None, "10.0.0.2:80");
        check(&[web, instance("a 1 1 h"), instance("b 2 0 s")], None, "10.0.0.1:80");
    }

    #[test]
    fn where_none_is_healthy_all_answer_if_the_service_says_so() {
        let instances = [instance("a 1 0 u"), instance("b 2 0 s"), instance("c 3 1 d")];
        let with = |when_empty| [&[service(&["http=80"], when_empty)], &instances[..]].concat();

        check(&with(WhenEmpty::All), None, "10.0.0.1:80 10.0.0.2:80");
        check(&with(WhenEmpty::NoData), None, "");
        check(&with(WhenEmpty::NxDomain), None, "");
    }

    #[test]
    fn a_service_that_runs_elsewhere_is_there_and_has_no_instances() {
        let Fact::Service(mut service) = service(&["https=8443"], WhenEmpty::All) else { return };
        service.external = DomainName::parse("Db.example.com.").ok();
        let facts = [Fact::Service(service), instance("a 1 0 h")];

        check(&facts, None, "db.example.com:8443");
        check(&facts, Some("other"), "");
    }

    #[test]
    fn two_instances_at_one_place_are_one_endpoint() {
        let web = service(&["http=80"], WhenEmpty::NoData);

        check(
            &[web, instance("a 1 0 h"), instance("b 1 0 h"), instance("c 1 0 h http=81")],
            None,
            "10.0.0.1:80 10.0.0.1:81",
        );
    }
}
