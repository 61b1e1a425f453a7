//! What a name of the registry's zone means.

use std::fmt;

use model::DomainName;

use crate::zone::derived::Derivation;

/// What a name means, whether it is there or not. Names in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The zone itself, or a name it has for itself.
    Own(&'static str),
    /// Those of a service that are meant.
    Service {
        /// Its name.
        service: String,
        /// Which of its instances.
        which: Which,
    },
    /// One instance.
    Instance {
        /// Of which service.
        service: String,
        /// Which.
        name: String,
    },
    /// A machine.
    Host(String),
    /// What is found by a type.
    Type {
        /// `_http._tcp`.
        service_type: String,
        /// Whose name for people; `None`: all.
        spelled: Option<String>,
    },
}

/// Which instances of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Which {
    /// All.
    All,
    /// All, at a port of this name.
    Port(String),
    /// Those with this tag.
    Tag(String),
    /// Those on this host.
    Host(String),
}

impl Meaning {
    /// What a name at or below the zone's apex means; `None`: nothing that the zone gives a meaning to.
    pub(super) fn of(zone: &Derivation, name: &DomainName) -> Option<Self> {
        let below = name.label_count().checked_sub(zone.apex.label_count())?;
        let mut labels: Vec<String> = name
            .labels()
            .take(below)
            .map(|label| String::from_utf8_lossy(label).to_ascii_lowercase())
            .collect();
        labels.reverse();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let own = |text| Some(Self::Own(text));
        let service = |service: &str, which| Some(Self::Service { service: service.to_owned(), which });
        match labels[..] {
            [] => own("the zone itself"),
            ["node"] => own("above the names of hosts"),
            ["node", host] => Some(Self::Host(host.to_owned())),
            ["node", host, of] => service(of, Which::Host(host.to_owned())),
            ["_udp", "_dns-sd", ..] => own("where services are looked for"),
            ["_tcp" | "_udp"] => own("above the types of services"),
            [protocol @ ("_tcp" | "_udp"), of_type, ref rest @ ..] => {
                let spelled = match rest {
                    [] | ["_sub", ..] => None,
                    [spelled, ..] => Some((*spelled).to_owned()),
                };
                Some(Self::Type { service_type: format!("{of_type}.{protocol}"), spelled })
            }
            [name] if is_server(zone, name) => own("a name server of the zone"),
            [of] => service(of, Which::All),
            [_, "tag"] => own("above the tags of a service"),
            [_, "_tcp" | "_udp"] => own("above the ports of a service"),
            [of, "tag", tag] => service(of, Which::Tag(tag.to_owned())),
            [of, "_tcp" | "_udp", port] => {
                service(of, Which::Port(port.strip_prefix('_').unwrap_or(port).to_owned()))
            }
            [of, name] => Some(Self::Instance { service: of.to_owned(), name: name.to_owned() }),
            _ => None,
        }
    }
}

/// Whether it is `ns1` to the last one.
fn is_server(zone: &Derivation, name: &str) -> bool {
    (1..=zone.name_servers.len().max(1)).any(|number| name == format!("ns{number}"))
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(what) => f.write_str(what),
            Self::Service { service, which: Which::All } => write!(f, "service {service}"),
            Self::Service { service, which: Which::Port(port) } => {
                write!(f, "port {port} of service {service}")
            }
            Self::Service { service, which: Which::Tag(tag) } => {
                write!(f, "instances of service {service} with the tag {tag}")
            }
            Self::Service { service, which: Which::Host(host) } => {
                write!(f, "instances of service {service} on host {host}")
            }
            Self::Instance { service, name } => write!(f, "instance {name} of service {service}"),
            Self::Host(host) => write!(f, "host {host}"),
            Self::Type { service_type, spelled: None } => write!(f, "services of type {service_type}"),
            Self::Type { service_type, spelled: Some(spelled) } => {
                write!(f, "{spelled}, found by type {service_type}")
            }
        }
    }
}
