//! `/v1/verify`: everything that is not as it should be.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::{json, writing};
use crate::doors::App;
use crate::problem::Problem;
use crate::verify;

/// `GET /v1/verify`
pub(crate) async fn verify(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let snapshot = writing::snapshot(&app)?;
    let report = app.doors.proxy.as_ref().map(|proxy| proxy.reports().borrow().clone());
    let state = app.doors.registry.state().borrow().clone();
    let limit = app.config.page;
    let proxy = app.doors.proxy.clone();
    let dns = app.doors.dns.clone();
    let refused = move |address: &model::Address| proxy.as_ref()?.refuses(address);
    // A million facts take a while: other tasks of the runtime go on meanwhile.
    let verified = tokio::task::spawn_blocking(move || {
        let unserved = dns.map(|dns| dns.unserved(&snapshot)).unwrap_or_default();
        verify::verify(&state, &snapshot, report.as_deref(), refused, unserved, limit)
    })
    .await;
    let found = verified.map_err(|error| {
        let remedy = "this is a defect of portico; please report it";
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            format!("verify ended early: {error}"),
            remedy,
        )
    })?;
    Ok(json(StatusCode::OK, &found))
}
