//! Parameters and bodies out of requests; what is wrong with them becomes a [`Problem`].

use axum::extract::path::ErrorKind;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use model::{FactKey, FactKind, HostPattern, PathPrefix};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The query string.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let params = Query::<T>::try_from_uri(&parts.uri);
        params.map(|Query(params)| Self(params)).map_err(|rejection| {
            Problem::invalid("query", rejection.body_text(), "correct the part after `?` of the URL")
        })
    }
}

/// Which frontend a request is about: `{host}` of the path, `path` of the query.
pub(crate) struct Subject {
    /// Which hosts.
    pub(crate) host: HostPattern,
    /// Which paths.
    pub(crate) path: PathPrefix,
}

impl Subject {
    /// The fact's key.
    pub(crate) fn key(&self) -> FactKey {
        FactKey::Frontend { host: self.host.clone(), path: self.path.clone() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubjectQuery {
    path: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Subject {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let host = Path::<String>::from_request_parts(parts, state).await;
        let Path(host) = host.map_err(|rejection| bad_path(&rejection))?;
        let Params(query) = Params::<SubjectQuery>::from_request_parts(parts, state).await?;
        let path = query.path.as_deref().unwrap_or("/");
        Ok(Self { host: parse_host("host", &host)?, path: parse_path("path", path)? })
    }
}

fn bad_path(rejection: &PathRejection) -> Problem {
    let detail = match rejection {
        PathRejection::FailedToDeserializePathParams(failed) => match failed.kind() {
            ErrorKind::InvalidUtf8InPathParam { .. } => "the host is not UTF-8".to_owned(),
            _ => failed.body_text(),
        },
        other => other.body_text(),
    };
    Problem::invalid("host", detail, "write a host name, `*.suffix` or `*`")
}

/// A host pattern that stands in `field`.
pub(crate) fn parse_host(field: &str, text: &str) -> Result<HostPattern, Problem> {
    HostPattern::parse(text).map_err(|error| {
        let remedy = match text.contains('/') {
            true => "a path prefix goes into the query: ?path=/api",
            false => {
                "write a host name (with a port where only that is meant), `*.suffix`, `*` or an IP address"
            }
        };
        Problem::invalid(field, error.to_string(), remedy)
    })
}

/// A path prefix that stands in `field`.
pub(crate) fn parse_path(field: &str, text: &str) -> Result<PathPrefix, Problem> {
    PathPrefix::parse(text).map_err(|error| {
        Problem::invalid(field, error.to_string(), "write a path prefix such as `/api`, or leave it out")
    })
}

/// A frontend's key out of `HOST[/path]`, as operators write it.
pub(crate) fn parse_name(field: &str, text: &str) -> Result<Subject, Problem> {
    let text = text.strip_prefix("frontend:").unwrap_or(text);
    let (host, path) = text.split_at(text.find('/').unwrap_or(text.len()));
    let path = if path.is_empty() { PathPrefix::root() } else { parse_path(field, path)? };
    Ok(Subject { host: parse_host(field, host)?, path })
}

/// A fact's key out of what operators write: a frontend as `HOST[/path]`, any other fact as `service:web`.
///
/// `service:80` is a host on a port: a frontend.
pub(crate) fn parse_key(field: &str, text: &str) -> Result<FactKey, Problem> {
    let other = text.split_once(':').filter(|(kind, rest)| {
        let names = FactKind::ALL.map(FactKind::name);
        *kind != "frontend" && names.contains(kind) && !rest.bytes().all(|octet| octet.is_ascii_digit())
    });
    match other {
        None => parse_name(field, text).map(|subject| subject.key()),
        Some(_) => FactKey::parse(text).map_err(|error| {
            let remedy =
                "write `service:web`, `instance:web/web-1`, `host:node-1` or a frontend's HOST[/path]";
            Problem::invalid(field, error.to_string(), remedy)
        }),
    }
}

/// A body that could not be read.
pub(crate) fn bad_body(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let remedy = "a frontend has at most 1024 endpoints; nothing larger is taken";
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "the body is too large", remedy);
    }
    Problem::invalid("body", rejection.body_text(), "send the whole body")
}

/// A body's JSON as a type of `wire`; the problem names the field.
pub(crate) fn parse_json<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let field = error.path().to_string();
        Problem::invalid(&field, error.into_inner().to_string(), FRONTEND_REMEDY)
    })
}

/// A body's JSON object.
pub(crate) fn parse_object(body: &[u8]) -> Result<serde_json::Map<String, serde_json::Value>, Problem> {
    match serde_json::from_slice(body) {
        Ok(serde_json::Value::Object(object)) => Ok(object),
        Ok(_) => Err(Problem::invalid("body", "the body is not a JSON object", FRONTEND_REMEDY)),
        Err(error) => {
            Err(Problem::invalid("body", format!("the body is not JSON: {error}"), FRONTEND_REMEDY))
        }
    }
}

/// How to write a frontend.
pub(crate) const FRONTEND_REMEDY: &str =
    r#"write it like {"endpoints":[{"url":"http://10.0.0.7:8000","weight":1}],"balance":"round_robin"}"#;

/// What a format says of a body.
pub(crate) fn bad_format(error: registry::format::FormatError) -> Problem {
    Problem::invalid(&error.place, error.reason, error.remedy)
}
