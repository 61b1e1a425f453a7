//! The ports of a service in a Compose file: those that its containers listen on. On hosts they are published as the controller does.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use super::at::{At, Wrong};
use super::{Around, REMEDY};

/// The most ports that one line may mean.
const MOST: usize = 256;
/// Why a published port has no meaning.
const PUBLISHED: &str =
    "hosts publish ports as they are free, and frontends lead to services (label `portico.frontend`)";
/// How a port is written.
const SHORT: &str = "write a port of the container, such as `8080` or `53/udp`";

/// A port that containers listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) name: String,
    pub(super) number: u16,
    pub(super) is_udp: bool,
}

impl Port {
    /// A port, by what it is called; by its number where nothing is said.
    fn new(name: Option<String>, number: u16, is_udp: bool) -> Self {
        let udp = if is_udp { "-udp" } else { "" };
        Self { name: name.unwrap_or_else(|| format!("port-{number}{udp}")), number, is_udp }
    }

    /// As a service's fact says it.
    pub(super) fn document(&self) -> Value {
        match self.is_udp {
            true => json!({"name": self.name, "port": self.number, "protocol": "udp"}),
            false => json!({"name": self.name, "port": self.number}),
        }
    }
}

/// Those of `ports`, then those of `expose`, none twice.
pub(super) fn read(service: &At<'_>, around: &mut Around<'_>) -> Result<Vec<Port>, Wrong> {
    let mut ports: Vec<Port> = Vec::new();
    for field in ["ports", "expose"] {
        for entry in service.get(field).iter().flat_map(At::entries) {
            let read = if entry.value.is_object() { long(&entry, around)? } else { short(&entry, around)? };
            for port in read {
                if !ports.iter().any(|other| (other.number, other.is_udp) == (port.number, port.is_udp)) {
                    ports.push(port);
                }
            }
        }
    }
    Ok(ports)
}

/// `[[IP:]PUBLISHED:]PORT[/PROTOCOL]`, each number perhaps a range.
fn short(at: &At<'_>, around: &mut Around<'_>) -> Result<Vec<Port>, Wrong> {
    let text = at.text()?;
    let (all, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
    let (published, target) = all.rsplit_once(':').map_or((None, all), |(before, port)| (Some(before), port));
    if let Some(published) = published {
        around.no_meaning(at, &format!("`{published}` is a port of a host; {PUBLISHED}"));
    }
    ports(at, None, target, protocol)
}

fn long(at: &At<'_>, around: &mut Around<'_>) -> Result<Vec<Port>, Wrong> {
    let (mut name, mut target, mut protocol) = (None, None, "tcp".to_owned());
    for (field, at) in at.fields()? {
        match field {
            "target" => target = Some(at.text()?),
            "protocol" => protocol = at.text()?,
            "name" => name = Some(at.text()?),
            "published" | "host_ip" | "mode" => around.no_meaning(&at, PUBLISHED),
            "app_protocol" => around.no_meaning(&at, "a frontend says how it asks"),
            _ => return Err(at.wrong(format!("`{field}` is no field of a port"), REMEDY)),
        }
    }
    let target = target.ok_or_else(|| at.wrong("it says no `target`", SHORT))?;
    ports(at, name, &target, &protocol)
}

fn ports(at: &At<'_>, name: Option<String>, target: &str, protocol: &str) -> Result<Vec<Port>, Wrong> {
    let is_udp = match protocol {
        "tcp" => false,
        "udp" => true,
        other => return Err(at.wrong(format!("`{other}` is neither tcp nor udp"), SHORT)),
    };
    let range = range(target).ok_or_else(|| at.wrong(format!("`{target}` is no port"), SHORT))?;
    if range.len() > MOST {
        return Err(
            at.wrong(format!("{} ports are more than {MOST}", range.len()), "name those that are asked for")
        );
    }
    let name = name.filter(|_| range.len() == 1);
    Ok(range.map(|number| Port::new(name.clone(), number, is_udp)).collect())
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let number = |text: &str| text.parse::<u16>().ok().filter(|number| *number > 0);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some(first..=last)
}
