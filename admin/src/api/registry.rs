//! `/v1/registry/accept`: an operator's word on a view that is held.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::{json, writing};
use crate::doors::App;
use crate::problem::Problem;
use crate::wire::Accepted;

/// `POST /v1/registry/accept`
pub(crate) async fn accept(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let Some(accepted) = app.doors.registry.accept().await else {
        let detail = "no view of the registry is held: what it says is served";
        let remedy = "there is nothing to accept; `portico status` says how the registry stands";
        return Err(Problem::new(StatusCode::CONFLICT, "nothing-held", detail, remedy));
    };
    let answer = Accepted {
        revision: accepted.revision.number(),
        removed: accepted.removed,
        live: writing::is_live(&app, accepted.revision).await,
    };
    Ok(json(StatusCode::OK, &answer))
}
