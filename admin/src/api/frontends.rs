//! Frontends: a page of them, one of them, put, delete.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::{Fact, FactKey, Frontend, Origin, Stated};
use registry::{Expected, PublishError};

use super::conditions::{self, Condition};
use super::extract::{self, Params, Subject};
use super::{ListQuery, PAGE, json, writing};
use crate::doors::App;
use crate::problem::Problem;
use crate::server::Peer;
use crate::wire::{FrontendDoc, FrontendList, FrontendView, Rejected, Written};

/// `GET /v1/frontends?limit=&after=`
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Params(query): Params<ListQuery>,
) -> Result<Response, Problem> {
    let limit = query.limit.unwrap_or(PAGE).clamp(1, app.config.page);
    let after =
        query.after.map(|name| extract::parse_name("after", &name)).transpose()?.map(|subject| subject.key());
    let snapshot = writing::snapshot(&app)?;
    let all = snapshot.frontends_after(after.as_ref());
    let size = |(frontend, _): &(&Frontend, &Stated)| frontend.backend.endpoints.len();
    let (page, more) = super::page(all, limit, app.config.page_endpoints, size);
    let frontends: Vec<_> = page.into_iter().map(|(frontend, stated)| view(frontend, stated)).collect();
    let next = frontends.last().filter(|_| more).map(|last| name(&last.frontend));
    let page = FrontendList { revision: snapshot.revision().number(), frontends, next };
    Ok(json(StatusCode::OK, &page))
}

/// `GET /v1/frontends/{host}?path=`
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    subject: Subject,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let snapshot = writing::snapshot(&app)?;
    let key = subject.key();
    let stated = snapshot.get(&key).ok_or_else(|| writing::not_found(&key))?;
    let frontend = stated.fact.as_frontend().ok_or_else(|| writing::not_found(&key))?;
    let mut response = match conditions::reader_has(&headers, stated.revision) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => json(StatusCode::OK, &view(frontend, stated)),
    };
    response.headers_mut().insert(header::ETAG, conditions::etag(stated.revision));
    Ok(response)
}

/// `PUT /v1/frontends/{host}?path=`
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    subject: Subject,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let condition = conditions::of_write(&headers)?;
    let frontend = read(&subject, &body.map_err(|rejection| extract::bad_body(&rejection))?)?;
    let expected = match condition {
        Condition::None => Expected::Any,
        Condition::Expects(expected) => expected,
    };
    let key = subject.key();
    let was_there = app.doors.registry.snapshots().borrow().get(&key).is_some();
    let doc = FrontendDoc::from(&frontend);
    let who = writing::who(&headers, peer);
    let revision = writing::publish(&app, who, key, Some(Fact::Frontend(frontend)), expected)
        .await
        .map_err(|error| writing::refused(&error))?;
    let live = writing::is_live(&app, revision).await;
    let written = Written { revision: revision.number(), live, changed: true, frontend: Some(doc) };
    let status = if was_there { StatusCode::OK } else { StatusCode::CREATED };
    let mut response = json(status, &written);
    response.headers_mut().insert(header::ETAG, conditions::etag(revision));
    Ok(response)
}

/// `DELETE /v1/frontends/{host}?path=`
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    subject: Subject,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let expected = match conditions::of_write(&headers)? {
        Condition::None => Expected::Present,
        Condition::Expects(Expected::Absent) => {
            let remedy = "leave If-None-Match out";
            return Err(Problem::invalid("If-None-Match", "what is not there cannot be deleted", remedy));
        }
        Condition::Expects(expected) => expected,
    };
    let key = subject.key();
    let who = writing::who(&headers, peer);
    let removed = writing::publish(&app, who, key.clone(), None, expected).await;
    let revision = removed.map_err(|error| match (&error, expected) {
        (PublishError::Conflict { actual: None, .. }, Expected::Present) => writing::not_found(&key),
        _ => writing::refused(&error),
    })?;
    let live = writing::is_live(&app, revision).await;
    Ok(json(StatusCode::OK, &Written { revision: revision.number(), live, changed: true, frontend: None }))
}

/// A frontend out of a body; `host` and `path` may stand in it when they say what the URL says.
fn read(subject: &Subject, body: &[u8]) -> Result<Frontend, Problem> {
    let mut object = extract::parse_object(body)?;
    object.entry("host").or_insert_with(|| subject.host.to_string().into());
    object.entry("path").or_insert_with(|| subject.path.to_string().into());
    let doc: FrontendDoc = extract::parse_json(object.into())?;
    let frontend = Frontend::try_from(doc).map_err(extract::bad_format)?;
    let remedy = "write the same in the URL and in the body, or leave it out of the body";
    if frontend.host != subject.host {
        let detail = format!("the body says {}, the URL {}", frontend.host, subject.host);
        return Err(Problem::invalid("host", detail, remedy));
    }
    if frontend.path != subject.path {
        let detail = format!("the body says {}, the URL {}", frontend.path, subject.path);
        return Err(Problem::invalid("path", detail, remedy));
    }
    Ok(frontend)
}

fn view(frontend: &Frontend, stated: &Stated) -> FrontendView {
    let rejected = frontend.backend.rejected.iter();
    FrontendView {
        frontend: frontend.into(),
        revision: stated.revision.number(),
        kept_as: match stated.origin {
            Origin::Native => "native".to_owned(),
            Origin::Hipache => "hipache".to_owned(),
        },
        rejected: rejected
            .map(|r| Rejected { text: r.text.to_string(), reason: r.reason.to_string() })
            .collect(),
    }
}

/// `HOST[/path]`.
fn name(doc: &FrontendDoc) -> String {
    format!("{}{}", doc.host, doc.path.as_deref().unwrap_or(""))
}

/// A key as operators write it: `HOST[/path]`.
pub(crate) fn name_of(key: &FactKey) -> String {
    let text = key.to_string();
    text.strip_prefix("frontend:").map(str::to_owned).unwrap_or(text)
}
