//! What went wrong, as `application/problem+json` (RFC 9457): the one form of every error this listener answers with.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::wire;

/// An answer that is an error.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    body: Box<wire::Problem>,
}

impl Problem {
    /// An error of this kind; `detail` says what, `remedy` what to do about it.
    pub(crate) fn new(
        status: StatusCode,
        kind: &str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").to_owned();
        let body = wire::Problem {
            kind: format!("urn:portico:problem:{kind}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            remedy: remedy.into(),
            field: None,
            revision: None,
        };
        Self { status, body: Box::new(body) }
    }

    /// 400: something the client wrote.
    pub(crate) fn invalid(field: &str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::BAD_REQUEST, "invalid", detail, remedy);
        problem.body.field = Some(field.to_owned());
        problem
    }

    /// The same, naming the revision that the fact is really at.
    pub(crate) fn at_revision(mut self, revision: Option<model::Revision>) -> Self {
        self.body.revision = revision.map(model::Revision::number);
        self
    }

    /// The same, with another remedy.
    pub(crate) fn with_remedy(mut self, remedy: &str) -> Self {
        remedy.clone_into(&mut self.body.remedy);
        self
    }

    /// The same, with something to know first.
    pub(crate) fn behind(mut self, first: &str) -> Self {
        self.body.detail.insert_str(0, first);
        self
    }

    /// Which status it answers with.
    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = serde_json::to_vec(&self.body).unwrap_or_else(|_| b"{}".to_vec());
        body.push(b'\n');
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"portico\""));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
