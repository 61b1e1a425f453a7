//! What a registry of images has, by its HTTP API (OCI distribution specification 1.1; `_catalog` is Docker's).

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};

use crate::answer::Answer;
use crate::client::plain;
use crate::failure::Failure;
use crate::file;
use crate::frontend::line;
use crate::name::encode;
use crate::table::Table;

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Where the authorities of registries are that this machine's engine trusts.
const SYSTEM: &str = "/etc/docker/certs.d";
/// The largest answer, in octets.
const ANSWER_BYTES: u64 = 16 << 20;
/// How many names are asked for at once; a registry may answer fewer.
const PAGE: usize = 1000;

/// What it has.
#[derive(Serialize)]
struct Has {
    registry: String,
    images: Vec<Tagged>,
}

/// An image, and its tags.
#[derive(Serialize)]
struct Tagged {
    name: String,
    tags: Vec<String>,
}

#[derive(Deserialize)]
struct Repositories {
    repositories: Vec<String>,
}

#[derive(Deserialize)]
struct Tags {
    /// Null where the last one was removed.
    tags: Option<Vec<String>>,
}

/// Lists the images of a registry, `HOST[:PORT]`, or the one that is named behind it.
///
/// # Errors
/// [`Failure`]: it cannot be reached, or refuses.
pub(super) fn ls(text: &str) -> Result<Answer, Failure> {
    let (name, only) = match text.trim_end_matches('/').split_once('/') {
        _ if text.contains("://") => {
            return Err(Failure::Usage(format!("registry `{text}`: leave out `http://`, write HOST:PORT")));
        }
        Some((name, only)) => (name, Some(only)),
        None => (text.trim_end_matches('/'), None),
    };
    let registry = Registry::new(name)?;
    let names = match only {
        Some(only) => vec![only.to_owned()],
        None => registry.all("_catalog", |page: Repositories| page.repositories)?,
    };
    let mut images = Vec::new();
    for name in names {
        let path = name.split('/').map(encode).collect::<Vec<_>>().join("/");
        let tags = registry.all(&format!("{path}/tags/list"), |page: Tags| page.tags.unwrap_or_default())?;
        images.push(Tagged { name, tags });
    }
    let text = table(name, &images);
    Answer::new(&Has { registry: name.to_owned(), images }, text)
}

fn table(registry: &str, images: &[Tagged]) -> String {
    if images.is_empty() {
        return line(&format!("{registry} has no images (send one with `portico image push`)"));
    }
    let mut table = Table::new(&["IMAGE", "TAGS"]);
    for Tagged { name, tags } in images {
        let tags = if tags.is_empty() { "-".to_owned() } else { tags.join(", ") };
        table.row([format!("{registry}/{name}"), tags]);
    }
    table.text()
}

/// One registry.
struct Registry<'a> {
    name: &'a str,
    url: String,
    agent: ureq::Agent,
    authorization: Option<String>,
}

impl<'a> Registry<'a> {
    fn new(name: &'a str) -> Result<Self, Failure> {
        let authorities = authorities(name)?;
        let is_plain = is_loopback(name) && authorities.is_empty();
        let scheme = if is_plain { "http" } else { "https" };
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(TIMEOUT))
            .user_agent(concat!("portico/", env!("CARGO_PKG_VERSION")));
        if !is_plain {
            config = config.tls_config(tls(authorities));
        }
        let agent = config.build().into();
        Ok(Self { name, url: format!("{scheme}://{name}/v2"), agent, authorization: authorization(name)? })
    }

    /// The names at a path, page after page.
    fn all<T: DeserializeOwned>(
        &self,
        path: &str,
        names: impl Fn(T) -> Vec<String>,
    ) -> Result<Vec<String>, Failure> {
        let mut all: Vec<String> = Vec::new();
        loop {
            let last = all.last().map(|last| format!("&last={}", encode(last))).unwrap_or_default();
            let (page, has_more) = self.get(&format!("{path}?n={PAGE}{last}"))?;
            let page = names(page);
            // A page with nothing new on it is the last one, whatever it says.
            let is_last = !has_more || page.last() == all.last();
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// An answer, and whether there are more.
    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<(T, bool), Failure> {
        let url = format!("{}/{path}", self.url);
        let mut asked = self.agent.get(&url).header("Accept", "application/json");
        if let Some(authorization) = &self.authorization {
            asked = asked.header("Authorization", authorization);
        }
        let unreachable = |error: ureq::Error| {
            let reason = match &error {
                ureq::Error::Io(error) => plain(error),
                other => other.to_string(),
            };
            let name = self.name;
            let remedy = if reason.contains("certificate") {
                format!("put the certificate of its authority at {SYSTEM}/{name}/ca.crt, as for `docker`")
            } else {
                "is its name right, and does it run? Does it speak TLS?".to_owned()
            };
            Failure::refused(format!("registry {name} cannot be asked: {reason}"), remedy)
        };
        let mut response = asked.call().map_err(unreachable)?;
        let (status, has_more) = (response.status().as_u16(), response.headers().contains_key("link"));
        if status != 200 {
            return Err(self.refused(status, path));
        }
        let body =
            response.body_mut().with_config().limit(ANSWER_BYTES).read_to_vec().map_err(unreachable)?;
        let answer = serde_json::from_slice(&body).map_err(|error| {
            let detail = format!("the answer of {url} is not understood: {error}");
            Failure::refused(detail, "is it a registry of images?")
        })?;
        Ok((answer, has_more))
    }

    fn refused(&self, status: u16, path: &str) -> Failure {
        let name = self.name;
        match status {
            401 | 403 => Failure::refused(
                format!(
                    "registry {name} wants a user who may list what it has, with a password (status {status})"
                ),
                format!("`docker login {name}` keeps one; credential helpers and tokens are not asked"),
            ),
            404 if path.contains("/tags/list") => Failure::refused(
                format!("registry {name} has no image {}", path.split("/tags/list").next().unwrap_or(path)),
                format!("list all with `portico image ls --registry {name}`"),
            ),
            400 if self.url.starts_with("http:") => Failure::refused(
                format!("registry {name} answered with status 400"),
                format!(
                    "if it wants TLS, put the certificate of its authority at {SYSTEM}/{name}/ca.crt, as for `docker`"
                ),
            ),
            _ => Failure::refused(
                format!("registry {name} answered with status {status}"),
                "is it a registry of images, and does it list them? Some do not",
            ),
        }
    }
}

/// What this machine trusts, and these authorities.
fn tls(authorities: Vec<Certificate<'static>>) -> TlsConfig {
    let trusted = rustls_native_certs::load_native_certs().certs;
    let mut trusted: Vec<Certificate<'static>> =
        trusted.iter().map(|trusted| Certificate::from_der(trusted).to_owned()).collect();
    trusted.extend(authorities);
    TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&trusted))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build()
}

/// The authorities of one registry, from where `docker` has them: `certs.d/HOST[:PORT]/*.crt` of its folders.
fn authorities(registry: &str) -> Result<Vec<Certificate<'static>>, Failure> {
    let own = folder().map(|folder| folder.join("certs.d"));
    let mut found = Vec::new();
    for folder in own.into_iter().chain([PathBuf::from(SYSTEM)]) {
        // No folder: none of its own.
        let Ok(entries) = std::fs::read_dir(folder.join(registry)) else { continue };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.extension().is_none_or(|extension| extension != "crt") {
                continue;
            }
            let wrong = |reason: String| Failure::File { path: path.clone(), reason };
            let text = std::fs::read(&path).map_err(|error| file::failed(&path, &error))?;
            let items = ureq::tls::parse_pem(&text).collect::<Result<Vec<_>, _>>();
            let items =
                items.map_err(|error| wrong(format!("{error}; it has to be a certificate in PEM")))?;
            found.extend(items.into_iter().filter_map(|item| match item {
                PemItem::Certificate(certificate) => Some(certificate),
                _ => None,
            }));
        }
    }
    Ok(found)
}

/// Where `docker` keeps what is the user's.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("DOCKER_CONFIG").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    folder.or_else(|| std::env::home_dir().map(|home| home.join(".docker")))
}

/// Whether a registry is on this machine, where engines need no TLS.
fn is_loopback(name: &str) -> bool {
    let host = match name.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => host,
        _ => name,
    };
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `~/.docker/config.json`, what of it matters here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Kept {
    auths: HashMap<String, Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    /// `user:password` in base64.
    auth: String,
}

/// What a registry is shown of who asks, as `docker login` kept it.
fn authorization(registry: &str) -> Result<Option<String>, Failure> {
    let Some(path) = folder().map(|folder| folder.join("config.json")) else { return Ok(None) };
    let text = match std::fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|error| file::failed(&path, &error))?,
    };
    let kept: Kept = serde_json::from_slice(&text)
        // Nothing of what is there is said: it may be a secret.
        .map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let reason =
                format!("line {line}, column {column} is not understood; `docker login` writes it anew");
            Failure::File { path, reason }
        })?;
    let bare = |name: &str| {
        name.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/').to_owned()
    };
    let entry = kept.auths.into_iter().find(|(name, _)| bare(name) == registry).map(|(_, entry)| entry);
    Ok(entry.filter(|entry| !entry.auth.is_empty()).map(|entry| format!("Basic {}", entry.auth)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_on_this_machine_needs_no_tls() {
        let check = |name: &str, expected| assert_eq!(is_loopback(name), expected, "{name}");

        check("127.0.0.1:5000", true);
        check("localhost", true);
        check("[::1]:5000", true);
        check("registry.example.com", false);
        check("10.0.0.1:5000", false);
    }
}
