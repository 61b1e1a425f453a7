//! Labels of a service in a Compose file: those of its containers, and those that ask for frontends.

use serde_json::{Value, json};

use super::at::{At, Wrong};
use super::ports::Port;
use super::service::Doc;

/// Labels of this house.
const OURS: &str = "portico.";

/// The labels of a service's containers, and the frontends that lead to it: `portico.frontend: HOST[/path], …`, and the port of it, by name
/// or number, where its first one is not meant: `portico.port`.
pub(super) fn read(at: &At<'_>, service: &str, ports: &[Port]) -> Result<(Value, Vec<Value>), Wrong> {
    let (mut labels, mut frontends, mut port) = (Doc::new(), Vec::new(), None);
    for (key, value) in at.pairs()? {
        let value = value.unwrap_or_default();
        let at = At::new(format!("{}.{key}", at.place), at.value);
        match key.as_str() {
            "portico.frontend" => {
                if ports.iter().all(|port| port.is_udp) {
                    return Err(at.wrong("the service says no TCP port", "write `ports` or `expose`"));
                }
                frontends = value
                    .split(',')
                    .map(|name| name.trim().to_owned())
                    .filter(|name| !name.is_empty())
                    .collect();
            }
            "portico.port" => {
                let is_it =
                    |port: &&Port| !port.is_udp && (port.name == value || port.number.to_string() == value);
                let found = ports.iter().find(is_it).map(|port| port.name.clone());
                let found = found.ok_or_else(|| {
                    at.wrong(
                        format!("the service has no TCP port `{value}`"),
                        "write one of its `ports` or `expose`",
                    )
                });
                port = Some(found?);
            }
            key if key.starts_with(OURS) => {
                let remedy = "write portico.frontend or portico.port, or take it out";
                return Err(at.wrong("labels that begin with `portico.` are portico's own", remedy));
            }
            _ => {
                labels.insert(key, value.into());
            }
        }
    }
    let lead = |name: &String| {
        let (host, path) = name.split_at(name.find('/').unwrap_or(name.len()));
        let to = match &port {
            Some(port) => json!({"name": service, "port": port}),
            None => service.into(),
        };
        let mut frontend = json!({"kind": "frontend", "host": host, "service": to});
        if !path.is_empty() {
            frontend["path"] = path.into();
        }
        frontend
    };
    Ok((labels.into(), frontends.iter().map(lead).collect()))
}
