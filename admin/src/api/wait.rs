//! `/v1/wait`, and `?wait=` of every write: until a revision is served everywhere.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use model::{Door, Revision};
use registry::HistoryQuery;
use serde::Deserialize;

use super::extract::Params;
use super::json;
use crate::doors::App;
use crate::problem::Problem;
use crate::waiting::{Place, Until, parse_time, place, reach};
use crate::wire::Reached;

/// The largest answer to a write that a wait is added to, in octets; each is bounded by a page of endpoints.
const MAX_ANSWER: usize = 256 << 20;

/// How long the registry is asked which revision it is at.
const ASKING: Duration = Duration::from_secs(1);

/// What is waited for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WaitQuery {
    /// Left out: the one that the registry is at.
    revision: Option<u64>,
    /// Left out with `dns`: both.
    proxy: Option<String>,
    dns: Option<String>,
    #[serde(default)]
    timeout: String,
}

/// `GET /v1/wait?revision=&proxy&dns&timeout=`: 200 once it is served, 504 with who does not serve it.
pub(crate) async fn wait(
    State(app): State<Arc<App>>,
    Extension(until): Extension<Until>,
    Params(query): Params<WaitQuery>,
) -> Result<Response, Problem> {
    let timeout = parse_time("timeout", &query.timeout)?;
    let asked = [(Door::Proxy, &query.proxy), (Door::Dns, &query.dns)];
    let mut doors = Vec::new();
    for (door, flag) in asked {
        match flag.as_deref() {
            None | Some("false") => {}
            Some("" | "true") => doors.push(door),
            Some(other) => {
                let detail = format!("`{other}` is neither true nor false");
                return Err(Problem::invalid(
                    door.name(),
                    detail,
                    "write it without a value, or leave it out",
                ));
            }
        }
    }
    if doors.is_empty() {
        doors.extend(Door::ALL);
    }
    let _place = place(&app)?;
    let revision = match query.revision {
        Some(revision) => Revision::new(revision),
        None => present(&app).await,
    };
    let reached = reach(&app, revision, &doors, timeout, until).await;
    let status = if reached.served { StatusCode::OK } else { StatusCode::GATEWAY_TIMEOUT };
    Ok(json(status, &reached))
}

/// The revision the registry is at: this node may not have heard yet of what others wrote. Where the store does not tell, or numbers
/// its revisions in another way than a read-only node does, the one this node knows.
async fn present(app: &App) -> Revision {
    let registry = &app.doors.registry;
    let known = registry.snapshots().borrow().revision();
    if registry.state().borrow().read_only {
        return known;
    }
    let newest = HistoryQuery { limit: 1, before: None, key: None };
    match tokio::time::timeout(ASKING, registry.history(newest)).await {
        Ok(Ok(records)) => records.first().map_or(known, |newest| newest.revision.max(known)),
        Ok(Err(_)) | Err(_) => known,
    }
}

/// Around every request: frees its place among those that are worked on once its work is done, and, where a write says `wait`, waits
/// then until what it wrote is served everywhere. The answer to the write stays what it is, with `wait` in it.
pub(crate) async fn after_write(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let working = request.extensions_mut().remove::<Place>();
    let query = request.uri().query().unwrap_or_default();
    let is_write = !matches!(*request.method(), Method::GET | Method::HEAD);
    let (asked, rest) = if is_write { without_wait(query) } else { (None, String::new()) };
    let (Some(asked), Some(until)) = (asked, request.extensions().get::<Until>().copied()) else {
        return next.run(request).await;
    };
    let begun = parse_time("wait", &asked).and_then(|timeout| Ok((timeout, place(&app)?)));
    let (timeout, _place) = match begun {
        Ok(begun) => begun,
        Err(problem) => return problem.into_response(),
    };
    let path = request.uri().path();
    let uri = if rest.is_empty() { path.to_owned() } else { format!("{path}?{rest}") };
    match uri.parse::<Uri>() {
        Ok(uri) => *request.uri_mut() = uri,
        Err(error) => {
            let remedy = "correct the part after `?` of the URL";
            return Problem::invalid("query", error.to_string(), remedy).into_response();
        }
    }
    let response = next.run(request).await;
    drop(working);
    if !response.status().is_success() {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Ok(octets) = to_bytes(body, MAX_ANSWER).await else {
        let remedy = "look at the fact: the write itself was done";
        let detail = "the answer to the write could not be read";
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail, remedy).into_response();
    };
    let Some(revision) = written(&octets) else { return Response::from_parts(head, Body::from(octets)) };
    let reached = reach(&app, revision, &Door::ALL, timeout, until).await;
    let answer = with_wait(&octets, &reached);
    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(answer.len()));
    Response::from_parts(head, Body::from(answer))
}

/// `wait` of a query string, and the query without it.
fn without_wait(query: &str) -> (Option<String>, String) {
    let mut asked = None;
    let rest = query.split('&').filter(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name == "wait" {
            asked = Some(value.to_owned());
        }
        name != "wait" && !pair.is_empty()
    });
    let rest = rest.collect::<Vec<_>>().join("&");
    (asked, rest)
}

/// The revision that an answer names; `None` where nothing was to be written.
fn written(answer: &[u8]) -> Option<Revision> {
    #[derive(Deserialize)]
    struct Written {
        revision: u64,
        #[serde(default)]
        dry_run: bool,
    }
    let written: Written = serde_json::from_slice(answer).ok()?;
    (!written.dry_run).then(|| Revision::new(written.revision))
}

/// The same object with `wait` behind its other fields.
fn with_wait(answer: &[u8], reached: &Reached) -> Vec<u8> {
    let end = answer.iter().rposition(|&octet| octet == b'}').unwrap_or(answer.len());
    let (before, after) = answer.split_at(end);
    // Strings and numbers always have a JSON form.
    let reached = serde_json::to_vec(reached).unwrap_or_default();
    [before, b",\"wait\":", &reached, after].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_without_its_wait() {
        let check = |query: &str, asked: Option<&str>, rest: &str| {
            assert_eq!(without_wait(query), (asked.map(str::to_owned), rest.to_owned()), "{query}");
        };
        check("", None, "");
        check("path=/a", None, "path=/a");
        check("wait", Some(""), "");
        check("wait=5s", Some("5s"), "");
        check("path=/a&wait=5s&x=1", Some("5s"), "path=/a&x=1");
        check("waits=5s", None, "waits=5s");
    }

    #[test]
    fn an_answer_keeps_what_it_says_and_says_who_serves_it() {
        let reached = Reached {
            revision: 7,
            served: true,
            doors: 1,
            waited_ms: 2,
            timeout_ms: 3,
            laggards: Vec::new(),
            lost: Vec::new(),
            others: crate::wire::Others::None,
        };

        let answer = with_wait(b"{\"revision\":7,\"fact\":{}}\n", &reached);

        let text = String::from_utf8(answer).unwrap();
        assert!(
            text.starts_with("{\"revision\":7,\"fact\":{},\"wait\":{\"revision\":7,\"served\":true,"),
            "{text}"
        );
        assert!(text.ends_with("}}\n"), "{text}");
        assert_eq!(written(text.as_bytes()), Some(Revision::new(7)));
        assert_eq!(written(b"{\"revision\":7,\"dry_run\":true}"), None);
        assert_eq!(written(b"[]"), None);
    }
}
