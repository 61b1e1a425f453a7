//! Who may come in: the token, and the two headers by which a browser betrays that a foreign page sent the request.
//!
//! A page on the internet can make a browser on this machine send requests to `127.0.0.1`. Its own origin then stands in
//! `Origin` (cross-site request forgery) or its own name, resolved to 127.0.0.1, in `Host` (DNS rebinding). Both are refused.

use std::net::SocketAddr;

use axum::http::{HeaderMap, Method, StatusCode, Uri, Version, header};

use crate::problem::Problem;

/// The rules of one listener.
#[derive(Clone)]
pub(crate) struct Guard {
    listen: SocketAddr,
    token: Option<Token>,
}

/// What clients must show.
#[derive(Clone)]
pub(crate) struct Token(Box<[u8]>);

impl std::fmt::Debug for Token {
    /// Stays hidden.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// Why a text cannot be a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the admin token must be visible ASCII without spaces, at least one character")]
pub struct TokenError;

impl Token {
    /// Checks a configured token.
    pub(crate) fn parse(text: &str) -> Result<Self, TokenError> {
        let fine = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if fine { Ok(Self(text.as_bytes().into())) } else { Err(TokenError) }
    }

    /// Takes the same time wherever the first difference is; tells the length only.
    fn equals(&self, shown: &[u8]) -> bool {
        let differences =
            self.0.iter().zip(shown).fold(0_u8, |all, (a, b)| std::hint::black_box(all | (a ^ b)));
        self.0.len() == shown.len() && std::hint::black_box(differences) == 0
    }
}

impl Guard {
    /// The rules for a listener at `listen`.
    pub(crate) fn new(listen: SocketAddr, token: Option<Token>) -> Self {
        Self { listen, token }
    }

    /// Lets a request in or says why not.
    pub(crate) fn check(&self, head: &axum::http::request::Parts) -> Result<(), Problem> {
        self.check_host(&head.headers, &head.uri, head.version)?;
        if !is_probe(head.uri.path()) {
            self.check_token(&head.headers)?;
        }
        if matches!(head.method, Method::GET | Method::HEAD) {
            return Ok(());
        }
        check_origin(&head.headers)
    }

    /// A loopback listener answers to its own names only; any other is protected by its token, which no foreign page has.
    fn check_host(&self, headers: &HeaderMap, uri: &Uri, version: Version) -> Result<(), Problem> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next();
        if hosts.next().is_some() || (host.is_none() && version > Version::HTTP_10) {
            return Err(Problem::invalid(
                "Host",
                "a request has exactly one Host header",
                "send one Host header",
            ));
        }
        if !self.listen.ip().is_loopback() {
            return Ok(());
        }
        let authority = uri.authority().map(|a| a.as_str().as_bytes());
        if host.map(|h| h.as_bytes()).into_iter().chain(authority).all(|name| self.is_own_name(name)) {
            return Ok(());
        }
        let detail = format!("this listener is known as localhost, 127.0.0.1, [::1] or {} only", self.listen);
        let remedy = "address it by one of these names (a foreign name here is how DNS rebinding looks)";
        Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "host", detail, remedy))
    }

    fn is_own_name(&self, name: &[u8]) -> bool {
        let mut canonical = String::new();
        if model::canonical_host(name, &mut canonical).is_err() {
            return false;
        }
        let own = model::Address::from(self.listen).to_string();
        matches!(canonical.as_str(), "localhost" | "127.0.0.1" | "[::1]")
            || own.rsplit_once(':').is_some_and(|(host, _)| host == canonical)
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(token) = &self.token else { return Ok(()) };
        let mut fields = headers.get_all(header::AUTHORIZATION).iter();
        let shown = fields.next().and_then(|value| bearer(value.as_bytes()));
        if fields.next().is_none() && shown.is_some_and(|shown| token.equals(shown)) {
            return Ok(());
        }
        let detail =
            if shown.is_some() { "the token is not the right one" } else { "this listener wants a token" };
        let remedy = "send `Authorization: Bearer TOKEN` (command line: --token or PORTICO_TOKEN)";
        Err(Problem::new(StatusCode::UNAUTHORIZED, "token", detail, remedy))
    }
}

/// Load balancers ask these without a token; they tell nothing about routes.
pub(crate) fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

/// The scheme's name has no case (RFC 9110 §11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_ascii())
}

/// A browser names the page's origin in every request that changes something; ours is the one in `Host`.
fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let host = headers.get(header::HOST).map_or(&b""[..], |h| h.as_bytes());
    let ours = |origin: &[u8]| {
        [&b"http://"[..], b"https://"]
            .iter()
            .any(|s| origin.strip_prefix(*s).is_some_and(|o| o.eq_ignore_ascii_case(host)))
    };
    let foreign_origin = headers.get_all(header::ORIGIN).iter().any(|origin| !ours(origin.as_bytes()));
    let foreign_site = headers
        .get_all("sec-fetch-site")
        .iter()
        .any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"));
    if foreign_origin || foreign_site {
        let detail = "the request comes from a page of another origin";
        let remedy = "send it from this listener's own origin, or without a browser";
        return Err(Problem::new(StatusCode::FORBIDDEN, "origin", detail, remedy));
    }
    Ok(())
}
