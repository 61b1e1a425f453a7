//! `/v1/explain`: how a request would be routed.
//!
//! The URL becomes the request a client would send, and goes through the same codec and the same table as that one. Entries that
//! are set aside are in no table: they are named where they would stand.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use model::{FactKey, PathPrefix, Quarantined, Revision, Snapshot, Timeouts};
use proxy::config::ClientLimits;
use proxy::http::{Limits, RequestError, RequestHead};
use proxy::route::{Explanation, Outcome, RouteTable};
use serde::Deserialize;

use super::extract::Params;
use super::{json, name_of, writing};
use crate::doors::App;
use crate::problem::Problem;
use crate::wire::{Considered, EndpointView, Explained, Match, Rejected, TimeoutsDoc};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    url: String,
}

/// `GET /v1/explain?url=`
pub(crate) async fn explain(
    State(app): State<Arc<App>>,
    Params(query): Params<Query>,
) -> Result<Response, Problem> {
    let snapshot = writing::snapshot(&app)?;
    let asked = Asked::parse(&query.url)?;
    let head = match asked.head() {
        Ok(head) => head,
        Err(error) => return Ok(json(StatusCode::OK, &refused(asked, &error, snapshot.revision()))),
    };
    let path = String::from_utf8_lossy(head.0.path(&head.1));
    let host = &match head.0.port() {
        Some(port) => format!("{}:{port}", head.0.host()),
        None => head.0.host().to_owned(),
    };
    let explanation =
        match &app.doors.proxy {
            Some(proxy) => proxy.explain(host, &path),
            None => RouteTable::from_snapshot(Arc::clone(&snapshot), &proxy::health::States::default())
                .explain(host, path.as_bytes(), 0),
        };
    Ok(json(StatusCode::OK, &explained(&explanation, &snapshot)))
}

/// What a client would ask for.
struct Asked {
    authority: String,
    target: String,
}

impl Asked {
    /// `http://host[:port][/path][?query]`; the scheme may be left out, the fragment stays with the client.
    fn parse(url: &str) -> Result<Self, Problem> {
        let rest = match url.split_once("://") {
            Some((scheme, rest))
                if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") =>
            {
                rest
            }
            Some((scheme, _)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                let detail = format!("scheme `{scheme}` is not one that portico serves");
                return Err(Problem::invalid("url", detail, "write http://HOST/PATH"));
            }
            _ => url,
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if !authority.bytes().all(|b| b.is_ascii_graphic()) {
            let remedy = "write it as `Host` carries it: ASCII, an international name in its `xn--` form";
            return Err(Problem::invalid(
                "url",
                "the host has a character that no Host header may have",
                remedy,
            ));
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        let mut written = slash.to_owned();
        for octet in target.bytes() {
            // As browsers do: what may not stand in a target is percent-encoded.
            if octet.is_ascii_graphic() {
                written.push(char::from(octet));
            } else {
                let _ = write!(written, "%{octet:02X}");
            }
        }
        Ok(Self { authority: authority.to_owned(), target: written })
    }

    /// The head of the request, as the proxy reads it.
    fn head(&self) -> Result<(RequestHead, Vec<u8>), RequestError> {
        let octets = format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", self.target, self.authority).into_bytes();
        let mut head = RequestHead::new();
        let ClientLimits { request_line_bytes, head_bytes, headers, .. } = ClientLimits::default();
        head.parse(&octets, &Limits { request_line: request_line_bytes, head: head_bytes, headers })?;
        Ok((head, octets))
    }
}

fn refused(asked: Asked, error: &RequestError, revision: Revision) -> Explained {
    Explained {
        host: asked.authority,
        path: asked.target,
        revision: revision.number(),
        outcome: format!("{} before any lookup: {error}", error.status()),
        considered: Vec::new(),
        matched: None,
    }
}

fn explained(explanation: &Explanation, snapshot: &Snapshot) -> Explained {
    let matched = explanation.matched.as_ref().map(matched);
    Explained {
        host: explanation.host.to_string(),
        path: explanation.path.to_string(),
        revision: explanation.revision.number(),
        outcome: outcome(matched.as_ref()),
        considered: considered(explanation, snapshot),
        matched,
    }
}

/// What the table looked at, and before it what is set aside under the same pattern.
fn considered(explanation: &Explanation, snapshot: &Snapshot) -> Vec<Considered> {
    let mut aside = set_aside(explanation, snapshot);
    let mut all = Vec::with_capacity(explanation.considered.len());
    for looked_at in &explanation.considered {
        let (here, others): (Vec<_>, Vec<_>) = aside
            .into_iter()
            .partition(|(key, _)| matches!(key, FactKey::Frontend { host, .. } if *host == looked_at.host));
        aside = others;
        all.extend(here.iter().map(|(key, why)| Considered {
            pattern: name_of(key),
            taken: false,
            outcome: format!("set aside: {}", why.reason),
        }));
        if here.is_empty() || looked_at.outcome != Outcome::NoFrontend {
            all.push(Considered {
                pattern: match &looked_at.path {
                    Some(path) if !path.is_root() => format!("{}{path}", looked_at.host),
                    _ => looked_at.host.to_string(),
                },
                taken: looked_at.outcome == Outcome::Taken,
                outcome: looked_at.outcome.to_string(),
            });
        }
    }
    all
}

/// Entries that are set aside, cover the path, and stand for a frontend that is in no other form there.
fn set_aside<'s>(explanation: &Explanation, snapshot: &'s Snapshot) -> Vec<(FactKey, &'s Quarantined)> {
    let keys = snapshot.quarantine().filter_map(|(raw, why)| Some((key_in(raw)?, why)));
    keys.filter(|(key, _)| {
        let covers = |path: &PathPrefix| path.covers(explanation.path.as_bytes());
        matches!(key, FactKey::Frontend { path, .. } if covers(path)) && snapshot.get(key).is_none()
    })
    .collect()
}

/// The fact that an entry's name in the store is about: the name ends with it, after whatever prefix the store has.
fn key_in(raw: &str) -> Option<FactKey> {
    raw.match_indices("frontend:").find_map(|(at, _)| FactKey::parse(raw.get(at..)?).ok())
}

/// What a client gets, in the words of hipache's contract.
fn outcome(matched: Option<&Match>) -> String {
    let Some(matched) = matched else { return "400, no frontend takes it".to_owned() };
    match matched.endpoints.iter().filter(|endpoint| endpoint.serves).count() {
        0 if matched.endpoints.is_empty() => "502, the frontend has no endpoint".to_owned(),
        0 => "502, all endpoints are out".to_owned(),
        1 => "goes to the one endpoint that serves".to_owned(),
        serving => format!("goes to one of {serving} endpoints"),
    }
}

fn matched(matched: &proxy::route::Match) -> Match {
    let endpoints = matched.endpoints.iter().map(|endpoint| {
        let ours = endpoint.out.filter(|out| !out.by_check).and_then(|out| out.ours);
        EndpointView {
            url: endpoint.address.url(),
            weight: u64::from(endpoint.weight.get()),
            in_flight: u64::from(endpoint.in_flight),
            out: match (endpoint.refused, endpoint.out) {
                (Some(refusal), _) => Some(refusal.to_string()),
                (None, Some(out)) => Some(match (&endpoint.check_failure, out.ours) {
                    (Some(failed), _) if out.by_check => failed.to_string(),
                    (_, Some((reason, _))) => reason.to_string(),
                    (_, None) => "marked dead in the registry".to_owned(),
                }),
                (None, None) => None,
            },
            refused: endpoint.refused.is_some(),
            check: endpoint.check_failure.as_deref().map(str::to_owned),
            back_in_ms: ours.filter(|_| endpoint.refused.is_none()).map(|(_, back)| back),
            serves: endpoint.serves,
        }
    });
    let rejected = matched.rejected.iter();
    Match {
        frontend: name_of(&matched.frontend),
        backend: matched.backend.to_string(),
        balance: (&matched.balance).into(),
        timeouts: (matched.timeouts != Timeouts::default()).then(|| TimeoutsDoc::from(&matched.timeouts)),
        endpoints: endpoints.collect(),
        rejected: rejected
            .map(|r| Rejected { text: r.text.to_string(), reason: r.reason.to_string() })
            .collect(),
    }
}
