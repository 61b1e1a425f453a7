//! The routes of the API. Each handler reads one snapshot, or makes one write, and answers with a type of `wire`.
//!
//! | path | methods | what |
//! |---|---|---|
//! | `/healthz` | GET | 200: this process lives (no token) |
//! | `/readyz` | GET | 200, or 503 with reasons: whether this node should get traffic (no token) |
//! | `/metrics` | GET | Prometheus' text format |
//! | `/v1/status`, `/v1/verify` | GET | how this node stands; what is wrong |
//! | `/v1/wait?revision=&proxy&dns&timeout=5s` | GET | 200 once every node that lives serves this revision (left out: the present one) at the doors that are named (none: both); 504 names who does not |
//! | `/v1/events?type=_http._tcp` | GET | changes of facts as they come, or who joins and leaves services of a type, one JSON object a line (`wire::Event`) |
//! | `/v1/frontends?limit=&after=` | GET | the frontends, by host and path |
//! | `/v1/frontends/{host}?path=/api` | GET PUT DELETE | one frontend; `path` left out is `/` |
//! | `/v1/frontends/{host}/endpoints?path=/api` | POST | endpoints that shall be there too |
//! | `/v1/services?limit=&after=`, `/v1/instances`, `/v1/hosts`, `/v1/records` | GET | the services, all instances, the hosts, the record sets, by name |
//! | `/v1/deployments`, `/v1/deployments/{service}`, `/v1/controllers` | GET | how far services have come, and who controls |
//! | `/v1/standings`, `/v1/standings/{host}` | GET | how hosts stand: where they were found, whether they run |
//! | `/v1/services/{service}`, `/v1/hosts/{host}`, `/v1/records/{name}/{type}` | GET PUT DELETE | one of them |
//! | `/v1/hosts/{host}/images/push` | POST | its engine sends an image to its registry; how far it is, one JSON object a line (`wire::Pushing`) |
//! | `/v1/services/{service}/rollout` | GET | how far a service has come to what is wanted of it (`wire::Rollout`) |
//! | `/v1/services/{service}/placement` | GET | what each host is to a service, and why (`wire::Placement`) |
//! | `/v1/services/{service}/logs?instance=&follow=true&tail=&since=5m` | GET | what the instances of a service print, one JSON object a line (`wire::LogLine`) |
//! | `/v1/services/{service}/instances?limit=&after=` | GET | the instances of one service |
//! | `/v1/services/{service}/instances/{instance}` | GET PUT DELETE | one of them; a PUT with `ttl` again before that ends renews the lease |
//! | `/v1/services/{service}/instances/{instance}/exec` | POST | a command in its container, on an upgraded connection (`wire::Frame`) |
//! | `/v1/apply` | POST | facts of any kind that shall be so, or gone, all or nothing |
//! | `/v1/explain?url=` | GET | how a request for this URL would be routed |
//! | `/v1/dns/explain?name=&type=` | GET | how DNS answers a question, of which facts, and why others are not in it; `type` left out is A |
//! | `/v1/dns/zones` | GET | the zones that DNS serves |
//! | `/v1/registry/accept` | POST | believes the view of the registry's that is held |
//! | `/v1/history?limit=&before=&key=` | GET | the last changes, newest first |
//! | `/v1/diff?from=&to=&limit=&after=` | GET | the frontends that differ between two revisions; `to` left out is the present one |
//! | `/v1/rollback` | POST | desired facts as they were at a revision, as a new one, all or nothing |
//! | `/v1/export` | GET | all facts, as one JSON file (`registry::format::facts`); `Portico-Revision` is its revision |
//! | `/v1/import?layout=&replace=&dry_run=&keep_going=` | POST | facts from such a file, from `{"from": "redis://…"}`, or from a dump of key/value pairs (`layout=traefik`) |
//! | `/v1/backup` | GET | a copy of the embedded store, made while it runs |
//!
//! `/v1/verify`, `/v1/apply` and the last five read or write all that there is: they have a place (`operations`) and a time (`operation_timeout`) of their own.
//!
//! Every PUT, DELETE and POST takes `wait=5s` in its query: the answer then comes once what it wrote is served everywhere, or after that
//! time, and says so in `wait`, as `/v1/wait` does. Its status is the write's: what was written and is not everywhere yet was written.
//!
//! Host and path are separate because a path prefix holds slashes and percent-encodings of its own, which must not be
//! mistaken for the API's; `*.example.com` and `[::1]` are fine in the path segment, percent-encoded or not.

mod apply;
mod applying;
mod conditions;
mod controls;
mod dns;
mod endpoints;
mod events;
mod exec;
mod expand;
mod explain;
mod export;
mod extract;
mod frontends;
mod history;
mod images;
mod import;
mod logs;
mod named;
mod past;
mod placement;
mod probes;
mod registry;
mod rollout;
mod same;
mod status;
mod verify;
mod wait;
mod writing;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::doors::{App, Doors};
use crate::metrics;
use crate::problem::Problem;

pub(crate) use frontends::name_of;
pub(crate) use status::registry_status;

/// All routes, without the guard.
pub(crate) fn router(doors: Doors, config: &Config) -> Router {
    let one = get(frontends::show).put(frontends::put).delete(frontends::delete);
    let named = || get(named::show).put(named::put).delete(named::delete);
    let app = Arc::new(App::new(doors, config.clone()));
    Router::new()
        .route("/healthz", get(probes::healthz))
        .route("/readyz", get(probes::readyz))
        .route("/metrics", get(metrics::scrape))
        .route("/v1/status", get(status::status))
        .route("/v1/verify", get(verify::verify))
        .route("/v1/wait", get(wait::wait))
        .route("/v1/events", get(events::events))
        .route("/v1/explain", get(explain::explain))
        .route("/v1/dns/explain", get(dns::explain))
        .route("/v1/dns/zones", get(dns::zones))
        .route("/v1/registry/accept", post(registry::accept))
        .route("/v1/history", get(history::history))
        .route("/v1/diff", get(past::diff))
        .route("/v1/rollback", post(past::rollback))
        .route("/v1/export", get(export::export))
        .route("/v1/backup", get(export::backup))
        .route("/v1/import", post(import::import).layer(DefaultBodyLimit::max(config.import_bytes)))
        .route("/v1/frontends", get(frontends::list))
        .route("/v1/frontends/{host}", one)
        .route("/v1/frontends/{host}/endpoints", post(endpoints::add))
        .route("/v1/services", get(named::list))
        .route("/v1/instances", get(named::list))
        .route("/v1/hosts", get(named::list))
        .route("/v1/records", get(named::list))
        .route("/v1/deployments", get(named::list))
        .route("/v1/deployments/{deployment}", get(named::show))
        .route("/v1/standings", get(named::list))
        .route("/v1/standings/{standing}", get(named::show))
        .route("/v1/controllers", get(named::list))
        .route("/v1/records/{record}/{type}", named())
        .route("/v1/services/{service}", named())
        .route("/v1/services/{service}/rollout", get(rollout::rollout))
        .route("/v1/services/{service}/placement", get(placement::placement))
        .route("/v1/services/{service}/logs", get(logs::logs))
        .route("/v1/services/{service}/instances", get(named::instances))
        .route("/v1/services/{service}/instances/{instance}", named())
        .route("/v1/services/{service}/instances/{instance}/exec", post(exec::exec))
        .route("/v1/hosts/{host}", named())
        .route("/v1/hosts/{host}/images/push", post(images::push))
        .route("/v1/apply", post(applying::all).layer(DefaultBodyLimit::max(config.import_bytes)))
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(config.body_bytes))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&app), wait::after_write))
        .with_state(app)
}

/// Whether a request for this path reads or writes all that there is.
pub(crate) fn is_operation(path: &str) -> bool {
    matches!(
        path,
        "/v1/diff" | "/v1/rollback" | "/v1/export" | "/v1/import" | "/v1/backup" | "/v1/apply" | "/v1/verify"
    )
}

/// Whether a request for this path does nothing but wait.
pub(crate) fn is_wait(path: &str) -> bool {
    path == "/v1/wait"
}

async fn unknown(uri: Uri) -> Problem {
    let detail = format!("nothing is at {}", uri.path());
    if let Some((host, path)) =
        uri.path().strip_prefix("/v1/frontends/").and_then(|rest| rest.split_once('/'))
    {
        let remedy = format!("a path prefix goes into the query: /v1/frontends/{host}?path=/{path}");
        return Problem::new(StatusCode::NOT_FOUND, "not-found", detail, &remedy);
    }
    let remedy = "the API is /v1/frontends, /v1/services, /v1/instances, /v1/hosts, /v1/records, /v1/deployments, /v1/standings, /v1/controllers, /v1/apply, /v1/status, /v1/verify, /v1/wait, /v1/events, /v1/explain, /v1/dns/explain, /v1/dns/zones, /v1/history, /v1/registry/accept, /v1/diff, /v1/rollback, /v1/export, /v1/import, /v1/backup, /metrics, /healthz, /readyz";
    Problem::new(StatusCode::NOT_FOUND, "not-found", detail, remedy)
}

async fn not_allowed(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not take {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", detail, "the Allow header lists what it takes")
}

/// How many facts a page has when nothing is said.
const PAGE: usize = 1000;

/// Which page of facts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    limit: Option<usize>,
    /// Those behind it; `next` of the page before.
    after: Option<String>,
}

/// The first `limit` of `all`, or fewer once they weigh as much as `endpoints` endpoints; at least one. And whether there are more.
pub(crate) fn page<T>(
    all: impl Iterator<Item = T>,
    limit: usize,
    endpoints: usize,
    weight: impl Fn(&T) -> usize,
) -> (Vec<T>, bool) {
    let (mut page, mut held) = (Vec::new(), 0);
    for item in all {
        if page.len() >= limit || (held >= endpoints && !page.is_empty()) {
            return (page, true);
        }
        held += weight(&item);
        page.push(item);
    }
    (page, false)
}

/// A type of `wire` as the body of an answer; a line of its own, for terminals.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(mut body) => {
            body.push(b'\n');
            let mut response = (status, body).into_response();
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(error) => {
            let detail = format!("the answer could not be written as JSON: {error}");
            let remedy = "this is a defect of portico; please report it";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail, remedy).into_response()
        }
    }
}
