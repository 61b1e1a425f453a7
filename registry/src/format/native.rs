//! portico's own JSON of facts, in stores, the API and files alike: of a frontend here (`config/frontend.example.json` shows all of it),
//! of each other kind in a file beside.
//!
//! Strict: an unknown field, a wrong type, a value out of range are errors that name the field and the remedy.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use model::{
    Address, Backend, BackendName, BalanceKind, Check, Endpoint, Endpoints, FactKind, Frontend, HashKey,
    HostPattern, MAX_ENDPOINTS, PathPrefix, Policy, Rare, ServiceRef, Timeouts, Weight,
};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::FormatError;

mod canary;
mod check;
mod deployment;
mod entries;
mod fact;
mod heartbeat;
mod host;
mod instance;
mod launch;
mod record;
mod run;
mod service;
mod service_ref;
mod standing;

pub use canary::{CanaryDeploymentDoc, CanaryDoc};
pub use check::{CheckDoc, CheckKindDoc, StatusDoc};
pub use deployment::{ControllerDoc, DeploymentDoc, DeploymentStateDoc};
pub use entries::Entries;
pub use fact::{FactDoc, fact_of, key_of, read_fact, write_fact};
pub use heartbeat::{HeartbeatDoc, HeartbeatKindDoc};
pub use host::{HostDoc, InstancesAtDoc};
pub use instance::{InstanceDoc, InstanceStateDoc};
pub use launch::{
    FillDoc, HooksDoc, OrderDoc, PerHostDoc, PlacementDoc, ReadinessDoc, ResourcesDoc, RestartDoc,
    RolloutDoc, StopDoc, VolumeDoc,
};
pub use record::RecordDoc;
pub use run::{ReleasedDoc, RunDoc, StageDoc};
pub use service::{DnsSdDoc, PortDoc, ProtocolDoc, ServiceDoc, WhenEmptyDoc};
pub use service_ref::ServiceRefDoc;
pub use standing::{PowerDoc, PowerStateDoc, StandingDoc};

/// The longest time of a route's own, in milliseconds: a day.
const MAX_TIMEOUT_MS: u64 = 24 * 3600 * 1000;
/// The longest header or cookie name to hash by, in octets.
const MAX_HASH_NAME: usize = 256;

/// A frontend as JSON. Defaults are left out when written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontendDoc {
    /// Which hosts: `www.example.com`, `www.example.com:8080`, `*.example.com`, `*`, `10.0.0.1`, `[::1]`.
    pub host: String,
    /// Which paths of them; default `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The backend's name; default: the service's, or the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// Who answers; none: every request gets 502. A repeated address adds up its weights. Left out where a service answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Vec<EndpointDoc>>,
    /// The service whose healthy instances answer, in the place of endpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceRefDoc>,
    /// How an endpoint is chosen; default `random_of_two`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<BalanceDoc>,
    /// Times of this frontend's own; default: the proxy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<TimeoutsDoc>,
    /// How its endpoints are checked; default: by requests alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckDoc>,
    /// Whether DNS answers its host with the addresses of the fleet's proxies; default: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<bool>,
}

/// An endpoint as JSON: an object, or just its URL. Written as an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndpointDoc {
    /// `http://host:port` or `unix:/path`.
    pub url: String,
    /// 1 to 1000; default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u64>,
}

/// A balance kind as JSON: its name, or `{"hash": …}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BalanceDoc {
    /// Two by chance, the less loaded of them.
    RandomOfTwo,
    /// Each in turn.
    RoundRobin,
    /// By chance.
    Random,
    /// The least loaded.
    LeastLoaded,
    /// By a key of the request.
    Hash(HashDoc),
}

/// What is hashed, as JSON: `"client_address"`, `{"header": "x-user"}` or `{"cookie": "sid"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashDoc {
    /// The client's IP address.
    ClientAddress,
    /// A request header, by name.
    Header(String),
    /// A cookie, by name.
    Cookie(String),
}

/// Times as JSON, each 1 ms to a day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeoutsDoc {
    /// A TCP connect, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_ms: Option<u64>,
    /// From the end of the request to the head of the response, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_ms: Option<u64>,
    /// Silence in a body or a tunnel, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u64>,
}

/// Reads a frontend from its JSON.
///
/// # Errors
/// [`FormatError`] names the field, what is wrong with it and how to write it.
pub fn read_frontend(json: &[u8]) -> Result<Frontend, FormatError> {
    Frontend::try_from(read_document::<FrontendDoc>(FactKind::Frontend, json)?)
}

/// Reads one JSON object.
fn read_document<'a, T: Deserialize<'a>>(kind: FactKind, json: &'a [u8]) -> Result<T, FormatError> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let doc = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let place = error.path().to_string();
        let place = if place == "." { String::new() } else { place };
        match error.inner() {
            error if error.is_data() => FormatError::at(place, error, field_remedy(kind)),
            error => FormatError::at(
                "",
                format!("not JSON: {error}"),
                format!("write it as `config/{kind}.example.json`"),
            ),
        }
    })?;
    reader
        .end()
        .map_err(|error| FormatError::at("", error, "write one JSON object and nothing behind it"))?;
    Ok(doc)
}

/// What to do about a field that cannot be read.
fn field_remedy(kind: FactKind) -> String {
    format!("correct this field; `config/{kind}.example.json` shows them all")
}

/// Writes a frontend as JSON, on one line.
pub fn write_frontend(frontend: &Frontend) -> String {
    // A document of strings and numbers always has a JSON form.
    serde_json::to_string(&FrontendDoc::from(frontend)).unwrap_or_default()
}

impl TryFrom<FrontendDoc> for Frontend {
    type Error = FormatError;

    fn try_from(doc: FrontendDoc) -> Result<Self, FormatError> {
        let host = HostPattern::parse(&doc.host).map_err(|e| {
            FormatError::at("host", e, "write a name or an IP address (with `:port` where that port alone is meant), `*.name` or `*`")
        })?;
        let path = match &doc.path {
            Some(path) => PathPrefix::parse(path)
                .map_err(|e| FormatError::at("path", e, "write a path like `/api`, or leave it out"))?,
            None => PathPrefix::root(),
        };
        let service = doc.service.map(ServiceRef::try_from).transpose()?;
        let default = || service.as_ref().map_or_else(|| host.to_string(), |of| of.service.to_string());
        let name = doc.backend.unwrap_or_else(default);
        let name = BackendName::parse(&name)
            .map_err(|e| FormatError::at("backend", e, "write a shorter, plain name, or leave it out"))?;
        let endpoints = match (doc.endpoints, service) {
            (Some(endpoints), None) => self::endpoints(endpoints)?,
            (None, Some(service)) => service.into(),
            (None, None) => {
                let remedy = "write the endpoints, `[]` for none, or the `service` that answers";
                return Err(FormatError::at("", "missing field `endpoints`", remedy));
            }
            (Some(_), Some(_)) => {
                let reason = "a service answers: its instances are the endpoints";
                return Err(FormatError::at(
                    "endpoints",
                    reason,
                    "leave out one of `endpoints` and `service`",
                ));
            }
        };
        if doc.check.is_some() && endpoints.service().is_some() {
            let reason = "a service answers: whether its instances are healthy is theirs to say";
            return Err(FormatError::at("check", reason, "leave it out"));
        }
        let balance = doc.balance.map(BalanceKind::try_from).transpose()?.unwrap_or_default();
        let timeouts = doc.timeouts.map(Timeouts::try_from).transpose()?.unwrap_or_default();
        let check = doc.check.map(Check::try_from).transpose()?.map(Box::new);
        let backend = Backend { name, endpoints, rejected: Rare::default() };
        let dns = doc.dns.unwrap_or_default();
        Ok(Self { host, path, backend, policy: Policy { balance, timeouts, check, dns }.into() })
    }
}

fn endpoints(docs: Vec<EndpointDoc>) -> Result<Endpoints, FormatError> {
    if docs.len() > MAX_ENDPOINTS {
        let reason = format!("{} endpoints are more than {MAX_ENDPOINTS}", docs.len());
        return Err(FormatError::at("endpoints", reason, "spread them over several frontends"));
    }
    let mut endpoints: Vec<Endpoint> = Vec::with_capacity(docs.len());
    let mut seen = BTreeMap::new();
    for (i, doc) in docs.into_iter().enumerate() {
        let address = Address::parse_url(&doc.url).map_err(|e| {
            FormatError::at(format!("endpoints[{i}].url"), e, "write `http://host:port` or `unix:/path`")
        })?;
        let first = *seen.entry(address.clone()).or_insert(endpoints.len());
        let before = endpoints.get(first).map_or(0, |e| u64::from(e.weight.get()));
        let weight = Weight::new(before.saturating_add(doc.weight.unwrap_or(1))).map_err(|e| {
            let remedy = "write 1 to 1000, the sum when an address is repeated, or leave it out";
            FormatError::at(format!("endpoints[{i}].weight"), e, remedy)
        })?;
        match endpoints.get_mut(first) {
            Some(repeated) => repeated.weight = weight,
            None => endpoints.push(Endpoint { address, weight }),
        }
    }
    Ok(endpoints.into())
}

impl TryFrom<BalanceDoc> for BalanceKind {
    type Error = FormatError;

    fn try_from(doc: BalanceDoc) -> Result<Self, FormatError> {
        Ok(match doc {
            BalanceDoc::RandomOfTwo => Self::RandomOfTwo,
            BalanceDoc::RoundRobin => Self::RoundRobin,
            BalanceDoc::Random => Self::Random,
            BalanceDoc::LeastLoaded => Self::LeastLoaded,
            BalanceDoc::Hash(HashDoc::ClientAddress) => Self::Hash(HashKey::ClientAddress),
            BalanceDoc::Hash(HashDoc::Header(name)) => {
                token("balance.hash.header", &name)?;
                Self::Hash(HashKey::Header(name.to_ascii_lowercase().into()))
            }
            BalanceDoc::Hash(HashDoc::Cookie(name)) => {
                token("balance.hash.cookie", &name)?;
                Self::Hash(HashKey::Cookie(name.into()))
            }
        })
    }
}

/// A `token` of RFC 9110 §5.6.2, as header and cookie names are.
fn token(place: &str, name: &str) -> Result<(), FormatError> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if !name.is_empty() && name.len() <= MAX_HASH_NAME && name.bytes().all(fine) {
        return Ok(());
    }
    Err(FormatError::at(place, "not a name", "write 1 to 256 letters, digits or any of !#$%&'*+-.^_`|~"))
}

impl TryFrom<TimeoutsDoc> for Timeouts {
    type Error = FormatError;

    fn try_from(doc: TimeoutsDoc) -> Result<Self, FormatError> {
        let time = |name: &str, ms: Option<u64>| match ms {
            Some(ms @ 1..=MAX_TIMEOUT_MS) => Ok(Some(Duration::from_millis(ms))),
            None => Ok(None),
            Some(ms) => {
                let reason = format!("{ms} is outside 1 to {MAX_TIMEOUT_MS}");
                Err(FormatError::at(
                    format!("timeouts.{name}"),
                    reason,
                    "write milliseconds, or leave it out",
                ))
            }
        };
        Ok(Self {
            connect: time("connect_ms", doc.connect_ms)?,
            response: time("response_ms", doc.response_ms)?,
            idle: time("idle_ms", doc.idle_ms)?,
        })
    }
}

impl From<&Frontend> for FrontendDoc {
    fn from(frontend: &Frontend) -> Self {
        let host = frontend.host.to_string();
        let name = frontend.backend.name.as_str();
        let service = frontend.backend.endpoints.service();
        let default = service.map_or(host.as_str(), |of| of.service.as_str());
        let Policy { balance, timeouts, check, dns } = &*frontend.policy;
        Self {
            path: (!frontend.path.is_root()).then(|| frontend.path.to_string()),
            backend: (name != default).then(|| name.to_owned()),
            endpoints: service
                .is_none()
                .then(|| frontend.backend.endpoints.iter().map(EndpointDoc::from).collect()),
            service: service.map(ServiceRefDoc::from),
            host,
            balance: (*balance != BalanceKind::default()).then(|| balance.into()),
            timeouts: (*timeouts != Timeouts::default()).then(|| timeouts.into()),
            check: check.as_deref().map(CheckDoc::from),
            dns: dns.then_some(true),
        }
    }
}

impl From<&Endpoint> for EndpointDoc {
    fn from(endpoint: &Endpoint) -> Self {
        let weight = (endpoint.weight != Weight::ONE).then(|| u64::from(endpoint.weight.get()));
        Self { url: endpoint.address.url(), weight }
    }
}

impl From<&BalanceKind> for BalanceDoc {
    fn from(kind: &BalanceKind) -> Self {
        match kind {
            BalanceKind::RandomOfTwo => Self::RandomOfTwo,
            BalanceKind::RoundRobin => Self::RoundRobin,
            BalanceKind::Random => Self::Random,
            BalanceKind::LeastLoaded => Self::LeastLoaded,
            BalanceKind::Hash(HashKey::ClientAddress) => Self::Hash(HashDoc::ClientAddress),
            BalanceKind::Hash(HashKey::Header(name)) => Self::Hash(HashDoc::Header(name.to_string())),
            BalanceKind::Hash(HashKey::Cookie(name)) => Self::Hash(HashDoc::Cookie(name.to_string())),
        }
    }
}

impl From<&Timeouts> for TimeoutsDoc {
    fn from(timeouts: &Timeouts) -> Self {
        // A part of a millisecond becomes a whole one, so that no time reads back as zero.
        let ms = |time: Option<Duration>| {
            time.map(|t| {
                u64::try_from(t.as_nanos().div_ceil(1_000_000))
                    .map_or(MAX_TIMEOUT_MS, |ms| ms.clamp(1, MAX_TIMEOUT_MS))
            })
        };
        Self {
            connect_ms: ms(timeouts.connect),
            response_ms: ms(timeouts.response),
            idle_ms: ms(timeouts.idle),
        }
    }
}

impl<'de> Deserialize<'de> for EndpointDoc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EndpointVisitor)
    }
}

struct EndpointVisitor;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndpointFields {
    url: String,
    #[serde(default)]
    weight: Option<u64>,
}

impl<'de> Visitor<'de> for EndpointVisitor {
    type Value = EndpointDoc;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"a URL or an object like {"url": "http://10.0.0.7:8000", "weight": 2}"#)
    }

    fn visit_str<E: Error>(self, url: &str) -> Result<EndpointDoc, E> {
        Ok(EndpointDoc { url: url.to_owned(), weight: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<EndpointDoc, A::Error> {
        let EndpointFields { url, weight } = EndpointFields::deserialize(MapAccessDeserializer::new(map))?;
        Ok(EndpointDoc { url, weight })
    }
}

#[cfg(test)]
mod tests;
