//! At which ports a container that joins by labels is reached.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use model::{Addresses, PortName, Protocol, Service};

use crate::runtime::{Container, Published};

/// The port of a container that is asked, by its number, or by its name at the service.
const PORT: &str = "portico.port";
/// What that port is called where the service has no port of that number.
const NAME: &str = "http";

/// The ports of an instance, by name.
type Ports = BTreeMap<PortName, NonZeroU16>;

/// The ports of a container that is reached at its own address: what it says, else its service's.
pub(super) fn own(container: &Container, service: Option<&Service>) -> Ports {
    let called = |number| {
        let port = service.and_then(|service| service.ports.iter().find(|port| port.port == number));
        port.map(|port| port.name.clone()).or_else(|| PortName::parse(NAME).ok())
    };
    asked(container, service).and_then(|asked| Some((called(asked)?, asked))).into_iter().collect()
}

/// The ports of a container that is reached at its host, where others reach it: those of its service, by number and protocol, else its
/// only TCP port.
///
/// # Errors
/// Which one is meant is not known, or nobody reaches it; with the remedy.
pub(super) fn published(
    container: &Container,
    service: Option<&Service>,
    host: &Addresses,
) -> Result<Ports, String> {
    let asked = asked(container, service);
    let is_local = host.iter().all(|address| address.is_loopback());
    let fits =
        |port: &&Published| asked.is_none_or(|asked| asked == port.inside) && (is_local || !port.is_local);
    let reached = || container.published.iter().filter(fits);
    let stated = |port: &Published| {
        let mut ports = service.iter().flat_map(|service| service.ports.iter());
        let found = ports.find(|stated| stated.port == port.inside && stated.protocol == port.protocol);
        Some((found?.name.clone(), port.outside))
    };
    let named: Ports = reached().filter_map(stated).collect();
    if !named.is_empty() {
        return Ok(named);
    }
    let tcp: Vec<_> = reached().filter(|port| port.protocol == Protocol::Tcp).collect();
    match &tcp[..] {
        [port] => Ok(PortName::parse(NAME).ok().map(|name| (name, port.outside)).into_iter().collect()),
        // It may be where its host is, or nowhere at all.
        [] if container.published.is_empty() => Ok(Ports::new()),
        [] => Err(unreached(asked)),
        several => Err(unclear(container, several)),
    }
}

/// The port that a container's label asks for.
fn asked(container: &Container, service: Option<&Service>) -> Option<NonZeroU16> {
    let text = container.labels.get(PORT)?;
    let by_name = || service?.ports.get(&PortName::parse(text).ok()?).map(|port| port.port);
    text.parse().ok().or_else(by_name)
}

fn unreached(asked: Option<NonZeroU16>) -> String {
    let which = asked.map_or_else(|| "no TCP port".to_owned(), |asked| format!("no TCP port {asked}"));
    format!(
        "it publishes {which} where others reach it; publish it, and not at a loopback address (a UDP port: state it at the service)"
    )
}

fn unclear(container: &Container, several: &[&Published]) -> String {
    let numbers: Vec<_> = several.iter().map(|port| port.inside.to_string()).collect();
    let said = container.labels.get(PORT).map_or_else(
        || format!("it has no label `{PORT}`"),
        |said| format!("its label `{PORT}` is `{said}`, which is no port of it"),
    );
    format!(
        "it publishes the ports {}, none of which its service states, and {said}; give it a label `{PORT}` with one of these numbers",
        numbers.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use model::{Port, ServiceName};

    use super::*;
    use crate::runtime::ContainerState;

    fn number(text: &str) -> NonZeroU16 {
        text.parse().unwrap()
    }

    /// `8080`, `8080/udp`
    fn transport(text: &str) -> (NonZeroU16, Protocol) {
        match text.split_once('/') {
            Some((port, _)) => (number(port), Protocol::Udp),
            None => (number(text), Protocol::Tcp),
        }
    }

    /// `web=8080 dns=53/udp`
    fn service(text: &str) -> Service {
        let port = |text: &str| {
            let (name, port) = text.split_once('=').unwrap();
            let (port, protocol) = transport(port);
            Port { name: PortName::parse(name).unwrap(), port, protocol }
        };
        let ports = model::Ports::new(text.split_whitespace().map(port).collect()).unwrap();
        Service { ports, ..Service::new(ServiceName::parse("web").unwrap()) }
    }

    /// `800:80 801:81/udp local:802:82`
    fn container(published: &str, label: &str) -> Container {
        let port = |text: &str| {
            let bare = text.trim_start_matches("local:");
            let (outside, inside) = bare.split_once(':').unwrap();
            let (inside, protocol) = transport(inside);
            Published { inside, protocol, outside: number(outside), is_local: bare != text }
        };
        let labels = [label].into_iter().filter(|label| !label.is_empty());
        Container {
            id: "c1".to_owned(),
            name: "web".to_owned(),
            labels: labels.map(|label| (PORT.to_owned(), label.to_owned())).collect(),
            image: "web:1".to_owned(),
            state: ContainerState::Running,
            health: None,
            published: published.split_whitespace().map(port).collect(),
            addresses: Vec::new(),
            partial: false,
        }
    }

    fn said(host: &str, stated: &str, published: &str, label: &str) -> String {
        let host = Addresses::new([host.parse().unwrap()]).unwrap();
        match super::published(&container(published, label), Some(&service(stated)), &host) {
            Ok(ports) => {
                let ports = ports.iter().map(|(name, port)| format!("{name}={port}"));
                ports.collect::<Vec<_>>().join(" ")
            }
            Err(why) => why,
        }
    }

    #[test]
    fn a_container_is_reached_at_the_port_that_is_meant() {
        let check = |stated, published, label, expected: &str| {
            assert_eq!(
                said("10.0.0.1", stated, published, label),
                expected,
                "{stated}: {published}: {label}"
            );
        };

        check("", "800:80", "", "http=800");
        check("", "800:80", "eighty", "http=800");
        check("", "800:80 909:9090", "80", "http=800");
        check("", "700:80 700:80/udp", "", "http=700");
        check("web=80 admin=81", "800:80 801:81 909:9090", "", "admin=801 web=800");
        check("web=80 admin=81", "800:80 801:81", "81", "admin=801");
        check("web=80 admin=81", "800:80 801:81", "admin", "admin=801");
        check("web=80", "909:9090", "", "http=909");
        check("web=8080", "800:8080 801:8080/udp", "8080", "web=800");
        check("dns=53/udp", "700:53 701:53/udp", "", "dns=701");
        check("", "local:909:9090 800:80", "", "http=800");
        check("web=80", "", "80", "");
    }

    #[test]
    fn where_it_is_not_clear_which_port_is_meant_or_nobody_reaches_it_that_is_said() {
        let check = |published, label, parts: &[&str]| {
            let said = said("10.0.0.1", "web=8080", published, label);
            for part in parts {
                assert!(said.contains(part), "{published}: {label}: {part}: {said}");
            }
        };

        check("800:80 909:9090", "", &["80, 9090", "no label `portico.port`", "give it a label"]);
        check("800:80 909:9090", "8o", &["80, 9090", "`8o`, which is no port of it"]);
        check("800:80 909:9090", "81", &["no TCP port 81", "publish it"]);
        check("local:800:80", "", &["no TCP port where", "not at a loopback address"]);
        check("700:53/udp", "", &["no TCP port where", "a UDP port: state it at the service"]);
        assert_eq!(said("127.0.0.1", "", "local:800:80", ""), "http=800");
    }
}
