//! `/v1/apply`: facts of any kind that shall be so, or shall be gone, all or nothing.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use model::{Fact, FactKey, FactKind};
use registry::format::{FormatError, native};
use serde_json::Value;

use super::apply::{Order, Wanted, apply};
use super::{controls, expand, extract, json, writing};
use crate::doors::App;
use crate::problem::Problem;
use crate::server::Peer;
use crate::wire::Apply;

const REMEDY: &str = r#"write it like {"documents": [{"kind": "service", "name": "web"}], "dry_run": true}"#;

/// `POST /v1/apply`
pub(crate) async fn all(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = format!("the documents are larger than {} octets", app.config.import_bytes);
            let remedy = "apply them in several files, or raise admin.import";
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail, remedy)
        }
        _ => extract::bad_body(&rejection),
    })?;
    let object = extract::parse_object(&body).map_err(|problem| problem.with_remedy(REMEDY))?;
    let asked: Apply = extract::parse_json(object.into()).map_err(|problem| problem.with_remedy(REMEDY))?;
    if asked.documents.is_empty() {
        return Err(Problem::invalid("documents", "there is none", "name at least one fact"));
    }
    let documents = expand::expand(asked.documents, &*writing::snapshot(&app)?, asked.delete)
        .map_err(extract::bad_format)?;
    let documents = documents.into_iter().enumerate();
    let wanted = match asked.delete {
        true => Wanted::Gone(once(documents.map(|(i, document)| key(i, document)), |key| key.clone())?),
        false => {
            let facts = once(documents.map(|(i, document)| fact(i, document)), |fact| fact.key())?;
            writing::no_circle(&app, facts.iter().map(|fact: &Arc<Fact>| &**fact))?;
            Wanted::Facts { facts, replace: false }
        }
    };
    let order = Order {
        who: writing::who(&headers, peer),
        dry_run: asked.dry_run,
        in_parts: asked.in_parts,
        parts_flag: "--in-parts (API: \"in_parts\": true)",
    };
    let mut applied = apply(&app, &order, &wanted).await?;
    applied.launched = launched(&wanted);
    if order.dry_run {
        applied.plan = controls::foresee(&app, &*writing::snapshot(&app)?, &wanted);
    }
    Ok(json(StatusCode::OK, &applied))
}

/// The services that shall be and are launched, whether they say so themselves or by what they extend.
fn launched(wanted: &Wanted) -> Vec<String> {
    let Wanted::Facts { facts, .. } = wanted else { return Vec::new() };
    let launched = facts.iter().filter_map(|fact| match &**fact {
        Fact::Service(service) if service.launch.is_some() => Some(service.name.to_string()),
        _ => None,
    });
    launched.collect()
}

/// All of them, unless one is wrong or two are about one fact.
fn once<T>(
    documents: impl Iterator<Item = Result<T, FormatError>>,
    key: impl Fn(&T) -> FactKey,
) -> Result<Vec<T>, Problem> {
    let (mut all, mut seen) = (Vec::new(), std::collections::BTreeMap::new());
    for (i, document) in documents.enumerate() {
        let document = document.map_err(extract::bad_format)?;
        if let Some(before) = seen.insert(key(&document), i) {
            let detail = format!("documents[{before}] is about {} already", key(&document));
            return Err(Problem::invalid(&format!("documents[{i}]"), detail, "say it once"));
        }
        all.push(document);
    }
    Ok(all)
}

/// The kind of a document, and the rest of it.
fn split(document: Value) -> Result<(FactKind, Value), FormatError> {
    let wrong = |place: &str, reason: String| FormatError {
        place: place.to_owned(),
        reason,
        remedy: "write `kind: service`, `instance`, `host`, `record` or `frontend` beside its other fields"
            .to_owned(),
    };
    let Value::Object(mut object) = document else {
        return Err(wrong("", "it is not a document with fields".to_owned()));
    };
    let kind = object.remove("kind").ok_or_else(|| wrong("", "it does not say its `kind`".to_owned()))?;
    let known = FactKind::WRITTEN.into_iter().find(|known| kind.as_str() == Some(known.name()));
    let known = known.ok_or_else(|| wrong("kind", format!("{kind} is none that this portico knows")))?;
    Ok((known, object.into()))
}

fn fact(i: usize, document: Value) -> Result<Arc<Fact>, FormatError> {
    let read = split(document).and_then(|(kind, rest)| native::fact_of(kind, rest));
    let read = read.and_then(writing::by_a_person);
    read.map(Arc::new).map_err(|error| placed(i, error))
}

fn key(i: usize, document: Value) -> Result<FactKey, FormatError> {
    let read = split(document).and_then(|(kind, rest)| native::key_of(kind, &rest));
    read.map_err(|error| placed(i, error))
}

pub(super) fn placed(i: usize, error: FormatError) -> FormatError {
    let dot = if error.place.is_empty() { "" } else { "." };
    FormatError { place: format!("documents[{i}]{dot}{}", error.place), ..error }
}
