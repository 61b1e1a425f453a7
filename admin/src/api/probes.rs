//! `/healthz` and `/readyz`: what a load balancer or a supervisor asks.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::json;
use crate::doors::App;
use crate::readiness;

/// `GET /healthz`: this process answers, so it lives.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Response {
    let readiness = readiness::of(&app);
    json(if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &readiness)
}
