//! Traefik's KV layout, read: routers and services below `traefik/http/`.
//!
//! In: key/value pairs. Out: a frontend for each host and path of a router's rule, and by name what has no counterpart. Never here: a
//! router whose middlewares, or half of whose rule, are left out in silence: such a one is refused.
//!
//! Two habits differ and cannot be told apart in a rule: a `PathPrefix` here ends at a segment (`/api` takes no `/apix`), and the most
//! specific host, then the longest path wins, where Traefik goes by the length of the rule and `priority`.

use std::collections::BTreeMap;

use model::{
    Address, Backend, BackendName, Endpoint, Frontend, HostPattern, MAX_ENDPOINTS, PathPrefix, Quarantined,
    Rare, RejectedEndpoint, Weight,
};

use crate::import::Gathered;

pub(crate) mod dump;
mod rule;

/// What all keys begin with; Traefik's own default.
pub const ROOT: &str = "traefik/";

/// What is below one router or service: the rest of the key (its first words in lower case, as Traefik reads them) and the value.
type Below = BTreeMap<String, String>;

/// Reads the pairs; keys that do not begin with [`ROOT`] are passed over.
pub fn read(pairs: Vec<(String, Vec<u8>)>) -> Gathered {
    let mut gathered = Gathered::default();
    let (mut routers, mut services) = (BTreeMap::<String, Below>::new(), BTreeMap::<String, Below>::new());
    for (key, value) in pairs {
        let Some(path) = key.trim_start_matches('/').strip_prefix(ROOT) else { continue };
        let mut parts = path.splitn(4, '/');
        let (kind, what) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let (name, below) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let place = match (kind, what) {
            ("http", "routers") => &mut routers,
            ("http", "services") => &mut services,
            _ => {
                let reason = "only HTTP routers and services have a counterpart here";
                gathered.ignore(key, why(reason, "keep it where it is, or do without it"));
                continue;
            }
        };
        match String::from_utf8(value) {
            Ok(value) => {
                place.entry(name.to_owned()).or_default().insert(below.to_ascii_lowercase(), value);
            }
            Err(_) => gathered.refuse(key, why("its value is not text", "write it anew")),
        }
    }
    let services: BTreeMap<String, Result<Vec<Server>, Quarantined>> = services
        .into_iter()
        .map(|(name, below)| (name.clone(), service(&name, below, &mut gathered)))
        .collect();
    for (name, below) in routers {
        let place = format!("{ROOT}http/routers/{name}");
        match router(&place, below, &services, &mut gathered) {
            Ok(frontends) => frontends.into_iter().for_each(|frontend| gathered.add(&place, frontend)),
            Err(error) => gathered.refuse(place, error),
        }
    }
    gathered.without_repetitions()
}

/// A server of a service, as it was written.
#[derive(Debug, Default, Clone)]
struct Server {
    url: String,
    weight: Option<String>,
}

/// The servers of a load balancer, in the order of their numbers.
fn service(name: &str, below: Below, gathered: &mut Gathered) -> Result<Vec<Server>, Quarantined> {
    let mut servers = BTreeMap::<(usize, String), Server>::new();
    for (key, value) in below {
        let place = format!("{ROOT}http/services/{name}/{key}");
        let Some(rest) = key.strip_prefix("loadbalancer/") else {
            let kind = key.split('/').next().unwrap_or_default();
            let reason =
                format!("service {name} is `{kind}`, and only `loadBalancer` has a counterpart here");
            return Err(why(&reason, "state its servers as a `loadBalancer`"));
        };
        match rest.split('/').collect::<Vec<_>>()[..] {
            ["servers", number, "url"] => servers.entry(place_of(number)).or_default().url = value,
            ["servers", number, "weight"] => {
                servers.entry(place_of(number)).or_default().weight = Some(value)
            }
            ["passhostheader"] if value.eq_ignore_ascii_case("true") => {}
            _ => gathered.ignore(place, why("it has no counterpart here, or not yet", "do without it")),
        }
    }
    Ok(servers.into_values().collect())
}

fn place_of(number: &str) -> (usize, String) {
    (number.parse().unwrap_or(usize::MAX), number.to_owned())
}

/// The frontends that a router comes to.
fn router(
    place: &str,
    below: Below,
    services: &BTreeMap<String, Result<Vec<Server>, Quarantined>>,
    gathered: &mut Gathered,
) -> Result<Vec<Frontend>, Quarantined> {
    let (mut rule, mut name) = (None, None);
    for (key, value) in below {
        match key.split('/').next().unwrap_or_default() {
            "rule" => rule = Some(value),
            "service" => name = Some(value),
            "middlewares" => {
                let reason =
                    format!("its middleware `{value}` would be left out, and with it what it guards");
                return Err(why(&reason, "take it off the router where the route may do without it"));
            }
            _ => {
                gathered.ignore(format!("{place}/{key}"), why("it has no counterpart here", "do without it"))
            }
        }
    }
    let rule = rule.ok_or_else(|| why("it has no rule", "write one, or remove the router"))?;
    let name = name.ok_or_else(|| why("it names no service", "name one, or remove the router"))?;
    // `name@provider`, where the service is of this provider as well.
    let known = services.get_key_value(&name).or_else(|| services.get_key_value(name.split('@').next()?));
    let Some((name, servers)) = known else {
        let reason = format!("its service `{name}` is not among these keys");
        return Err(why(&reason, "state it here, or remove the router"));
    };
    let backend = backend(name, servers.as_deref().map_err(Clone::clone)?)?;
    let pairs = rule::parse(&rule).map_err(|error| {
        why(&format!("its rule {rule}: {error}"), "write it with Host and PathPrefix, or leave it out")
    })?;
    let remedy = "write it with one Host and one PathPrefix, or leave it out";
    let mut frontends = Vec::new();
    for pair in pairs {
        let host = HostPattern::parse(pair.host.as_deref().unwrap_or("*"));
        let host = host.map_err(|error| why(&format!("its rule {rule}: {error}"), remedy))?;
        let path = PathPrefix::parse(pair.path.as_deref().unwrap_or("/"));
        let path = path.map_err(|error| why(&format!("its rule {rule}: {error}"), remedy))?;
        frontends.push(Frontend { host, path, backend: backend.clone(), policy: Rare::default() });
    }
    Ok(frontends)
}

fn backend(name: &str, servers: &[Server]) -> Result<Backend, Quarantined> {
    if servers.len() > MAX_ENDPOINTS {
        let reason = format!("its service has {} servers, more than {MAX_ENDPOINTS}", servers.len());
        return Err(why(&reason, "spread them over several routers"));
    }
    let name = BackendName::parse(name).map_err(|error| why(&error.to_string(), "rename the service"))?;
    let mut endpoints: Vec<Endpoint> = Vec::new();
    let mut rejected = Vec::new();
    for server in servers {
        match endpoint(server) {
            Ok(endpoint) if endpoints.iter().any(|known| known.address == endpoint.address) => {
                rejected.push((server, "it is stated twice".to_owned()));
            }
            Ok(endpoint) => endpoints.push(endpoint),
            Err(reason) => rejected.push((server, reason)),
        }
    }
    let rejected = rejected.into_iter().map(|(server, reason)| RejectedEndpoint {
        text: server.url.chars().take(200).collect(),
        reason: reason.into(),
    });
    Ok(Backend { name, endpoints: endpoints.into(), rejected: rejected.collect() })
}

fn endpoint(server: &Server) -> Result<Endpoint, String> {
    let address = Address::parse_url(server.url.trim()).map_err(|error| error.to_string())?;
    let weight = match server.weight.as_deref() {
        None => Weight::ONE,
        Some(text) => {
            let number = text.trim().parse().map_err(|_| format!("weight `{text}` is not a number"))?;
            Weight::new(number).map_err(|error| error.to_string())?
        }
    };
    Ok(Endpoint { address, weight })
}

fn why(reason: &str, remedy: &str) -> Quarantined {
    Quarantined { reason: reason.into(), remedy: remedy.into() }
}

#[cfg(test)]
mod tests;
