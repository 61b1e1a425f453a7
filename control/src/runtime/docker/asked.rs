//! What a container is to be, in the engine's words.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HostConfig, Mount, MountType, PortBinding, RestartPolicy, RestartPolicyNameEnum,
};
use model::Protocol;
use model::launch::{Source, Volume};

use super::Spec;

/// The name of a transport where engines write ports.
pub(super) const fn transport(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

/// What makes the engine make it.
pub(super) fn body(spec: &Spec) -> ContainerCreateBody {
    let port = |(port, protocol): &(_, Protocol)| format!("{port}/{}", transport(*protocol));
    let list = |texts: &[String]| (!texts.is_empty()).then(|| texts.to_vec());
    ContainerCreateBody {
        image: Some(spec.image.to_string()),
        cmd: spec.command.clone(),
        entrypoint: spec.entrypoint.clone(),
        env: Some(spec.environment.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        labels: Some(spec.labels.clone().into_iter().collect()),
        user: spec.user.clone(),
        working_dir: spec.working_dir.clone(),
        exposed_ports: Some(spec.published.iter().map(port).collect()),
        stop_signal: spec.stop_signal.map(|signal| format!("SIG{signal}")),
        host_config: Some(HostConfig {
            cap_add: list(&spec.capabilities),
            dns_search: list(&spec.search),
            dns: list(&spec.resolvers.iter().map(ToString::to_string).collect::<Vec<_>>()),
            ..host(spec, spec.published.iter().map(port))
        }),
        ..ContainerCreateBody::default()
    }
}

/// What it may take, and what of its host it has.
fn host(spec: &Spec, ports: impl Iterator<Item = String>) -> HostConfig {
    let memory = spec.resources.memory().map(|octets| i64::try_from(octets).unwrap_or(i64::MAX));
    // Without a port, the engine takes one that is free.
    let any = || Some(vec![PortBinding { host_ip: None, host_port: Some(String::new()) }]);
    HostConfig {
        init: Some(true),
        privileged: Some(false),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        pids_limit: Some(spec.max_processes.into()),
        memory,
        // As much as without swap: what is above is ended, and does not make its host slow.
        memory_swap: memory,
        nano_cpus: spec.resources.cpu().map(|millis| i64::from(millis) * 1_000_000),
        mounts: Some(spec.volumes.iter().map(mount).collect()),
        port_bindings: Some(ports.map(|port| (port, any())).collect::<HashMap<_, _>>()),
        ..HostConfig::default()
    }
}

/// Mounts, where there is a choice: a path that is not there is an error of theirs, a bind makes a folder of it.
fn mount(volume: &Volume) -> Mount {
    Mount {
        typ: Some(match volume.source {
            Source::Named(_) => MountType::VOLUME,
            Source::Path(_) => MountType::BIND,
        }),
        source: Some(volume.source.to_string()),
        target: Some(volume.target().to_owned()),
        read_only: Some(volume.read_only),
        ..Mount::default()
    }
}
