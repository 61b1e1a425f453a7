//! The house put together: what is opened in which order, what is handed to whom, and in which order it is closed.
//!
//! ```text
//! bind (proxy, DNS, admin) ─► become the user ─► open the registry, say what will be served ─► start proxy, DNS, control ─► serve admin ─► ready
//!        draining ─► proxy and DNS drain ─► control ends (what runs runs on) ─► admin ends ─► the registry is closed
//! registry ─ snapshots, marks ─► proxy ─ health reports ─► registry        admin ─► all
//! registry ─ snapshots ─► DNS ─ updates ─► registry
//! proxy, DNS ─ what they serve ─► report ─► registry ─ all nodes' reports ─► admin
//! ```
//!
//! The threads of proxy and DNS are their own; registry, admin and whatever else waits run on the runtime this is called in.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use dnsd::transfer::{UpdateEdit, UpdateError, UpdateGuard, UpdateRequest};
use model::{Alarm, NodeId, Revision};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::config::{Loaded, registry_url};
use crate::failure::Failure;
use crate::holder::holder;
use crate::{controlling, privileges, report, storage};

/// How long a start waits for the first snapshot; then it serves without routes, and readiness says so.
const FIRST_SNAPSHOT: Duration = Duration::from_secs(1);
/// How long the store may take to be let go of.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Which parts run in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) proxy: bool,
    pub(crate) dns: bool,
    pub(crate) control: bool,
}

impl Parts {
    /// Everything.
    pub(crate) const ALL: Self = Self { proxy: true, dns: true, control: true };
}

/// Listeners that are bound, before anything is served.
#[derive(Debug)]
pub(crate) struct Bound {
    proxy: Option<proxy::Bound>,
    dns: Option<dnsd::Bound>,
    admin: Option<admin::Bound>,
    control: bool,
}

/// Binds every listener, while we may still be root; then becomes whom the settings name.
pub(crate) fn bind(loaded: &Loaded, parts: Parts) -> Result<Bound, Failure> {
    let settings = &loaded.settings;
    let identity = privileges::wanted(settings)?;
    storage::prepare(settings, identity.as_ref())?;
    let proxy = parts.proxy.then(|| proxy::bind(&settings.proxy).map_err(cannot_bind)).transpose()?;
    let dns = parts.dns && !settings.dns.listen.is_empty();
    let dns = dns.then(|| dnsd::bind(&settings.dns).map_err(cannot_bind_dns)).transpose()?;
    let admin = admin::bind(&settings.admin).map_err(|error| {
        let held =
            matches!(error, admin::BindError::Taken(_)).then(|| settings.admin.listen.and_then(holder));
        Failure::Listen { message: error.to_string(), holder: held.flatten() }
    })?;
    if let Some(identity) = identity {
        identity.become_it()?;
    }
    Ok(Bound { proxy, dns, admin, control: parts.control && settings.control.enabled })
}

/// What stands behind a port that may not be had.
const LOW_PORTS: &str =
    "; ports below 1024 need root (see `user` in config/example.toml) or CAP_NET_BIND_SERVICE";

fn cannot_bind(error: proxy::OpenError) -> Failure {
    let (holder, remedy) = match &error {
        proxy::OpenError::Bind(proxy::BindError::Taken { address }) => {
            (holder(*address), "; stop it, or listen elsewhere (--http ADDR)")
        }
        proxy::OpenError::Bind(proxy::BindError::Refused { source, .. })
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            (None, LOW_PORTS)
        }
        _ => (None, ""),
    };
    Failure::Listen { message: format!("{error}{remedy}"), holder }
}

fn cannot_bind_dns(error: dnsd::OpenError) -> Failure {
    let error = match error {
        dnsd::OpenError::File(error) => return error.into(),
        dnsd::OpenError::Forward(error) => return error.into(),
        dnsd::OpenError::Reverse(error) => return error.into(),
        dnsd::OpenError::Bind(error) => error,
    };
    let (holder, remedy) = match &error {
        dnsd::BindError::Taken { address, .. } => {
            (holder(*address), "; stop it, or speak DNS elsewhere (--dns ADDR) or not at all (--dns off)")
        }
        dnsd::BindError::Refused { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            (None, LOW_PORTS)
        }
        dnsd::BindError::Refused { .. } => (None, ""),
    };
    Failure::Listen { message: format!("{error}{remedy}"), holder }
}

/// Everything that runs.
pub(crate) struct House {
    pub(crate) proxy: Option<proxy::Proxy>,
    pub(crate) dns: Option<dnsd::Dnsd>,
    pub(crate) registry: registry::Registry,
    /// Where admin is spoken.
    pub(crate) admin_address: Option<SocketAddr>,
    admin: Option<JoinHandle<()>>,
    control: Option<JoinHandle<()>>,
    end_control: watch::Sender<bool>,
    /// The part that ended by a panic, once one did.
    fallen: watch::Receiver<Option<&'static str>>,
    draining: watch::Sender<bool>,
    end_admin: watch::Sender<bool>,
}

/// Opens the registry, starts proxy and DNS, serves admin. Called inside a runtime.
pub(crate) async fn open(bound: Bound, loaded: &Loaded) -> Result<House, Failure> {
    let (http, dns) = bound.addresses();
    let node = node_name(loaded, http.first().or(dns.first()).copied());
    let (tell, fallen) = watch::channel(None);
    let alarm = Alarm::new(move |part| {
        tell.send_replace(Some(part));
    });
    let registry = open_registry(loaded, node.clone(), alarm.clone()).await?;
    let addresses = report::addresses(&loaded.settings.registry.addresses, &http);
    // Other nodes know of the doors before they are open.
    let ttl = loaded.settings.dns.ttl_service;
    registry.report(report::first(bound.proxy.is_some(), bound.dns.as_ref().map(|_| ttl), &addresses));
    first_snapshot(&registry).await;
    let listeners = listeners(&http, &dns, bound.admin.as_ref());
    let others: Vec<_> = dns.into_iter().chain(bound.admin.as_ref().map(admin::Bound::address)).collect();
    let proxy = bound.proxy.map(|proxy| start_proxy(proxy, &others, &registry, &alarm)).transpose()?;
    let addresses = report::addresses(&loaded.settings.registry.addresses, &http);
    let own = if proxy.is_some() { addresses.clone() } else { Vec::new() };
    let dns = bound.dns.map(|dns| start_dns(dns, &registry, own, alarm.clone())).transpose()?;
    let (draining, is_draining) = watch::channel(false);
    let parts = report::Parts {
        proxy: proxy.as_ref().map(proxy::Proxy::reports),
        dns: dns.as_ref().map(dnsd::Dnsd::serving),
        ttl,
        addresses,
        draining: is_draining.clone(),
    };
    registry.report(parts.merge());
    let (end_control, control_ends) = watch::channel(false);
    let control =
        bound.control.then(|| controlling::start(loaded, node.clone(), &registry, control_ends, &alarm));
    let (control, controls) = control.unzip();
    let (end_admin, admin_ends) = watch::channel(false);
    let doors = admin::Doors {
        registry: registry.clone(),
        proxy: proxy.clone(),
        dns: dns.clone(),
        control,
        node,
        version: env!("CARGO_PKG_VERSION"),
        started: Instant::now(),
        started_at: SystemTime::now(),
        log_dropped: crate::logging::dropped,
        listeners,
        draining: is_draining,
    };
    let admin_address = bound.admin.as_ref().map(admin::Bound::address);
    let admin = bound.admin.map(|bound| tokio::spawn(serve_admin(bound, doors, admin_ends)));
    Ok(House {
        proxy,
        dns,
        registry,
        admin_address,
        admin,
        control: controls,
        end_control,
        fallen,
        draining,
        end_admin,
    })
}

impl Bound {
    /// Where HTTP and DNS will be spoken.
    fn addresses(&self) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
        let http = self.proxy.as_ref().map_or_else(Vec::new, |proxy| proxy.addresses().to_vec());
        (http, self.dns.as_ref().map_or_else(Vec::new, dnsd::Bound::addresses))
    }
}

/// `others`: listeners of ours that no endpoint may be.
fn start_proxy(
    mut bound: proxy::Bound,
    others: &[SocketAddr],
    registry: &registry::Registry,
    alarm: &Alarm,
) -> Result<proxy::Proxy, Failure> {
    for other in others {
        bound.guards(*other);
    }
    let proxy = bound.start(proxy::Inputs {
        snapshots: registry.snapshots(),
        marks: registry.marks(),
        known: known(registry),
        health: registry.health_reports(),
        alarm: alarm.clone(),
    })?;
    Ok(proxy)
}

fn start_dns(
    bound: dnsd::Bound,
    registry: &registry::Registry,
    own: Vec<IpAddr>,
    alarm: Alarm,
) -> Result<dnsd::Dnsd, Failure> {
    let (updates, wanted) = mpsc::channel(dnsd::config::UPDATE_QUEUE);
    tokio::spawn(write_updates(registry.clone(), wanted));
    let inputs = dnsd::Inputs {
        snapshots: registry.snapshots(),
        known: known(registry),
        lost: lost(registry),
        nodes: registry.nodes(),
        own,
        updates: Some(updates),
        alarm,
    };
    bound.start(inputs).map_err(|error| Failure::System { what: "cannot start DNS", error })
}

const _: () = assert!(dnsd::config::UPDATE_GUARDS <= registry::MAX_GUARDS, "an update's guards fit");

/// Writes what updates by DNS change, until DNS has ended.
async fn write_updates(registry: registry::Registry, mut wanted: mpsc::Receiver<UpdateRequest>) {
    while let Some(UpdateRequest { who, edits, guards, answer }) = wanted.recv().await {
        // Who was answered that it is not known what became of it had better find nothing done.
        if answer.is_closed() {
            continue;
        }
        let expected = |at: Option<Revision>| at.map_or(registry::Expected::Absent, registry::Expected::At);
        let edit = |edit: UpdateEdit| registry::Edit {
            key: edit.key,
            fact: edit.fact,
            expected: expected(edit.expected),
        };
        let guard =
            |guard: UpdateGuard| registry::Guard { key: guard.key, expected: expected(guard.expected) };
        let write = registry::Write {
            who,
            edits: edits.into_iter().map(edit).collect(),
            guards: guards.into_iter().map(guard).collect(),
        };
        let written = registry.publish(write).await.map(|published| published.revision);
        // Who asked may be gone.
        let _ = answer.send(written.map_err(|error| match error {
            registry::PublishError::Conflict { .. } => UpdateError::Conflict,
            registry::PublishError::Invalid(_) | registry::PublishError::ReadOnly(_) => {
                UpdateError::Refused(error.to_string())
            }
            _ => UpdateError::Unavailable(error.to_string()),
        }));
    }
}

impl House {
    /// Waits until a part that the house lives by has ended by a panic; for ever, if none does.
    pub(crate) async fn fall(&self) -> Failure {
        let mut fallen = self.fallen.clone();
        let part = fallen.wait_for(Option::is_some).await.map(|part| *part);
        match part {
            Ok(Some(part)) => Failure::Panicked(part),
            // Nobody is left who could tell.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Readiness off, no new connections, requests in flight finished within the deadline; then everything is closed.
    /// Returns false when some had to be cut.
    pub(crate) async fn leave(self) -> bool {
        self.draining.send_replace(true);
        // Another node may control at once.
        self.end_control.send_replace(true);
        let proxy = async {
            match &self.proxy {
                Some(proxy) => proxy.drain().await,
                None => true,
            }
        };
        let dns = async {
            match &self.dns {
                Some(dns) => dns.drain().await,
                None => true,
            }
        };
        let (finished, answered) = tokio::join!(proxy, dns);
        if !answered {
            tracing::warn!("DNS did not end in time");
        }
        if let Some(control) = self.control {
            // It ends by itself, or it panicked, which it has said.
            let _ = control.await;
        }
        self.end_admin.send_replace(true);
        if let Some(admin) = self.admin {
            // It ends by itself, or it panicked, which it has said.
            let _ = admin.await;
        }
        if tokio::time::timeout(CLOSE_TIMEOUT, self.registry.close()).await.is_err() {
            tracing::warn!("the registry did not close in time");
        }
        finished
    }
}

async fn open_registry(loaded: &Loaded, node: NodeId, alarm: Alarm) -> Result<registry::Registry, Failure> {
    let settings = &loaded.settings;
    let url = registry_url(loaded).map_err(Failure::Registry)?;
    let mut config = settings.registry.config.clone();
    config.node = node;
    config.alarm = alarm;
    config.cache_file = storage::cache_file(settings);
    registry::open(&url, config).await.map_err(|error| Failure::Registry(error.to_string()))
}

/// Waits a moment for the first snapshot, so that a start beside a healthy store refuses nobody. Requests wait in the backlog.
async fn first_snapshot(registry: &registry::Registry) {
    let mut state = registry.state();
    let known = state.wait_for(|state| state.ready);
    if tokio::time::timeout(FIRST_SNAPSHOT, known).await.is_err() {
        let link = registry.state().borrow().link.clone();
        tracing::warn!(?link, "the registry has not answered yet: no routes until it does");
    }
}

/// Whether routes are known: from the registry itself, or from the last known good file.
fn known(registry: &registry::Registry) -> watch::Receiver<bool> {
    let mut state = registry.state();
    let (tell, known) = watch::channel(state.borrow().ready);
    tokio::spawn(async move {
        if state.wait_for(|state| state.ready).await.is_ok() {
            tell.send_replace(true);
        }
    });
    known
}

/// Since when the registry is not heard: since it last confirmed what is served, be that in another process's time.
fn lost(registry: &registry::Registry) -> watch::Receiver<Option<Instant>> {
    let started = Instant::now();
    let since = move |state: &registry::State| {
        let saved = state.saved_ms.and_then(|ms| {
            let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
            Instant::now().checked_sub(age.unwrap_or_default())
        });
        let heard = state.confirmed.or(saved).unwrap_or(started);
        (state.link != registry::Link::Live).then_some(heard)
    };
    let mut state = registry.state();
    let (tell, lost) = watch::channel(since(&state.borrow()));
    tokio::spawn(async move {
        while state.changed().await.is_ok() {
            let since = since(&state.borrow_and_update());
            tell.send_if_modified(|told| {
                let news = told.is_some() != since.is_some();
                if news {
                    *told = since;
                }
                news
            });
        }
    });
    lost
}

/// The node's name: as configured, else the machine's name and the first port, which no other process there has.
fn node_name(loaded: &Loaded, first: Option<SocketAddr>) -> NodeId {
    let configured = &loaded.settings.registry.node;
    if !configured.is_empty() {
        return NodeId(configured.as_str().into());
    }
    let name = std::fs::read_to_string(Path::new("/proc/sys/kernel/hostname")).unwrap_or_default();
    let name = if name.trim().is_empty() { "portico" } else { name.trim() };
    let port = first.map_or(0, |address| address.port());
    NodeId(format!("{name}:{port}").into())
}

fn listeners(
    http: &[SocketAddr],
    dns: &[SocketAddr],
    admin: Option<&admin::Bound>,
) -> Vec<admin::wire::Listener> {
    let listener = |role: &str, address: SocketAddr| admin::wire::Listener {
        role: role.to_owned(),
        address: address.to_string(),
    };
    let http = http.iter().map(|address| listener("http", *address));
    let dns = dns.iter().map(|address| listener("dns", *address));
    http.chain(dns).chain(admin.map(|bound| listener("admin", bound.address()))).collect()
}

async fn serve_admin(bound: admin::Bound, doors: admin::Doors, mut ends: watch::Receiver<bool>) {
    let shutdown = async move {
        // An error means that the house is gone, which is an end too.
        let _ = ends.wait_for(|ends| *ends).await;
    };
    if let Err(error) = admin::serve(bound, doors, shutdown).await {
        tracing::error!(%error, "the admin listener cannot be served");
    }
}

#[cfg(test)]
mod tests {
    use model::{DomainName, Fact, FactKey, RecordData, RecordFact, RecordType};
    use registry::{Expected, RegistryUrl};
    use tokio::sync::oneshot;

    use super::*;

    fn record(name: &str, text: &str) -> (FactKey, Fact) {
        let name = DomainName::parse(name).expect("a name");
        let data = RecordData::parse(RecordType::TXT, text).expect("text");
        let fact = RecordFact::new(&name, RecordType::TXT, None, vec![data]).expect("a set");
        (FactKey::Record { name, record_type: RecordType::TXT }, Fact::Record(Box::new(fact)))
    }

    #[tokio::test]
    async fn an_update_is_written_while_the_facts_of_its_prerequisites_are_as_they_were_read() {
        let url = RegistryUrl::parse("memory:", Path::new("")).expect("a URL");
        let registry = registry::open(&url, registry::Config::default()).await.expect("open");
        let (named, fact) = record("named.e", "t");
        let edit = registry::Edit { key: named.clone(), fact: Some(fact), expected: Expected::Absent };
        let write = registry::Write { who: "test".into(), edits: vec![edit], guards: Vec::new() };
        let read = registry.publish(write).await.expect("written").revision;
        let (updates, wanted) = mpsc::channel(1);
        let writes = tokio::spawn(write_updates(registry.clone(), wanted));

        let mut answers = Vec::new();
        for expected in [None, Some(read.next()), Some(read)] {
            let (key, fact) = record("new.e", "t");
            let edits = vec![UpdateEdit { key, fact: Some(fact), expected: None }];
            let guards = vec![UpdateGuard { key: named.clone(), expected }];
            let (answer, answered) = oneshot::channel();
            updates.send(UpdateRequest { who: "dns".into(), edits, guards, answer }).await.expect("taken");
            answers.push(answered.await.expect("answered"));
        }

        let conflict = Err(UpdateError::Conflict);
        assert_eq!(answers, [conflict.clone(), conflict, Ok(read.next())]);
        drop(updates);
        writes.await.expect("no panic");
        registry.close().await;
    }
}
