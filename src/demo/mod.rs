//! `portico demo`: everything at once in a temporary folder, with two small origins of its own, and what to try.
//!
//! In: nothing. Out: commands to try on standard output, each on a line of its own that works as printed. Never here: a file or
//! a process that is left behind; a port that somebody else holds (free ones are taken instead).

mod guide;
mod origin;

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU16;
use std::path::Path;
use std::process::ExitCode;

use model::{Address, Addresses, Backend, BackendName, Endpoint, Fact, Frontend, HostPattern, Instance};
use model::{InstanceName, PathPrefix, Port, PortName, Ports, Protocol, Service, ServiceName, Weight};
use registry::{Edit, Expected, Write};

use crate::compose;
use crate::config::{Assignment, Loaded, Place, Sources, Value};
use crate::failure::Failure;
use crate::run::{in_runtime, leave, listen, open};
use crate::{logging, run};

/// Frontends of the demo: host, path, backend, which of the origins.
const FRONTENDS: [(&str, &str, &str, &[usize]); 3] = [
    ("www.demo.localhost", "/", "www", &[0, 1]),
    ("www.demo.localhost", "/api", "api", &[1]),
    ("*.demo.localhost", "/", "any", &[0]),
];
/// The names that the origins answer with.
const ORIGINS: [&str; 2] = ["origin-one", "origin-two"];
/// The service that the origins are instances of, the instances' names, and the service's port.
const SERVICE: (&str, [&str; 2], &str) = ("web", ["one", "two"], "http");

/// Runs the demo until a signal ends it.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    let folder = tempfile::Builder::new()
        .prefix("portico-demo-")
        .tempdir()
        .map_err(|error| Failure::System { what: "cannot make a temporary folder", error })?;
    let usual = settings(folder.path(), [8080, 8053, 8081].map(preferred))?;
    let _log = logging::start(&usual.settings.log);
    run::raise_file_limit();
    let (bound, loaded) = match compose::bind(&usual, compose::Parts::ALL) {
        // Somebody was quicker, another demo perhaps.
        Err(Failure::Listen { .. }) => {
            let free = settings(folder.path(), [loopback(0); 3])?;
            (compose::bind(&free, compose::Parts::ALL)?, free)
        }
        bound => (bound?, usual),
    };
    let code = in_runtime(serve(bound, loaded))?;
    folder.close().map_err(|error| Failure::System { what: "cannot remove the temporary folder", error })?;
    Ok(code)
}

async fn serve(bound: compose::Bound, loaded: Loaded) -> Result<ExitCode, Failure> {
    let mut signals = listen()?;
    let mut origins = Vec::new();
    for name in ORIGINS {
        origins.push(
            origin::start(name)
                .await
                .map_err(|error| Failure::System { what: "cannot start an origin", error })?,
        );
    }
    let Some(house) = open(bound, &loaded, &mut signals).await? else { return Ok(ExitCode::SUCCESS) };
    let published = house
        .registry
        .publish(Write { who: "demo".into(), edits: edits(&origins)?, guards: Vec::new() })
        .await;
    published.map_err(|error| Failure::Registry(error.to_string()))?;
    guide::print(&house, &loaded, &origins)?;
    let fallen = tokio::select! {
        () = signals.end() => None,
        failure = house.fall() => Some(failure),
    };
    guide::farewell()?;
    let code = leave(house, &mut signals).await;
    fallen.map_or(Ok(code), Err)
}

fn flag(key: &'static str, value: &str) -> Assignment {
    Assignment { key, value: Value::Text(value.to_owned()), place: Place::Flag("demo") }
}

/// The demo's settings: nothing from files or variables, so that it is the same everywhere.
fn settings(folder: &Path, [http, dns, admin]: [SocketAddr; 3]) -> Result<Loaded, Failure> {
    let flags = vec![
        flag("data", &folder.display().to_string()),
        flag("http.listen", &http.to_string()),
        flag("dns.listen", &dns.to_string()),
        flag("admin.listen", &admin.to_string()),
        flag("access_log.path", &folder.join("access.log").display().to_string()),
        flag("log.level", "warn"),
        flag("http.drain", "5s"),
    ];
    Ok(Sources { flags, ..Sources::default() }.load()?)
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// The usual port when it is free, else any.
fn preferred(port: u16) -> SocketAddr {
    if TcpListener::bind(loopback(port)).is_ok() { loopback(port) } else { loopback(0) }
}

/// The frontends, the service and the instances of the demo, as one write.
fn edits(origins: &[SocketAddr]) -> Result<Vec<Edit>, Failure> {
    let facts = frontends(origins)?.into_iter().map(Fact::Frontend).chain(service(origins)?);
    Ok(facts.map(|fact| Edit { key: fact.key(), fact: Some(fact), expected: Expected::Any }).collect())
}

fn invalid(error: &dyn std::fmt::Display) -> Failure {
    Failure::Registry(format!("the demo's own facts: {error}"))
}

/// The origins as instances of a service, and the service.
fn service(origins: &[SocketAddr]) -> Result<Vec<Fact>, Failure> {
    let (service, instances, port) = SERVICE;
    let service = ServiceName::parse(service).map_err(|error| invalid(&error))?;
    let name = PortName::parse(port).map_err(|error| invalid(&error))?;
    let of = |origin: &SocketAddr| NonZeroU16::new(origin.port()).ok_or_else(|| invalid(&"no port"));
    let first = of(origins.first().ok_or_else(|| invalid(&"no origin"))?)?;
    let ports = Ports::new(vec![Port { name: name.clone(), port: first, protocol: Protocol::Tcp }]);
    let ports = ports.map_err(|error| invalid(&error))?;
    let mut facts = vec![Fact::Service(Box::new(Service { ports, ..Service::new(service.clone()) }))];
    for (instance, origin) in instances.iter().zip(origins) {
        let instance = InstanceName::parse(instance).map_err(|error| invalid(&error))?;
        let addresses = Addresses::new([origin.ip()]).map_err(|error| invalid(&error))?;
        let ports = [(name.clone(), of(origin)?)].into();
        let instance = Instance { ports, ..Instance::new(service.clone(), instance, addresses) };
        facts.push(Fact::Instance(Box::new(instance)));
    }
    Ok(facts)
}

fn frontends(origins: &[SocketAddr]) -> Result<Vec<Frontend>, Failure> {
    let mut frontends = Vec::new();
    for (host, path, backend, of) in FRONTENDS {
        let endpoints = of.iter().filter_map(|index| origins.get(*index));
        frontends.push(Frontend {
            host: HostPattern::parse(host).map_err(|error| invalid(&error))?,
            path: PathPrefix::parse(path).map_err(|error| invalid(&error))?,
            backend: Backend {
                name: BackendName::parse(backend).map_err(|error| invalid(&error))?,
                endpoints: endpoints
                    .map(|socket| Endpoint { address: Address::from(*socket), weight: Weight::ONE })
                    .collect(),
                rejected: model::Rare::default(),
            },
            policy: model::Rare::default(),
        });
    }
    Ok(frontends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_of_the_demo_are_valid() {
        let origins = ["127.0.0.1:1", "127.0.0.1:2"].map(|text| text.parse().unwrap());
        assert_eq!(edits(&origins).unwrap().len(), FRONTENDS.len() + 3);
    }

    #[test]
    fn a_taken_port_gives_way_to_any() {
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = holder.local_addr().unwrap().port();
        assert_eq!(preferred(port), loopback(0));
        drop(holder);
        assert_eq!(preferred(port), loopback(port));
    }
}
