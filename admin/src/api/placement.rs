//! `/v1/services/{service}/placement`: what each host is to a service, and why.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use control::plan::HostView;
use control::schedule::{Explained, Why};
use model::{HostName, Service, Snapshot};

use super::named::Subject;
use super::{json, rollout, writing};
use crate::containers;
use crate::doors::App;
use crate::problem::Problem;
use crate::rollout as progress;
use crate::wire::{Placement, PlacementHost};

/// `GET /v1/services/{service}/placement`
pub(crate) async fn placement(
    State(app): State<Arc<App>>,
    Subject(key): Subject,
) -> Result<Response, Problem> {
    let snapshot = writing::snapshot(&app)?;
    let service = rollout::service(&snapshot, &key)?;
    let Some(progress) = progress::of(&snapshot, service) else { return Err(rollout::not_launched(service)) };
    let control = containers::control(&app, &snapshot)?;
    let explained = control.explain(&snapshot, &service.name).unwrap_or_default();
    let hosts = hosts(&snapshot, service, explained, &control.outlook().hosts);
    let placement = Placement {
        revision: snapshot.revision().number(),
        service: service.name.to_string(),
        wanted: progress.wanted,
        hosts,
    };
    Ok(json(StatusCode::OK, &placement))
}

fn hosts(
    snapshot: &Snapshot,
    service: &Service,
    mut explained: BTreeMap<HostName, Explained>,
    views: &BTreeMap<HostName, HostView>,
) -> Vec<PlacementHost> {
    let is_stopped = service.launch.as_ref().is_some_and(|launch| !launch.active);
    let all = snapshot.hosts().map(|(host, _)| {
        let explained = explained.remove(&host.name);
        let stay = explained.as_ref().map_or(0, |explained| explained.stay);
        let next = match explained.map(|explained| explained.next) {
            _ if host.engine.is_none() => Err("has no engine".to_owned()),
            None if is_stopped => Err("the service is stopped".to_owned()),
            None => Err("nothing is to start".to_owned()),
            Some(Ok(rank)) => Ok(rank),
            Some(Err(why @ (Why::Silent | Why::Lost))) => Err(silent(&why, views.get(&host.name))),
            Some(Err(why)) => Err(why.to_string()),
        };
        let (rank, why) = next.map_or_else(|why| (None, why), |rank| (Some(rank), String::new()));
        PlacementHost { host: host.name.to_string(), stay, rank, why }
    });
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|host| host.rank.unwrap_or(u32::MAX));
    all
}

/// With what the last attempt to reach the engine said.
fn silent(why: &Why, view: Option<&HostView>) -> String {
    match view.map(|view| &*view.error).filter(|error| !error.is_empty()) {
        Some(error) => format!("{why}: {error}"),
        None => why.to_string(),
    }
}
