//! `portico demo`: everything at once in a temporary folder, with two small origins of its own, and what to try.
//!
//! In: nothing. Out: commands to try on standard output, each on a line of its own that works as printed. Never here: a file or
//! a process that is left behind; a port that somebody else holds (free ones are taken instead).

mod guide;
mod origin;

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use model::{
    Address, Backend, BackendName, Endpoint, Fact, Frontend, HostPattern, PathPrefix, Policy, Weight,
};
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

/// Runs the demo until a signal ends it.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    let folder = tempfile::Builder::new()
        .prefix("portico-demo-")
        .tempdir()
        .map_err(|error| Failure::System { what: "cannot make a temporary folder", error })?;
    let data = folder.path().display().to_string();
    let sources = Sources {
        file: None,
        variables: std::collections::BTreeMap::new(),
        flags: vec![
            flag("data", &data),
            flag("http.listen", &preferred([127, 0, 0, 1], 8080)),
            flag("admin.listen", &preferred([127, 0, 0, 1], 8081)),
            flag("access_log.path", &folder.path().join("access.log").display().to_string()),
            flag("log.level", "warn"),
            flag("http.drain", "5s"),
        ],
    };
    let loaded = sources.load()?;
    logging::start(&loaded.settings.log);
    run::raise_file_limit();
    let bound = compose::bind(&loaded)?;
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
    let published = house.registry.publish(Write { who: "demo".into(), edits: edits(&origins)? }).await;
    published.map_err(|error| Failure::Registry(error.to_string()))?;
    guide::print(&house, &loaded, &origins)?;
    signals.end().await;
    guide::farewell()?;
    Ok(leave(house, &mut signals).await)
}

fn flag(key: &'static str, value: &str) -> Assignment {
    Assignment { key, value: Value::Text(value.to_owned()), place: Place::Flag("demo") }
}

/// The usual port when it is free, else any.
fn preferred(ip: [u8; 4], port: u16) -> String {
    let usual = SocketAddr::from((ip, port));
    let address = if TcpListener::bind(usual).is_ok() { usual } else { SocketAddr::from((ip, 0)) };
    address.to_string()
}

/// The frontends of the demo, as one write.
fn edits(origins: &[SocketAddr]) -> Result<Vec<Edit>, Failure> {
    let invalid =
        |error: &dyn std::fmt::Display| Failure::Registry(format!("the demo's own frontend: {error}"));
    let mut edits = Vec::new();
    for (host, path, backend, of) in FRONTENDS {
        let endpoints = of.iter().filter_map(|index| origins.get(*index));
        let frontend = Frontend {
            host: HostPattern::parse(host).map_err(|error| invalid(&error))?,
            path: PathPrefix::parse(path).map_err(|error| invalid(&error))?,
            backend: Backend {
                name: BackendName::parse(backend).map_err(|error| invalid(&error))?,
                endpoints: endpoints
                    .map(|socket| Endpoint { address: Address::from(*socket), weight: Weight::ONE })
                    .collect(),
                rejected: Box::default(),
            },
            policy: Policy::default(),
        };
        edits.push(Edit {
            key: frontend.key(),
            fact: Some(Fact::Frontend(frontend)),
            expected: Expected::Any,
        });
    }
    Ok(edits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frontends_of_the_demo_are_valid() {
        let origins = ["127.0.0.1:1", "127.0.0.1:2"].map(|text| text.parse().unwrap());
        assert_eq!(edits(&origins).unwrap().len(), FRONTENDS.len());
    }

    #[test]
    fn a_taken_port_gives_way_to_any() {
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = holder.local_addr().unwrap().port();
        assert_eq!(preferred([127, 0, 0, 1], port), "127.0.0.1:0");
        drop(holder);
        assert_eq!(preferred([127, 0, 0, 1], port), format!("127.0.0.1:{port}"));
    }
}
