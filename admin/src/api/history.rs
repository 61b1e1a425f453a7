//! `/v1/history`: who changed what, when.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use model::{ChangeRecord, Fact, Revision};
use registry::{HistoryQuery, ReadError};
use serde::Deserialize;

use super::extract::{self, Params};
use super::json;
use crate::doors::App;
use crate::problem::Problem;
use crate::weight::weights;
use crate::wire::{FactDoc, History, HistoryRecord};

/// How many records a page has when nothing is said.
const PAGE: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    limit: Option<usize>,
    before: Option<u64>,
    key: Option<String>,
}

/// `GET /v1/history?limit=&before=&key=`
pub(crate) async fn history(
    State(app): State<Arc<App>>,
    Params(query): Params<Query>,
) -> Result<Response, Problem> {
    let limit = query.limit.unwrap_or(PAGE).clamp(1, app.config.page);
    let key = query.key.map(|name| extract::parse_key("key", &name)).transpose()?;
    let asked = HistoryQuery { limit, before: query.before.map(Revision::new), key };
    let records = app.doors.registry.history(asked).await.map_err(|error| refused(&error))?;
    let full = records.len() >= limit;
    let size = |record: &&ChangeRecord| weights([record.before.as_deref(), record.after.as_deref()]);
    let (page, cut) = super::page(records.iter(), limit, app.config.page_endpoints, size);
    let next = page.last().filter(|_| full || cut).map(|last| last.revision.number());
    let records = page.into_iter().map(record).collect();
    Ok(json(StatusCode::OK, &History { records, next }))
}

fn record(record: &ChangeRecord) -> HistoryRecord {
    let doc = |fact: &Option<Arc<Fact>>| fact.as_deref().map(FactDoc::from);
    HistoryRecord {
        revision: record.revision.number(),
        at_ms: record.at_ms,
        at: rfc3339(record.at_ms),
        who: record.who.to_string(),
        key: record.key.to_string(),
        before: doc(&record.before),
        before_known: record.before_known,
        after: doc(&record.after),
        set_aside: record.set_aside,
    }
}

/// UTC, to the millisecond; a time that no calendar has is left empty.
pub(crate) fn rfc3339(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map(|time| format!("{time:.3}")).unwrap_or_default()
}

pub(crate) fn refused(error: &ReadError) -> Problem {
    let (kind, remedy) = match error {
        ReadError::Unavailable(_) => ("unavailable", "look at `portico status`, then try again"),
        ReadError::Damaged(_) => ("damaged", "do what it says in the store; routes stay as they are"),
    };
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, kind, error.to_string(), remedy)
}
