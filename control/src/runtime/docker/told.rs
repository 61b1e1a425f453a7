//! What a container is, from the engine's words.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::num::NonZeroU16;

use bollard::models::{
    ContainerInspectResponse, ContainerState as State, ContainerStateStatusEnum as Status, ContainerSummary,
    ContainerSummaryStateEnum as Listed, EndpointSettings, Health as Check, HealthStatusEnum,
    NetworkSettings, PortBinding, PortSummary, PortSummaryTypeEnum,
};
use model::Protocol;

use super::asked::transport;
use super::{Container, ContainerState, Exit, Health, Published};

/// What is kept of what an image's check printed, in characters.
const LONGEST_OUTPUT: usize = 1000;

/// The container; `None`: it has no identifier.
pub(super) fn container(told: ContainerInspectResponse) -> Option<Container> {
    let config = told.config.unwrap_or_default();
    let state = told.state.unwrap_or_default();
    let network = told.network_settings.unwrap_or_default();
    Some(Container {
        id: told.id?,
        name: told.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        image: config.image.unwrap_or_default(),
        health: state.health.as_ref().and_then(health),
        state: how(state),
        published: published(&network),
        addresses: addresses(network.networks.as_ref()),
        partial: false,
    })
}

/// The container as a list of them tells it, where the engine cannot tell more; `None`: it has no identifier.
pub(super) fn listed(told: ContainerSummary) -> Option<Container> {
    let runs = matches!(told.state, Some(Listed::RUNNING | Listed::PAUSED | Listed::RESTARTING));
    let exit = || match told.status.as_deref().and_then(code) {
        Some(code) => Exit { code, ..Exit::default() },
        None => {
            let error = "its engine can tell no more of it; look at it with `docker inspect`".to_owned();
            Exit { error, ..Exit::default() }
        }
    };
    let state = if runs { ContainerState::Running } else { ContainerState::Exited(exit()) };
    Some(Container {
        id: told.id?,
        name: told
            .names
            .and_then(|names| names.into_iter().next())
            .unwrap_or_default()
            .trim_start_matches('/')
            .to_owned(),
        labels: told.labels.unwrap_or_default().into_iter().collect(),
        image: told.image.unwrap_or_default(),
        health: None,
        state,
        published: listed_ports(told.ports.as_deref().unwrap_or_default()),
        addresses: addresses(told.network_settings.and_then(|network| network.networks).as_ref()),
        partial: true,
    })
}

/// What a list says one ended with: `Exited (137) 2 minutes ago`.
fn code(status: &str) -> Option<i64> {
    status.strip_prefix("Exited (")?.split_once(')')?.0.parse().ok()
}

/// As [`published`].
fn listed_ports(told: &[PortSummary]) -> Vec<Published> {
    let ports = told.iter().filter_map(|port| {
        let protocol = match port.typ {
            Some(PortSummaryTypeEnum::UDP) => Protocol::Udp,
            _ => Protocol::Tcp,
        };
        let (inside, outside) = (NonZeroU16::new(port.private_port)?, NonZeroU16::new(port.public_port?)?);
        Some((inside, protocol, port.ip.as_deref(), outside))
    });
    each_once(ports)
}

/// Each port once, in order, by the best of its bindings: one that others reach, then IPv4's. An engine tells of one for IPv4 and of one
/// for IPv6, which need not be the same.
fn each_once<'a>(
    bindings: impl Iterator<Item = (NonZeroU16, Protocol, Option<&'a str>, NonZeroU16)>,
) -> Vec<Published> {
    let mut found: BTreeMap<_, ((bool, bool), NonZeroU16)> = BTreeMap::new();
    for (inside, protocol, address, outside) in bindings {
        let address = address.and_then(|address| address.parse::<IpAddr>().ok());
        let rank = (
            address.is_some_and(|address| address.to_canonical().is_loopback()),
            address.is_some_and(|address| address.is_ipv6()),
        );
        let best = found.entry((inside, protocol)).or_insert((rank, outside));
        if rank < best.0 {
            *best = (rank, outside);
        }
    }
    let published =
        |((inside, protocol), ((is_local, _), outside))| Published { inside, protocol, outside, is_local };
    found.into_iter().map(published).collect()
}

fn how(state: State) -> ContainerState {
    let error = state.error.unwrap_or_default();
    let exit = |error| {
        ContainerState::Exited(Exit {
            code: state.exit_code.unwrap_or_default(),
            out_of_memory: state.oom_killed.unwrap_or_default(),
            error,
        })
    };
    match state.status {
        Some(Status::RUNNING | Status::PAUSED | Status::RESTARTING) => ContainerState::Running,
        // One that could not be started is `created` again, with the reason.
        Some(Status::CREATED) if error.is_empty() => ContainerState::Created,
        Some(Status::CREATED | Status::EXITED) => exit(error),
        _ => ContainerState::Dead,
    }
}

fn health(check: &Check) -> Option<Health> {
    match check.status? {
        HealthStatusEnum::STARTING => Some(Health::Starting),
        HealthStatusEnum::HEALTHY => Some(Health::Healthy),
        HealthStatusEnum::UNHEALTHY => {
            let last = check.log.iter().flatten().next_back();
            let printed = last.and_then(|last| last.output.as_deref()).unwrap_or_default();
            Some(Health::Unhealthy(printed.trim().chars().take(LONGEST_OUTPUT).collect()))
        }
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => None,
    }
}

fn published(network: &NetworkSettings) -> Vec<Published> {
    let ports =
        network.ports.iter().flatten().filter_map(|(inside, bindings)| Some((port(inside)?, bindings)));
    each_once(ports.flat_map(|((inside, protocol), bindings)| {
        bindings.iter().flatten().filter_map(move |binding: &PortBinding| {
            let outside = binding.host_port.as_ref()?.parse().ok()?;
            Some((inside, protocol, binding.host_ip.as_deref(), outside))
        })
    }))
}

/// `8080/tcp`
fn port(text: &str) -> Option<(NonZeroU16, Protocol)> {
    let (port, name) = text.split_once('/')?;
    let protocol =
        [Protocol::Tcp, Protocol::Udp].into_iter().find(|protocol| transport(*protocol) == name)?;
    Some((port.parse().ok()?, protocol))
}

fn addresses(networks: Option<&HashMap<String, EndpointSettings>>) -> Vec<IpAddr> {
    let networks: BTreeMap<_, _> = networks.into_iter().flatten().collect();
    let texts = networks.values().flat_map(|there| [&there.ip_address, &there.global_ipv6_address]);
    texts.filter_map(|text| text.as_ref()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Container {
        let told = serde_json::from_str(json).expect("what an engine says");
        container(told).expect("a container")
    }

    #[test]
    fn a_container_is_read_with_its_ports_addresses_and_health() {
        let read = read(
            r#"{"Id":"c1","Name":"/web-1","Config":{"Image":"web:2","Labels":{"portico.service":"web"}},
            "State":{"Status":"running","Health":{"Status":"unhealthy","Log":[{"Output":"first"},{"Output":" no page\n"}]}},
            "NetworkSettings":{"Ports":{"53/udp":[{"HostIp":"0.0.0.0","HostPort":"700"}],"9/sctp":null,"80/tcp":null,
                "8080/tcp":[{"HostIp":"::","HostPort":"801"},{"HostIp":"0.0.0.0","HostPort":"800"}]},
                "Networks":{"bridge":{"IPAddress":"10.1.2.3","GlobalIPv6Address":""}}}}"#,
        );

        assert_eq!((read.id.as_str(), read.name.as_str(), read.image.as_str()), ("c1", "web-1", "web:2"));
        assert_eq!(read.labels.get("portico.service").map(String::as_str), Some("web"));
        assert_eq!(read.state, ContainerState::Running);
        assert_eq!(read.health, Some(Health::Unhealthy("no page".to_owned())));
        let ports: Vec<_> =
            read.published.iter().map(|port| (port.inside.get(), port.outside.get())).collect();
        assert_eq!(ports, [(53, 700), (8080, 800)]);
        assert_eq!(read.addresses, ["10.1.2.3".parse::<IpAddr>().expect("an address")]);
    }

    #[test]
    fn a_port_is_where_others_reach_it_if_anywhere() {
        let check = |bindings: &[(&str, u16)], expected| {
            let port = |number| NonZeroU16::new(number).expect("a port");
            let told =
                bindings.iter().map(|(ip, outside)| (port(80), Protocol::Tcp, Some(*ip), port(*outside)));
            let all = each_once(told);
            let told: Vec<_> = all.iter().map(|port| (port.outside.get(), port.is_local)).collect();
            assert_eq!(told, [expected], "{bindings:?}");
        };

        check(&[("::", 801), ("0.0.0.0", 800)], (800, false));
        check(&[("127.0.0.1", 800), ("::", 801)], (801, false));
        check(&[("127.0.0.1", 800), ("0.0.0.0", 802)], (802, false));
        check(&[("", 800)], (800, false));
        check(&[("::1", 801), ("127.0.0.2", 800)], (800, true));
    }

    #[test]
    fn what_only_a_list_tells_of_is_known_in_part() {
        let list =
            |json: &str| listed(serde_json::from_str(json).expect("what an engine lists")).expect("one");
        let running = r#"{"Id":"c1","Names":["/web-1"],"State":"running","Status":"Up 2 minutes (healthy)",
            "Ports":[{"IP":"::","PrivatePort":80,"PublicPort":801,"Type":"tcp"},
                {"IP":"0.0.0.0","PrivatePort":80,"PublicPort":800,"Type":"tcp"},{"PrivatePort":81,"Type":"tcp"}],
            "NetworkSettings":{"Networks":{"bridge":{"IPAddress":"10.1.2.3"}}}}"#;

        let runs = list(running);
        let ended = list(r#"{"Id":"c2","State":"exited","Status":"Exited (137) 2 minutes ago"}"#);
        let stuck = list(r#"{"Id":"c3","State":"dead","Status":"Dead"}"#);

        assert_eq!((runs.partial, runs.health, runs.state), (true, None, ContainerState::Running));
        let ports: Vec<_> =
            runs.published.iter().map(|port| (port.inside.get(), port.outside.get())).collect();
        assert_eq!(ports, [(80, 800)]);
        assert_eq!(runs.addresses, ["10.1.2.3".parse::<IpAddr>().expect("an address")]);
        assert_eq!(ended.state, ContainerState::Exited(Exit { code: 137, ..Exit::default() }));
        assert!(ended.partial && ended.addresses.is_empty());
        let ContainerState::Exited(exit) = stuck.state else { panic!("{stuck:?}") };
        assert!(exit.error.contains("docker inspect"), "{exit:?}");
    }

    #[test]
    fn how_a_container_is_follows_from_its_status_and_error() {
        let check = |state: &str, expected: ContainerState| {
            assert_eq!(read(&format!(r#"{{"Id":"c1","State":{state}}}"#)).state, expected, "{state}");
        };
        let exit = |code, out_of_memory, error: &str| {
            ContainerState::Exited(Exit { code, out_of_memory, error: error.to_owned() })
        };

        check(r#"{"Status":"created"}"#, ContainerState::Created);
        check(
            r#"{"Status":"created","ExitCode":127,"Error":"no such file"}"#,
            exit(127, false, "no such file"),
        );
        check(r#"{"Status":"paused"}"#, ContainerState::Running);
        check(r#"{"Status":"exited","ExitCode":137,"OOMKilled":true}"#, exit(137, true, ""));
        check(r#"{"Status":"removing"}"#, ContainerState::Dead);
        check(r#"{"Status":"dead"}"#, ContainerState::Dead);
    }
}
