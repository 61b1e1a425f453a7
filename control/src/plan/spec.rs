//! What a container of an instance is to be, and whose a container is.

use std::collections::BTreeMap;
use std::path::Path;

use model::launch::{Launch, Resources, Source, Volume, Words};
use model::{HostName, InstanceName, InstancesAt, Label, Revision, Service, ServiceName, Version};

use super::{HookCall, Key, Seen};
use crate::config::Config;
use crate::runtime::{Container, Spec};

/// The label that says of which service a container is.
pub(super) const SERVICE: &str = "portico.service";
const INSTANCE: &str = "portico.instance";
const VERSION: &str = "portico.version";
const REVISION: &str = "portico.revision";
pub(super) const CONTROLLER: &str = "portico.controller";

/// Whose a container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// Of which service.
    pub service: ServiceName,
    /// Which instance.
    pub instance: InstanceName,
    /// Of which version.
    pub version: Version,
    /// The fleet whose controller launched it.
    pub fleet: Label,
}

impl Labels {
    /// What the labels of a container say; `None`: no controller launched it.
    pub fn of(container: &Container) -> Option<Self> {
        let label = |name: &str| container.labels.get(name).map(String::as_str);
        Some(Self {
            service: ServiceName::parse(label(SERVICE)?).ok()?,
            instance: InstanceName::parse(label(INSTANCE)?).ok()?,
            version: Version::parse(label(VERSION)?)?,
            fleet: Label::parse(label(CONTROLLER)?).ok()?,
        })
    }

    /// The instance's key.
    pub fn key(&self) -> Key {
        (self.service.clone(), self.instance.clone())
    }
}

/// Whether a container is that of an instance: as [`Labels`] say, with nothing copied.
pub(super) fn is_of(
    container: &Container,
    fleet: &Label,
    (service, instance): &Key,
    version: Version,
) -> bool {
    let has = |name: &str, value: &str| container.labels.get(name).is_some_and(|label| label == value);
    let is_its = has(INSTANCE, instance.as_str()) && has(SERVICE, service.as_str());
    let of_version = || container.labels.get(VERSION).and_then(|label| Version::parse(label));
    is_its && has(CONTROLLER, fleet.as_str()) && of_version() == Some(version)
}

/// The name of an instance's container: the engine takes it once.
pub(crate) fn container_name(fleet: &Label, service: &ServiceName, instance: &InstanceName) -> String {
    format!("{fleet}-{service}-{instance}")
}

/// What the container of an instance is to be.
///
/// # Errors
/// What the controller's configuration does not allow, and the remedy.
pub(crate) fn spec(
    seen: Seen<'_>,
    service: &Service,
    launch: &Launch,
    key: &Key,
    host: &HostName,
    revision: Revision,
) -> Result<Spec, String> {
    let Config { host_paths, .. } = seen.config;
    launch.volumes.iter().try_for_each(|volume| allowed(volume, host_paths.iter().map(|path| &**path)))?;
    let version = service.version().unwrap_or_else(|| Version::new(0));
    let mut labels: BTreeMap<String, String> =
        launch.labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    labels.extend([
        (SERVICE.to_owned(), key.0.to_string()),
        (INSTANCE.to_owned(), key.1.to_string()),
        (VERSION.to_owned(), version.to_string()),
        (REVISION.to_owned(), revision.to_string()),
        (CONTROLLER.to_owned(), seen.config.fleet.to_string()),
    ]);
    let words = |words: &Option<Words>| {
        words.as_ref().map(|words| words.iter().map(str::to_owned).collect::<Vec<_>>())
    };
    let is_published = seen.host(host).is_none_or(|host| host.instances_at == InstancesAt::Host);
    let ports = service.ports.iter().filter(|_| is_published).map(|port| (port.port, port.protocol));
    Ok(Spec {
        name: container_name(&seen.config.fleet, &key.0, &key.1),
        image: launch.image.clone(),
        command: words(&launch.command),
        entrypoint: words(&launch.entrypoint),
        environment: environment(service, launch, key, host),
        labels,
        user: launch.user.as_deref().map(str::to_owned),
        working_dir: launch.working_dir.as_deref().map(str::to_owned),
        volumes: launch.volumes.to_vec(),
        published: ports.collect(),
        resources: limited(launch.resources, seen.config.memory),
        max_processes: seen.config.max_processes,
        stop_signal: launch.stop.signal,
        capabilities: Vec::new(),
        resolvers: seen.config.resolvers.clone(),
        search: seen.config.search.clone(),
    })
}

/// What an instance may take: the memory of which its service says nothing is the configuration's.
pub(super) fn limited(resources: Resources, memory: Option<u64>) -> Resources {
    match (resources.memory(), memory) {
        (None, Some(memory)) => {
            Resources::new(resources.cpu().map(u64::from), Some(memory)).unwrap_or(resources)
        }
        _ => resources,
    }
}

/// The service's environment, and who the instance is, where the service does not say that itself.
fn environment(service: &Service, launch: &Launch, key: &Key, host: &HostName) -> Vec<(String, String)> {
    let own = [
        ("PORTICO_SERVICE", service.name.to_string()),
        ("PORTICO_INSTANCE", key.1.to_string()),
        ("PORTICO_HOST", host.to_string()),
    ];
    let said = launch.environment.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let is_new = |name: &str| launch.environment.iter().all(|(said, _)| said != name);
    let own = own.into_iter().filter(|(name, _)| is_new(name)).map(|(name, value)| (name.to_owned(), value));
    said.chain(own).collect()
}

/// Whether a volume may be used: what the engine keeps always, of the host exactly the paths that the configuration names. Not what is
/// below them: an engine follows symbolic links, and whoever can write there makes one to anywhere.
fn allowed<'a>(volume: &Volume, mut paths: impl Iterator<Item = &'a Path>) -> Result<(), String> {
    let Source::Path(path) = &volume.source else { return Ok(()) };
    if paths.any(|allowed| Path::new(&**path) == allowed) {
        return Ok(());
    }
    Err(format!(
        "volumes: `{path}` of the host is not allowed; add exactly this path to `control.host_paths` of the controller's \
         configuration (what is below an allowed one is not allowed by it), or use a volume's name"
    ))
}

/// Hooks by name, told of an instance.
pub(crate) fn hooks<'a>(
    names: impl IntoIterator<Item = &'a Label>,
    fleet: &Label,
    service: &Service,
    key: &Key,
    host: &HostName,
) -> Vec<HookCall> {
    let image = service.launch.as_ref().map_or_else(String::new, |launch| launch.image.to_string());
    let environment = vec![
        ("PORTICO_SERVICE".to_owned(), key.0.to_string()),
        ("PORTICO_INSTANCE".to_owned(), key.1.to_string()),
        ("PORTICO_HOST".to_owned(), host.to_string()),
        ("PORTICO_IMAGE".to_owned(), image),
        ("PORTICO_CONTAINER".to_owned(), container_name(fleet, &key.0, &key.1)),
    ];
    let call = |name: &Label| HookCall { name: name.to_string(), environment: environment.clone() };
    names.into_iter().map(call).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_the_host_is_allowed_only_where_it_is_named_itself() {
        let paths = ["/srv/data", "/var/run", "/run/podman/podman.sock"].map(Path::new);
        let is_allowed = |source: &str| {
            let volume = Volume::new(source, "/data", false).unwrap();
            allowed(&volume, paths.into_iter()).is_ok()
        };

        let named = ["data", "/srv/data", "/run/podman/podman.sock"].map(is_allowed);
        // Whoever can write in an allowed folder makes `link` one to the root.
        let below = ["/srv/data/link", "/srv/data/link/etc", "/var/run/docker.sock"].map(is_allowed);
        let others = ["/", "/srv", "/srv/database", "/run/podman", "/srv/data/..."].map(is_allowed);

        assert_eq!(named, [true; 3]);
        assert_eq!(below, [false; 3]);
        assert_eq!(others, [false; 5]);
    }
}
