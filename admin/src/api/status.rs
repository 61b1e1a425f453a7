//! `/v1/status`: how this node stands.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use model::FactKind;
use registry::Link;

use super::{controls, json};
use crate::doors::App;
use crate::wire::{HeldView, ProxyStatus, RegistryStatus, Status};
use crate::{readiness, waiting};

/// `GET /v1/status`
pub(crate) async fn status(State(app): State<Arc<App>>) -> Response {
    let doors = &app.doors;
    let nodes = Arc::clone(&doors.registry.nodes().borrow());
    let status = Status {
        version: doors.version.to_owned(),
        node: doors.node.to_string(),
        uptime_ms: millis(doors.started.elapsed()),
        ready: readiness::of(&app),
        registry: registry_status(&app, Instant::now()),
        proxy: doors.proxy.as_ref().map(|proxy| {
            let report = proxy.reports().borrow().clone();
            ProxyStatus {
                serving: report.serving.number(),
                in_flight: report.in_flight,
                dead_endpoints: report.dead.len(),
                checked_endpoints: report.checked,
                failing_endpoints: report.dead.iter().filter(|dead| dead.by_check).count(),
            }
        }),
        listeners: doors.listeners.clone(),
        nodes: waiting::list(&nodes, Instant::now()),
        others: waiting::others(nodes.others),
        control: controls::status(&app, &Arc::clone(&doors.registry.snapshots().borrow()), Instant::now()),
    };
    json(StatusCode::OK, &status)
}

/// How the registry stands at `now`.
pub(crate) fn registry_status(app: &App, now: Instant) -> RegistryStatus {
    let state = app.doors.registry.state().borrow().clone();
    let snapshot = app.doors.registry.snapshots().borrow().clone();
    RegistryStatus {
        driver: state.driver.to_owned(),
        url: state.url.clone(),
        link: readiness::link_name(&state.link).to_owned(),
        error: match &state.link {
            Link::Lost { error } => Some(error.clone()),
            Link::Connecting | Link::Live => None,
        },
        follows_by: state.follows_by.to_owned(),
        age_ms: age(&state, now),
        from_cache: state.from_cache,
        read_only: state.read_only,
        held: state.held.map(|held| HeldView {
            for_ms: millis(now.saturating_duration_since(held.since)),
            left_ms: millis(held.until.saturating_duration_since(now)),
            removes: held.removes,
            of: held.of,
            older: held.older,
        }),
        revision: snapshot.revision().number(),
        facts: snapshot.len(),
        facts_by_kind: FactKind::ALL.map(|kind| (kind.name().to_owned(), snapshot.count(kind))).into(),
        quarantined: snapshot.quarantine().len(),
    }
}

/// How long ago the snapshot was known to be what the store says: by our own clock, or, after a restart with the store away, by
/// what stands beside the last known good copy.
fn age(state: &registry::State, now: Instant) -> Option<u64> {
    let saved = || {
        let saved = UNIX_EPOCH.checked_add(Duration::from_millis(state.saved_ms?))?;
        Some(SystemTime::now().duration_since(saved).unwrap_or_default())
    };
    state.confirmed.map(|confirmed| now.saturating_duration_since(confirmed)).or_else(saved).map(millis)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
