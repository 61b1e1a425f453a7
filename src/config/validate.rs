//! What no single setting can tell: values that contradict each other, or that nobody could follow.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Component, Path};
use std::time::Duration;

use model::EngineUrl;
use proxy::config::Listener;
use registry::RegistryUrl;

use super::{Loaded, Problem};

/// Durations that may be nothing at all.
const MAY_BE_ZERO: [&str; 11] = [
    "control.host_grace",
    "control.node_grace",
    "dns.ttl_service",
    "dns.ttl_host",
    "dns.negative_ttl",
    "http.drain",
    "admin.drain",
    "admin.live_wait",
    "health.dead_ttl",
    "registry.hold",
    "registry.hold_older",
];

/// How long a node that is lost may be named: its report is kept in the store for that long.
const MAX_LOST: Duration = Duration::from_secs(365 * 86_400);

/// Checks the whole. After other problems, settings are not held against each other: one that was not understood may be what is missing.
pub(super) fn validate(loaded: &Loaded, problems: &mut Vec<Problem>) {
    let settings = &loaded.settings;
    let understood = problems.is_empty();
    let mut wrong = |key: &str, message: String| {
        problems.push(Problem { place: loaded.place(key), message: format!("`{key}` {message}") });
    };
    if settings.version != 1 {
        wrong("version", format!("is {}, but this portico reads version 1", settings.version));
    }
    if settings.proxy.listen.is_empty() {
        wrong("http.listen", "is empty; write at least one address".into());
    }
    if let Some(address) = named_twice(&settings.proxy.listen) {
        wrong("http.listen", format!("names {address} twice; one listener has one policy"));
    }
    if let Some(folder) = settings.proxy.upstream.unix.iter().find(|folder| !is_plain(folder)) {
        let folder = folder.display();
        wrong("upstream.unix", format!("has {folder}, but folders begin with `/` and have no `..`"));
    }
    let most = dnsd::config::NSID;
    let control = &settings.control;
    let tls = [&control.tls_ca, &control.tls_cert, &control.tls_key];
    if tls.iter().any(|file| file.is_some()) && tls.iter().any(|file| file.is_none()) {
        wrong(
            "control.tls_ca",
            "goes with control.tls_cert and control.tls_key; write all three, or none".into(),
        );
    }
    if let Some(url) = control.plain_engines.iter().find(|url| !matches!(url, EngineUrl::Tcp { .. })) {
        wrong("control.plain_engines", format!("names {url}, but only engines at tcp:// need it"));
    }
    let lease = control.config.lease;
    if lease < Duration::from_secs(1) || lease > Duration::from_secs(model::MAX_LEASE.into()) {
        wrong("control.lease", format!("is {lease:?}, but must be 1s to a day"));
    }
    if settings.dns.nsid.as_ref().is_some_and(|nsid| nsid.len() > most) {
        wrong("dns.nsid", format!("is longer than {most} octets: an answer may have no room for it"));
    }
    if settings.dns.zone.as_ref().is_some_and(|zone| dnsd::zone::derived::mailbox(zone).is_none()) {
        wrong("dns.zone", "is so long that no name fits below it; write a shorter one".into());
    }
    if let Err(error) = registry_url(loaded) {
        wrong("registry.url", format!("cannot be used: {error}"));
    }
    if let Err(error) = crate::logging::parse_level(&settings.log.level) {
        wrong("log.level", format!("{error}; write \"info\" or \"info,proxy=debug\""));
    }
    let exposed = settings.admin.listen.filter(|address| understood && !address.ip().is_loopback());
    if let (Some(address), None) = (exposed, &settings.admin.token) {
        let message =
            format!("is {address}, which others can reach: set admin.token (PORTICO_ADMIN_TOKEN) too");
        wrong("admin.listen", message);
    }
    if let Err(error) = dnsd::zone::reverse::ranges(&settings.dns.reverse, settings.dns.zone.as_ref()) {
        wrong("dns.reverse", error.to_string());
    }
    if let Some(message) = short_lease(&settings.registry.config).filter(|_| understood) {
        wrong("registry.lease", message);
    }
    if settings.registry.config.lost > MAX_LOST {
        wrong("registry.lost", "is longer than a year (8760h)".into());
    }
    for setting in super::SETTINGS {
        let zero = setting.get(settings) == super::Value::Text("0s".into());
        if zero && !MAY_BE_ZERO.contains(&setting.key) {
            wrong(setting.key, "is 0s, but must be longer than that".into());
        }
    }
}

/// Why a lease would end while the node that listens could not know whether the registry is there.
fn short_lease(config: &registry::Config) -> Option<String> {
    let registry::Config { lease, timeout, reconcile, .. } = config;
    if lease.is_zero() {
        return None;
    }
    if *lease < timeout.saturating_mul(2) {
        return Some(format!(
            "is {lease:?}, but must be at least twice `registry.timeout` ({timeout:?}): a registry that cannot be reached has to be \
             known before its nodes are lost; make it longer, or `registry.timeout` shorter"
        ));
    }
    (reconcile >= lease).then(|| {
        format!(
            "is {lease:?}, but must be longer than `registry.reconcile` ({reconcile:?}), within which a word that was missed is \
             found; make it longer, or `registry.reconcile` shorter"
        )
    })
}

/// An address that two listeners would have. Port 0 is another one each time.
fn named_twice(listeners: &[Listener]) -> Option<SocketAddr> {
    let mut seen = BTreeSet::new();
    let fixed = listeners.iter().map(|listener| listener.address).filter(|address| address.port() != 0);
    fixed.into_iter().find(|address| !seen.insert(*address))
}

/// True when a path can be compared with others as it is written.
fn is_plain(path: &Path) -> bool {
    path.is_absolute() && !path.components().any(|part| part == Component::ParentDir)
}

/// The registry that the settings name.
pub(crate) fn registry_url(loaded: &Loaded) -> Result<RegistryUrl, String> {
    let settings = &loaded.settings;
    match settings.registry.url.as_slice() {
        [url] => RegistryUrl::parse(url, &settings.data).map_err(|error| error.to_string()),
        [read, write] => RegistryUrl::parse_pair(read, write).map_err(|error| error.to_string()),
        other => Err(format!("{} URLs; write one, or two: to read from and to write to", other.len())),
    }
}
