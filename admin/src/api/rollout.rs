//! `/v1/services/{service}/rollout`: how far a service has come to what is wanted of it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use model::{FactKey, Service, Snapshot};

use super::named::Subject;
use super::{json, writing};
use crate::doors::App;
use crate::problem::Problem;
use crate::rollout;
use crate::wire::Rollout;

/// `GET /v1/services/{service}/rollout`
pub(crate) async fn rollout(State(app): State<Arc<App>>, Subject(key): Subject) -> Result<Response, Problem> {
    let snapshot = writing::snapshot(&app)?;
    let service = service(&snapshot, &key)?;
    match rollout::of(&snapshot, service) {
        Some(mut rollout) => {
            fetched(&app, service, &mut rollout);
            Ok(json(StatusCode::OK, &rollout))
        }
        None => Err(not_launched(service)),
    }
}

/// Says of instances that wait for their image how far it is, as far as this node's controller knows.
fn fetched(app: &App, service: &Service, rollout: &mut Rollout) {
    let Some(control) = &app.doors.control else { return };
    let outlook = control.outlook();
    for ((_, name), far) in outlook.pulls.iter().filter(|((of, _), _)| *of == service.name) {
        let instance = rollout.instances.iter_mut().find(|instance| instance.name == name.as_str());
        if let Some(instance) = instance.filter(|instance| instance.reason.is_empty()) {
            instance.reason = format!("fetching its image, {} of {} MiB", far.done >> 20, far.of >> 20);
        }
    }
}

/// The service that a request is about.
pub(crate) fn service<'s>(snapshot: &'s Snapshot, key: &FactKey) -> Result<&'s Service, Problem> {
    let name = match key {
        FactKey::Service(name) | FactKey::Instance { service: name, .. } => name,
        _ => return Err(writing::not_found(key)),
    };
    let found = snapshot.service(name).map(|(service, _)| service);
    found.ok_or_else(|| writing::not_found(&FactKey::Service(name.clone())))
}

/// Nothing is launched of it.
pub(crate) fn not_launched(service: &Service) -> Problem {
    let detail = format!(
        "service {} says of no image how it is launched: its instances register themselves",
        service.name
    );
    let remedy = "write `image` into it, with `portico apply`, or look at them with `portico instance ls`";
    Problem::new(StatusCode::CONFLICT, "not-launched", detail, remedy)
}
