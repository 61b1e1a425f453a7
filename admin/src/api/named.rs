//! Services, instances, hosts and record sets: a page of them, one of them, put, delete. As frontends, by names that need no query.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequestParts, RawPathParams, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use model::{DomainName, RecordType};
use model::{Fact, FactKey, FactKind, HostName, InstanceName, LabelError, ServiceName, Snapshot, Stated};
use registry::format::native;
use registry::{Expected, PublishError};

use super::conditions::{self, Condition};
use super::extract::{self, Params};
use super::{ListQuery, PAGE, json, writing};
use crate::doors::App;
use crate::problem::Problem;
use crate::server::Peer;
use crate::weight::weight;
use crate::wire::{FactList, FactView, FactWritten, Listed, Named};

/// Which fact a request is about, by its path.
pub(crate) struct Subject(pub(crate) FactKey);

impl<S: Send + Sync> FromRequestParts<S> for Subject {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let names = Names::from_request_parts(parts, state).await?;
        if let Some(name) = &names.record {
            return record(name, names.record_type.as_deref().unwrap_or_default()).map(Self);
        }
        if let Some(service) = &names.deployment {
            return Ok(Self(FactKey::Deployment(name_of("service", service, ServiceName::parse)?)));
        }
        if let Some(host) = &names.standing {
            return Ok(Self(FactKey::Standing(name_of("host", host, HostName::parse)?)));
        }
        Ok(Self(match (&names.service, &names.instance, &names.host) {
            (Some(service), Some(name), _) => FactKey::Instance {
                service: name_of("service", service, ServiceName::parse)?,
                name: name_of("instance", name, InstanceName::parse)?,
            },
            (Some(service), None, _) => FactKey::Service(name_of("service", service, ServiceName::parse)?),
            (None, _, host) => {
                FactKey::Host(name_of("host", host.as_deref().unwrap_or_default(), HostName::parse)?)
            }
        }))
    }
}

/// The names in a path, as they were written.
#[derive(Default)]
struct Names {
    service: Option<String>,
    instance: Option<String>,
    host: Option<String>,
    record: Option<String>,
    record_type: Option<String>,
    deployment: Option<String>,
    standing: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Names {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params
            .map_err(|rejection| Problem::invalid("path", rejection.body_text(), "write plain names"))?;
        let mut names = Self::default();
        for (param, text) in &params {
            let place = match param {
                "service" => &mut names.service,
                "instance" => &mut names.instance,
                "record" => &mut names.record,
                "deployment" => &mut names.deployment,
                "standing" => &mut names.standing,
                "type" => &mut names.record_type,
                _ => &mut names.host,
            };
            *place = Some(text.to_owned());
        }
        Ok(names)
    }
}

fn record(name: &str, record_type: &str) -> Result<FactKey, Problem> {
    let name = DomainName::parse(name).map_err(|error| {
        let remedy = "write a domain name, such as `www.example.com.`";
        Problem::invalid("name", error.to_string(), remedy)
    })?;
    let record_type = RecordType::parse(record_type)
        .map_err(|error| Problem::invalid("type", error.to_string(), "write `A`, `TXT`, `CAA` …"))?;
    Ok(FactKey::Record { name: name.folded(), record_type })
}

fn name_of<T>(field: &str, text: &str, parse: impl Fn(&str) -> Result<T, LabelError>) -> Result<T, Problem> {
    let remedy = "write a part of a domain name, such as `web-1`";
    parse(text).map_err(|error| Problem::invalid(field, error.to_string(), remedy))
}

/// `GET /v1/services`, `/v1/instances`, `/v1/hosts`, `/v1/records`, `/v1/deployments`, `/v1/standings`, `/v1/controllers`, `?limit=&after=`
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    uri: Uri,
    Params(query): Params<ListQuery>,
) -> Result<Response, Problem> {
    let kind = FactKind::ALL.into_iter().find(|kind| uri.path().ends_with(kind.plural()));
    let kind = kind.unwrap_or(FactKind::Service);
    let after = query.after.as_deref().map(|name| key_after(kind, name)).transpose()?;
    let snapshot = writing::snapshot(&app)?;
    let all = snapshot.of_kind(kind, after.as_ref());
    Ok(page(&app, &snapshot, kind, all, query.limit))
}

/// `GET /v1/services/{service}/instances?limit=&after=`
pub(crate) async fn instances(
    State(app): State<Arc<App>>,
    Subject(key): Subject,
    Params(query): Params<ListQuery>,
) -> Result<Response, Problem> {
    let FactKey::Service(service) = key else { return Err(writing::not_found(&key)) };
    let after = query.after.as_deref().map(|name| key_after(FactKind::Instance, name)).transpose()?;
    let snapshot = writing::snapshot(&app)?;
    let all = snapshot.instances_of(&service).map(|(_, stated)| stated);
    let rest = all.filter(|stated| after.as_ref().is_none_or(|after| stated.fact.key() > *after));
    Ok(page(&app, &snapshot, FactKind::Instance, rest, query.limit))
}

/// What a page says of the next one: a name, of an instance with its service before it.
fn key_after(kind: FactKind, name: &str) -> Result<FactKey, Problem> {
    let remedy = "take `next` of the page before, as it is";
    FactKey::parse(&format!("{kind}:{name}"))
        .map_err(|error| Problem::invalid("after", error.to_string(), remedy))
}

fn page<'s>(
    app: &App,
    snapshot: &Snapshot,
    kind: FactKind,
    all: impl Iterator<Item = &'s Stated>,
    limit: Option<usize>,
) -> Response {
    let limit = limit.unwrap_or(PAGE).clamp(1, app.config.page);
    let (page, more) = super::page(all, limit, app.config.page_endpoints, |stated| weight(&stated.fact));
    let next = page.last().filter(|_| more).map(|last| {
        let key = last.fact.key().to_string();
        key.split_once(':').map_or_else(String::new, |(_, name)| name.to_owned())
    });
    let views: Vec<FactView> = page.into_iter().map(view).collect();
    let facts = match kind {
        FactKind::Frontend => Listed::Frontends(views),
        FactKind::Service => Listed::Services(views),
        FactKind::Instance => Listed::Instances(views),
        FactKind::Host => Listed::Hosts(views),
        FactKind::Record => Listed::Records(views),
        FactKind::Deployment => Listed::Deployments(views),
        FactKind::Standing => Listed::Standings(views),
        FactKind::Controller => Listed::Controllers(views),
    };
    json(StatusCode::OK, &FactList { revision: snapshot.revision().number(), facts, next })
}

fn view(stated: &Stated) -> FactView {
    FactView { fact: named(&stated.fact), revision: stated.revision.number() }
}

fn named(fact: &Fact) -> Named {
    match fact {
        Fact::Frontend(frontend) => Named::Frontend(frontend.into()),
        Fact::Service(service) => Named::Service(Box::new((&**service).into())),
        Fact::Instance(instance) => Named::Instance((&**instance).into()),
        Fact::Host(host) => Named::Host((&**host).into()),
        Fact::Record(record) => Named::Record((&**record).into()),
        Fact::Deployment(deployment) => Named::Deployment(Box::new((&**deployment).into())),
        Fact::Standing(standing) => Named::Standing(Box::new((&**standing).into())),
        Fact::Controller(controller) => Named::Controller((&**controller).into()),
    }
}

/// `GET` of one.
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Subject(key): Subject,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let snapshot = writing::snapshot(&app)?;
    let stated = snapshot.get(&key).ok_or_else(|| writing::not_found(&key))?;
    let mut response = match conditions::reader_has(&headers, stated.revision) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => json(StatusCode::OK, &view(stated)),
    };
    response.headers_mut().insert(header::ETAG, conditions::etag(stated.revision));
    Ok(response)
}

/// `PUT` of one. Of an instance with a lease that says what it said before, it renews the lease and changes nothing else.
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    Subject(key): Subject,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let condition = conditions::of_write(&headers)?;
    let fact = read(&key, &body.map_err(|rejection| extract::bad_body(&rejection))?)?;
    let expected = match condition {
        Condition::None => Expected::Any,
        Condition::Expects(expected) => expected,
    };
    let present = app.doors.registry.snapshots().borrow().get(&key).cloned();
    let revision = present.as_ref().map(|stated| stated.revision);
    let same = present.as_ref().is_some_and(|stated| *stated.fact == fact);
    let fact_named = named(&fact);
    if let Some(revision) = revision.filter(|_| same && expected.holds(revision) && !fact.is_desired())
        && app.doors.registry.renew(key.clone(), None).await.map_err(|error| writing::refused(&error))?
    {
        let live = writing::is_live(&app, revision).await;
        let written =
            FactWritten { revision: revision.number(), live, changed: false, fact: Some(fact_named) };
        return Ok(tagged(StatusCode::OK, &written, revision));
    }
    let who = writing::who(&headers, peer);
    writing::no_circle(&app, [&fact])?;
    writing::left_behind(&*writing::snapshot(&app)?, [(&key, Some(&fact))])?;
    let revision = writing::publish(&app, who, key, Some(fact), expected)
        .await
        .map_err(|error| writing::refused(&error))?;
    let live = writing::is_live(&app, revision).await;
    let written = FactWritten { revision: revision.number(), live, changed: true, fact: Some(fact_named) };
    let status = if present.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    Ok(tagged(status, &written, revision))
}

fn tagged(status: StatusCode, written: &FactWritten, revision: model::Revision) -> Response {
    let mut response = json(status, written);
    response.headers_mut().insert(header::ETAG, conditions::etag(revision));
    response
}

/// `DELETE` of one.
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    Subject(key): Subject,
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
    writing::left_behind(&*writing::snapshot(&app)?, [(&key, None)])?;
    let who = writing::who(&headers, peer);
    let removed = writing::publish(&app, who, key.clone(), None, expected).await;
    let revision = removed.map_err(|error| match (&error, expected) {
        (PublishError::Conflict { actual: None, .. }, Expected::Present) => writing::not_found(&key),
        _ => writing::refused(&error),
    })?;
    let live = writing::is_live(&app, revision).await;
    let written = FactWritten { revision: revision.number(), live, changed: true, fact: None };
    Ok(json(StatusCode::OK, &written))
}

/// A fact out of a body; what names it may stand in it when it says what the URL says.
fn read(key: &FactKey, body: &[u8]) -> Result<Fact, Problem> {
    let remedy = format!("write it like config/{}.example.json", key.kind());
    let mut object = extract::parse_object(body).map_err(|problem| problem.with_remedy(&remedy))?;
    let said = match key {
        FactKey::Instance { service, name } => {
            object.entry("service").or_insert_with(|| service.to_string().into());
            name.to_string()
        }
        FactKey::Service(name) | FactKey::Deployment(name) => name.to_string(),
        FactKey::Host(name) | FactKey::Standing(name) => name.to_string(),
        FactKey::Record { name, record_type } => {
            object.entry("type").or_insert_with(|| record_type.to_string().into());
            name.to_string()
        }
        FactKey::Frontend { .. } | FactKey::Controller => String::new(),
    };
    object.entry("name").or_insert_with(|| said.into());
    let fact = native::fact_of(key.kind(), object.into())
        .and_then(writing::by_a_person)
        .map_err(extract::bad_format)?;
    if fact.key() != *key {
        let remedy = "write the same names in the URL and in the body, or leave them out of the body";
        return Err(Problem::invalid("name", format!("the body says {}, the URL {key}", fact.key()), remedy));
    }
    Ok(fact)
}
