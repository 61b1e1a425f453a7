//! Endpoints that shall be there too: what `portico frontend add` asks for.
//!
//! Read, add, write at the revision that was read; somebody else's write in between means reading again.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use model::{Endpoint, Fact, Frontend, MAX_ENDPOINTS, Revision, Snapshot};
use registry::{Expected, PublishError};

use super::conditions::{self, Condition};
use super::extract::{self, Subject};
use super::{json, writing};
use crate::doors::App;
use crate::problem::Problem;
use crate::server::Peer;
use crate::wire::{Addition, FrontendDoc, Written};

/// How often somebody else may be faster before we give up.
const ATTEMPTS: usize = 8;
/// How long to wait for our own snapshot to show what made a write fail.
const CATCH_UP: Duration = Duration::from_secs(1);

/// `POST /v1/frontends/{host}/endpoints?path=`
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    subject: Subject,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let condition = conditions::of_write(&headers)?;
    let body = body.map_err(|rejection| extract::bad_body(&rejection))?;
    let addition: Addition = extract::parse_json(extract::parse_object(&body)?.into())?;
    let who = writing::who(&headers, peer);
    let key = subject.key();
    for _ in 0..ATTEMPTS {
        let snapshot = writing::snapshot(&app)?;
        let present = snapshot.get(&key);
        let merged = merge(&subject, present.map(|stated| &*stated.fact), &addition)?;
        let expected = expectation(condition, present.map(|stated| stated.revision), &snapshot, &key)?;
        if let Some(stated) = present.filter(|stated| *stated.fact == Fact::Frontend(merged.clone())) {
            return Ok(reply(&app, &merged, stated.revision, false, StatusCode::OK).await);
        }
        match writing::publish(&app, who.clone(), key.clone(), Some(Fact::Frontend(merged.clone())), expected)
            .await
        {
            Ok(revision) => {
                let status = if present.is_some() { StatusCode::OK } else { StatusCode::CREATED };
                return Ok(reply(&app, &merged, revision, true, status).await);
            }
            Err(PublishError::Conflict { actual, .. }) if condition == Condition::None => {
                catch_up(&app, &key, actual).await;
            }
            Err(error) => return Err(writing::refused(&error)),
        }
    }
    let detail = format!("{key} was changed by others {ATTEMPTS} times in the meantime");
    Err(Problem::new(StatusCode::CONFLICT, "busy", detail, "try again"))
}

/// What the write expects: what was read, and what the client said.
fn expectation(
    condition: Condition,
    present: Option<Revision>,
    snapshot: &Snapshot,
    key: &model::FactKey,
) -> Result<Expected, Problem> {
    let read = present.map_or(Expected::Absent, Expected::At);
    let fits = match condition {
        Condition::None => true,
        Condition::Expects(Expected::Present) => present.is_some(),
        Condition::Expects(Expected::Any) => true,
        Condition::Expects(said) => said == read,
    };
    if fits {
        return Ok(read);
    }
    let actual = snapshot.get(key).map(|stated| stated.revision);
    Err(writing::refused(&PublishError::Conflict { key: key.clone(), actual }))
}

/// Waits until our snapshot says of `key` what made the write fail, or gives up and lets the next attempt tell.
async fn catch_up(app: &App, key: &model::FactKey, actual: Option<Revision>) {
    let mut snapshots = app.doors.registry.snapshots();
    let shown = snapshots.wait_for(|snapshot| snapshot.get(key).map(|stated| stated.revision) >= actual);
    let _ = tokio::time::timeout(CATCH_UP, shown).await;
}

async fn reply(
    app: &App,
    frontend: &Frontend,
    revision: Revision,
    changed: bool,
    status: StatusCode,
) -> Response {
    let live = writing::is_live(app, revision).await;
    let doc = FrontendDoc::from(frontend);
    let mut response =
        json(status, &Written { revision: revision.number(), live, changed, frontend: Some(doc) });
    response.headers_mut().insert(header::ETAG, conditions::etag(revision));
    response
}

/// `present` with what `addition` wants; made from nothing where there is nothing.
fn merge(subject: &Subject, present: Option<&Fact>, addition: &Addition) -> Result<Frontend, Problem> {
    let doc = FrontendDoc {
        host: subject.host.to_string(),
        path: Some(subject.path.to_string()),
        backend: addition.backend.clone(),
        endpoints: Some(addition.endpoints.clone()),
        service: None,
        balance: addition.balance.clone(),
        timeouts: addition.timeouts.clone(),
        check: addition.check.clone().flatten(),
        dns: addition.dns,
    };
    let wanted = Frontend::try_from(doc).map_err(extract::bad_format)?;
    let Some(Fact::Frontend(present)) = present else { return Ok(wanted) };
    if let Some(of) = present.backend.endpoints.service() {
        let detail = format!("service {} answers for it: its instances are the endpoints", of.service);
        let remedy = "register an instance, or replace the frontend (PUT; command line: --replace)";
        return Err(Problem::new(StatusCode::CONFLICT, "service", detail, remedy));
    }
    if let Some(entry) = present.backend.rejected.first() {
        // Writing the list anew would lose it without a word.
        let detail = format!("its list holds `{}`, which is not an endpoint: {}", entry.text, entry.reason);
        let remedy = "correct that entry where it was written, or replace the whole list (PUT; command line: --replace)";
        return Err(Problem::new(StatusCode::CONFLICT, "rejected", detail, remedy));
    }
    let mut merged = present.clone();
    if addition.backend.is_some() {
        merged.backend.name = wanted.backend.name.clone();
    }
    let mut policy = model::Policy::clone(&merged.policy);
    if addition.balance.is_some() {
        policy.balance = wanted.policy.balance.clone();
    }
    if addition.check.is_some() {
        policy.check = wanted.policy.check.clone();
    }
    policy.dns = addition.dns.unwrap_or(policy.dns);
    let (times, said) = (&mut policy.timeouts, wanted.policy.timeouts);
    times.connect = said.connect.or(times.connect);
    times.response = said.response.or(times.response);
    times.idle = said.idle.or(times.idle);
    merged.policy = policy.into();
    let mut endpoints = merged.backend.endpoints.to_vec();
    for added in &wanted.backend.endpoints {
        match endpoints.iter_mut().find(|there| there.address == added.address) {
            Some(there) if has_weight(addition, added) => there.weight = added.weight,
            Some(_) => {}
            None => endpoints.push(added.clone()),
        }
    }
    if endpoints.len() > MAX_ENDPOINTS {
        let detail = format!("{} endpoints are more than {MAX_ENDPOINTS}", endpoints.len());
        return Err(Problem::invalid("endpoints", detail, "spread them over several frontends"));
    }
    merged.backend.endpoints = endpoints.into();
    Ok(merged)
}

/// Whether the addition says a weight of this address.
fn has_weight(addition: &Addition, endpoint: &Endpoint) -> bool {
    addition
        .endpoints
        .iter()
        .filter(|doc| doc.weight.is_some())
        .any(|doc| model::Address::parse_url(&doc.url).as_ref() == Ok(&endpoint.address))
}

#[cfg(test)]
mod tests {
    use model::{HostPattern, PathPrefix, RejectedEndpoint};

    use super::*;

    #[test]
    fn an_entry_that_is_no_endpoint_is_not_lost_by_adding_another() {
        let subject = Subject { host: HostPattern::Any, path: PathPrefix::root() };
        let addition = |url: &str| -> Addition {
            serde_json::from_value(serde_json::json!({ "endpoints": [url] })).expect("addition")
        };
        let mut frontend = merge(&subject, None, &addition("http://a")).expect("made");
        frontend.backend.rejected =
            vec![RejectedEndpoint { text: "ftp://b".into(), reason: "not http".into() }].into();

        let refused = merge(&subject, Some(&Fact::Frontend(frontend)), &addition("http://c"));

        assert_eq!(refused.map_err(|problem| problem.status()).err(), Some(StatusCode::CONFLICT));
    }
}
