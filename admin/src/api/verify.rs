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
    let found = verify::verify(&snapshot, report.as_deref(), app.config.page);
    Ok(json(StatusCode::OK, &found))
}
