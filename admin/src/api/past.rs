//! `/v1/diff` and `/v1/rollback`: what differs between two revisions, and the way back to one.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use model::{Fact, FactKind, Revision};
use registry::{PastError, Touched, Was};
use serde::Deserialize;

use super::apply::{Order, Wanted, apply, differing};
use super::extract::{self, Params};
use super::{history, json, writing};
use crate::doors::App;
use crate::problem::Problem;
use crate::server::Peer;
use crate::weight::weights;
use crate::wire::{Diff, Differing, Kind, Rollback, Side};

/// How many facts an error names.
const NAMED: usize = 5;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiffQuery {
    from: u64,
    to: Option<u64>,
    limit: Option<usize>,
    after: Option<String>,
}

/// `GET /v1/diff?from=&to=&limit=&after=`
pub(crate) async fn diff(
    State(app): State<Arc<App>>,
    Params(query): Params<DiffQuery>,
) -> Result<Response, Problem> {
    let limit = query.limit.unwrap_or(app.config.page).clamp(1, app.config.page);
    let after = query.after.map(|name| extract::parse_key("after", &name)).transpose()?;
    let now = writing::snapshot(&app)?.revision();
    let (from, to) = (Revision::new(query.from), query.to.map_or(now, Revision::new));
    let touched = app.doors.registry.touched(from, to).await.map_err(|error| refused(&error))?;
    let rest = touched.iter().filter(|t| t.differs() && after.as_ref().is_none_or(|after| t.key > *after));
    let size = |t: &&Touched| weights([fact(&t.before), fact(&t.after)]);
    let (page, more) = super::page(rest, limit, app.config.page_endpoints, size);
    let changes: Vec<Differing> = page.into_iter().map(shown).collect();
    let next = changes.last().filter(|_| more).map(|last| last.frontend.clone());
    Ok(json(StatusCode::OK, &Diff { from: from.number(), to: to.number(), changes, next }))
}

fn fact(was: &Was) -> Option<&Fact> {
    match was {
        Was::Known(fact) => fact.as_deref(),
        Was::Unknown => None,
    }
}

fn shown(touched: &Touched) -> Differing {
    let mut shown = differing(&touched.key, fact(&touched.before), fact(&touched.after));
    let sides = [(&touched.before, Side::Before), (&touched.after, Side::After)];
    shown.unknown =
        sides.into_iter().filter(|(was, _)| **was == Was::Unknown).map(|(_, side)| side).collect();
    shown
}

/// `POST /v1/rollback`
pub(crate) async fn rollback(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(|rejection| extract::bad_body(&rejection))?;
    let object = extract::parse_object(&body).map_err(|problem| problem.with_remedy(REMEDY))?;
    let wanted: Rollback =
        extract::parse_json(object.into()).map_err(|problem| problem.with_remedy(REMEDY))?;
    let to = Revision::new(wanted.to);
    let order = Order {
        who: format!("rollback to {to} by {}", writing::who(&headers, peer)),
        dry_run: wanted.dry_run,
        in_parts: wanted.in_parts,
        parts_flag: "--in-parts (API: \"in_parts\": true)",
    };
    let only = match &*wanted.only {
        [] => FactKind::WRITTEN.to_vec(),
        only => only.iter().copied().map(kind).collect(),
    };
    let past = Wanted::Past { at: to, keep_unknown: wanted.keep_unknown, only };
    Ok(json(StatusCode::OK, &apply(&app, &order, &past).await?))
}

fn kind(kind: Kind) -> FactKind {
    match kind {
        Kind::Frontends => FactKind::Frontend,
        Kind::Services => FactKind::Service,
        Kind::Instances => FactKind::Instance,
        Kind::Hosts => FactKind::Host,
        Kind::Records => FactKind::Record,
    }
}

const REMEDY: &str = r#"write it like {"to": 41, "only": ["frontends"], "dry_run": true}"#;

/// Facts that a rollback would have to guess.
pub(crate) fn nobody_saw(names: &[String], at: Revision) -> Problem {
    let (named, rest) = names.split_at(names.len().min(NAMED));
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    let detail = format!(
        "nobody saw what {}{more} said at revision {at}: a foreign writer changed it while no portico looked",
        named.join(", ")
    );
    let remedy = "say --keep-unknown (API: \"keep_unknown\": true) to leave such facts as they are";
    Problem::new(StatusCode::CONFLICT, "unknown-past", detail, remedy)
}

/// Why the past stays unknown.
pub(crate) fn refused(error: &PastError) -> Problem {
    let detail = error.to_string();
    match error {
        PastError::Future { now, .. } => {
            Problem::invalid("revision", detail, format!("name a revision up to {now}"))
        }
        PastError::TooOld { oldest, .. } => {
            let remedy = format!(
                "name {oldest} or a later one; what is older may be in an export or a backup (registry.history sets how much is kept)"
            );
            Problem::new(StatusCode::GONE, "too-old", detail, remedy)
        }
        PastError::Local => {
            let remedy = "ask a portico that writes to the registry's primary";
            Problem::new(StatusCode::CONFLICT, "read-only", detail, remedy)
        }
        PastError::Read(error) => history::refused(error),
    }
}
