//! `/v1/explain`: how a request would be routed.

use crate::problem::Problem;

/// `GET /v1/explain?url=`
pub(crate) async fn explain() -> Problem {
    Problem::new(axum::http::StatusCode::NOT_IMPLEMENTED, "soon", "not yet", "")
}
