//! One write: into the registry, then a short wait for this node's proxy.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use model::{Fact, FactKey, FactKind, HostName, Revision, Run, Service, Snapshot, Stage};
use registry::format::FormatError;
use registry::{Edit, Expected, PublishError, Write};

use crate::doors::App;
use crate::problem::Problem;
use crate::server::Peer;

/// By this header the command line says who sits before it; the history shows it beside the peer's address.
const WHO_HEADER: &str = "portico-who";
/// The longest name taken from [`WHO_HEADER`], in characters.
const WHO_LENGTH: usize = 100;

/// How many instances are named that stand in the way of a write.
const NAMED: usize = 5;

/// Who writes, for the history: `cli:root@host`, `api:127.0.0.1`; a peer on another machine is always named.
pub(crate) fn who(headers: &HeaderMap, peer: Peer) -> String {
    let ip = peer.0.ip().to_canonical();
    let said = headers
        .get(WHO_HEADER)
        .and_then(|value| value.to_str().ok())
        .map(str::trim)
        .filter(|s| !s.is_empty());
    match said {
        None => format!("api:{ip}"),
        Some(name) => {
            let name: String =
                name.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(WHO_LENGTH).collect();
            if ip.is_loopback() { format!("cli:{name}") } else { format!("cli:{name} ({ip})") }
        }
    }
}

/// Puts or removes one fact.
pub(crate) async fn publish(
    app: &App,
    who: String,
    key: FactKey,
    fact: Option<Fact>,
    expected: Expected,
) -> Result<Revision, PublishError> {
    let edit = Edit { key, fact, expected };
    app.doors
        .registry
        .publish(Write { who, edits: vec![edit], guards: Vec::new() })
        .await
        .map(|published| published.revision)
}

/// Why these facts cannot all be: services among them would wait for each other.
///
/// What others write at the same moment is not looked at; a controller names a circle that came so.
pub(crate) fn no_circle<'a>(app: &App, facts: impl IntoIterator<Item = &'a Fact>) -> Result<(), Problem> {
    let services = facts.into_iter().filter_map(|fact| match fact {
        Fact::Service(service) if service.launch.is_some() => Some(&**service),
        _ => None,
    });
    let services: Vec<&Service> = services.collect();
    if services.is_empty() {
        return Ok(());
    }
    let now = snapshot(app)?;
    let Some(circle) = model::launch::circle(&now, services) else { return Ok(()) };
    let named: Vec<String> = circle.iter().chain(circle.first()).map(ToString::to_string).collect();
    let way = named.join(", which waits for ").replacen(", which", "", 1);
    let detail = format!("{way}: none of them would start");
    Err(Problem::invalid("depends_on", detail, "take one of them out"))
}

/// Why facts cannot be as they are wanted yet (`None`: gone): what was launched on a host that goes, or whose engine becomes another one or
/// none, would run on, and nobody would know.
pub(crate) fn left_behind<'a>(
    now: &Snapshot,
    wanted: impl IntoIterator<Item = (&'a FactKey, Option<&'a Fact>)>,
) -> Result<(), Problem> {
    let engine = |fact: &Fact| match fact {
        Fact::Host(host) => host.engine.clone(),
        _ => None,
    };
    let leaves = wanted.into_iter().filter_map(|(key, fact)| match (key, fact) {
        (FactKey::Host(host), None) => Some(host),
        (FactKey::Host(host), Some(fact)) => {
            let before = now.get(key).and_then(|stated| engine(&stated.fact));
            (before.is_some() && before != engine(fact)).then_some(host)
        }
        _ => None,
    });
    let mut leaves: BTreeMap<&HostName, Vec<String>> = leaves.map(|host| (host, Vec::new())).collect();
    if leaves.is_empty() {
        return Ok(());
    }
    for (instance, _) in now.instances() {
        let runs = |run: &Run| !matches!(run.stage, Stage::Adopted | Stage::Ended);
        if instance.run.as_deref().is_some_and(runs)
            && let Some(there) = instance.host.as_ref().and_then(|host| leaves.get_mut(host))
        {
            there.push(format!("{}/{}", instance.service, instance.name));
        }
    }
    let Some((host, there)) = leaves.into_iter().find(|(_, there)| !there.is_empty()) else { return Ok(()) };
    let more = if there.len() > NAMED { ", ..." } else { "" };
    let named = there[..there.len().min(NAMED)].join(", ");
    let detail = format!("{} launched instances are on {host}: {named}{more}", there.len());
    let remedy = format!(
        "have them leave it first: portico host drain {host} (or remove their services, and the host once they have ended)"
    );
    Err(Problem::new(StatusCode::CONFLICT, "in-use", detail, remedy))
}

/// Refuses what only a controller says.
pub(crate) fn by_a_person(fact: Fact) -> Result<Fact, FormatError> {
    match &fact {
        Fact::Instance(instance) if instance.run.is_some() => Err(FormatError {
            place: "run".to_owned(),
            reason: "it is what the controller says of an instance that it launched".to_owned(),
            remedy: "leave it out".to_owned(),
        }),
        _ => Ok(fact),
    }
}

/// Whether this node's proxy routes by `revision`, which it is given [`crate::Config::live_wait`] for.
pub(crate) async fn is_live(app: &App, revision: Revision) -> bool {
    let Some(proxy) = &app.doors.proxy else { return false };
    let mut reports = proxy.reports();
    let serves = reports.wait_for(|report| report.serving >= revision);
    matches!(tokio::time::timeout(app.config.live_wait, serves).await, Ok(Ok(_)))
}

/// Why a write was not accepted.
pub(crate) fn refused(error: &PublishError) -> Problem {
    let detail = error.to_string();
    match error {
        PublishError::Conflict { actual, .. } => {
            let remedy = match actual {
                Some(revision) => format!("read it again, then send `If-Match: \"{revision}\"`"),
                None => "send `If-None-Match: *` to create it".to_owned(),
            };
            Problem::new(StatusCode::PRECONDITION_FAILED, "conflict", detail, remedy).at_revision(*actual)
        }
        PublishError::Invalid(_) => Problem::invalid("body", detail, "correct it; nothing was written"),
        PublishError::Unavailable(_) => {
            let remedy = "routes stay as they are; look at `portico status`, and whether the write happened, then try again";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail, remedy)
        }
        PublishError::Damaged(_) => {
            let remedy =
                "do what it says in the store, then try again; nothing was written, routes stay as they are";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "damaged", detail, remedy)
        }
        PublishError::ReadOnly(_) => {
            let remedy = "write to the registry's primary, or point --registry at it";
            Problem::new(StatusCode::CONFLICT, "read-only", detail, remedy)
        }
        PublishError::Full(_) => {
            let remedy = "make room on the registry's disk or in its memory, then try again";
            Problem::new(StatusCode::INSUFFICIENT_STORAGE, "full", detail, remedy)
        }
    }
}

/// What is wanted is not there.
pub(crate) fn not_found(key: &FactKey) -> Problem {
    let kind = key.kind();
    let remedy =
        format!("list what is there with GET /v1/{} (command line: portico {kind} ls)", kind.plural());
    let name = match kind {
        FactKind::Frontend => super::name_of(key),
        kind => key.to_string().replacen(&format!("{kind}:"), "", 1),
    };
    Problem::new(StatusCode::NOT_FOUND, "not-found", format!("there is no {kind} {name}"), remedy)
}

/// The newest snapshot, once there is one worth reading.
pub(crate) fn snapshot(app: &App) -> Result<Arc<Snapshot>, Problem> {
    if !app.doors.registry.state().borrow().ready {
        let remedy = "wait for /readyz; `portico status` says how the registry is";
        let detail = "the registry was not read yet and there is no last known good copy";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail, remedy));
    }
    Ok(app.doors.registry.snapshots().borrow().clone())
}
