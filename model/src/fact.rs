//! What is stated in the registry.

use std::fmt;
use std::sync::Arc;

use crate::controller::Controller;
use crate::deployment::Deployment;
use crate::domain_name::{DomainName, DomainNameError};
use crate::frontend::Frontend;
use crate::host::Host;
use crate::host_pattern::{HostPattern, HostPatternError};
use crate::instance::{Instance, Lease};
use crate::label::{HostName, InstanceName, LabelError, ServiceName};
use crate::path_prefix::{PathPrefix, PathPrefixError};
use crate::record::{RecordFact, RecordType, RecordTypeError};
use crate::revision::Revision;
use crate::service::Service;
use crate::standing::Standing;

/// Something stated in the registry. There may be a million frontends: of the others, each stands behind a pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A frontend and its backend.
    Frontend(Frontend),
    /// A service.
    Service(Box<Service>),
    /// A running copy of a service.
    Instance(Box<Instance>),
    /// A machine.
    Host(Box<Host>),
    /// The records of one name and type.
    Record(Box<RecordFact>),
    /// How far the present version of a service has come.
    Deployment(Box<Deployment>),
    /// How a host stands.
    Standing(Box<Standing>),
    /// Who controls.
    Controller(Box<Controller>),
}

/// What a fact is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FactKind {
    /// A frontend.
    Frontend,
    /// A service.
    Service,
    /// An instance.
    Instance,
    /// A host.
    Host,
    /// A record set.
    Record,
    /// A deployment.
    Deployment,
    /// How a host stands.
    Standing,
    /// The controller.
    Controller,
}

/// The name of a fact: at most one fact stands under a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FactKey {
    /// A frontend, by what clients ask for.
    Frontend {
        /// Which hosts.
        host: HostPattern,
        /// Which paths of them.
        path: PathPrefix,
    },
    /// A service, by its name.
    Service(ServiceName),
    /// An instance, by its service and its name there.
    Instance {
        /// Of which service.
        service: ServiceName,
        /// Which.
        name: InstanceName,
    },
    /// A host, by its name.
    Host(HostName),
    /// A record set, by its name and type.
    Record {
        /// Whose records, in lower case.
        name: DomainName,
        /// Of which type.
        record_type: RecordType,
    },
    /// How far the present version of a service has come, by its name.
    Deployment(ServiceName),
    /// How a host stands, by its name.
    Standing(HostName),
    /// Who controls: there is one.
    Controller,
}

/// A fact's key where it stands: facts are ordered and found by it without a copy of it.
///
/// One kind after the other, the instances of one service side by side, the records below a name behind those at it (RFC 4034 §6.1): each
/// is a range. No name is empty, so an empty one is the place before all of them; so is the root without a type among records.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KeyRef<'a> {
    Frontend { host: &'a HostPattern, path: &'a PathPrefix },
    Service(&'a str),
    Instance { service: &'a str, name: &'a str },
    Host(&'a str),
    Record { name: &'a DomainName, record_type: RecordType },
    Deployment(&'a str),
    Standing(&'a str),
    Controller,
}

impl Fact {
    /// The key of this fact.
    pub fn key(&self) -> FactKey {
        match self {
            Self::Frontend(frontend) => frontend.key(),
            Self::Service(service) => service.key(),
            Self::Instance(instance) => instance.key(),
            Self::Host(host) => host.key(),
            Self::Record(record) => record.key(),
            Self::Deployment(deployment) => deployment.key(),
            Self::Standing(standing) => standing.key(),
            Self::Controller(_) => Controller::key(),
        }
    }

    /// What it is about.
    pub const fn kind(&self) -> FactKind {
        match self {
            Self::Frontend(_) => FactKind::Frontend,
            Self::Service(_) => FactKind::Service,
            Self::Instance(_) => FactKind::Instance,
            Self::Host(_) => FactKind::Host,
            Self::Record(_) => FactKind::Record,
            Self::Deployment(_) => FactKind::Deployment,
            Self::Standing(_) => FactKind::Standing,
            Self::Controller(_) => FactKind::Controller,
        }
    }

    /// True for what somebody wants to be so; false for what somebody says is so: an instance that has to say it again, or that a
    /// controller launched.
    pub fn is_desired(&self) -> bool {
        match self {
            Self::Instance(instance) => instance.lease.is_none() && instance.run.is_none(),
            Self::Deployment(_) | Self::Standing(_) | Self::Controller(_) => false,
            Self::Frontend(_) | Self::Service(_) | Self::Host(_) | Self::Record(_) => true,
        }
    }

    /// How long it holds without being said again; `None`: until it is removed.
    pub fn lease(&self) -> Option<Lease> {
        match self {
            Self::Instance(instance) => instance.lease,
            Self::Controller(controller) => Some(controller.lease),
            _ => None,
        }
    }

    /// The frontend, when it is one.
    pub const fn as_frontend(&self) -> Option<&Frontend> {
        match self {
            Self::Frontend(frontend) => Some(frontend),
            _ => None,
        }
    }

    pub(crate) fn key_ref(&self) -> KeyRef<'_> {
        match self {
            Self::Frontend(Frontend { host, path, .. }) => KeyRef::Frontend { host, path },
            Self::Service(service) => KeyRef::Service(service.name.as_str()),
            Self::Instance(instance) => {
                KeyRef::Instance { service: instance.service.as_str(), name: instance.name.as_str() }
            }
            Self::Host(host) => KeyRef::Host(host.name.as_str()),
            Self::Record(record) => KeyRef::Record { name: record.name(), record_type: record.record_type() },
            Self::Deployment(deployment) => KeyRef::Deployment(deployment.service.as_str()),
            Self::Standing(standing) => KeyRef::Standing(standing.host.as_str()),
            Self::Controller(_) => KeyRef::Controller,
        }
    }
}

impl From<Frontend> for Fact {
    fn from(frontend: Frontend) -> Self {
        Self::Frontend(frontend)
    }
}

impl FactKind {
    /// All kinds, in the order of their facts.
    pub const ALL: [Self; 8] = [
        Self::Frontend,
        Self::Service,
        Self::Instance,
        Self::Host,
        Self::Record,
        Self::Deployment,
        Self::Standing,
        Self::Controller,
    ];

    /// The kinds that a person writes; the others the controller alone.
    pub const WRITTEN: [Self; 5] = [Self::Frontend, Self::Service, Self::Instance, Self::Host, Self::Record];

    /// Its name, with which the keys of its facts begin.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Frontend => "frontend",
            Self::Service => "service",
            Self::Instance => "instance",
            Self::Host => "host",
            Self::Record => "record",
            Self::Deployment => "deployment",
            Self::Standing => "standing",
            Self::Controller => "controller",
        }
    }

    /// Its name where there are several.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Frontend => "frontends",
            Self::Service => "services",
            Self::Instance => "instances",
            Self::Host => "hosts",
            Self::Record => "records",
            Self::Deployment => "deployments",
            Self::Standing => "standings",
            Self::Controller => "controllers",
        }
    }

    /// Its name in a sentence: `a service`, `an instance`.
    pub const fn article_name(self) -> &'static str {
        match self {
            Self::Frontend => "a frontend",
            Self::Service => "a service",
            Self::Instance => "an instance",
            Self::Host => "a host",
            Self::Record => "a record set",
            Self::Deployment => "a deployment",
            Self::Standing => "how a host stands",
            Self::Controller => "the controller",
        }
    }
}

impl fmt::Display for FactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a text is not a fact's key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FactKeyError {
    /// It does not start with a kind that exists.
    #[error("a key starts with `frontend:`, `service:`, `instance:`, `host:` or `record:`")]
    Kind,
    /// The host part is malformed.
    #[error(transparent)]
    Host(#[from] HostPatternError),
    /// The path part is malformed.
    #[error(transparent)]
    Path(#[from] PathPrefixError),
    /// A name is malformed.
    #[error(transparent)]
    Name(#[from] LabelError),
    /// An instance without its service, or the other way round.
    #[error("an instance's key is `instance:SERVICE/NAME`")]
    Instance,
    /// A record set's name is malformed.
    #[error(transparent)]
    DomainName(#[from] DomainNameError),
    /// A record set's type is none.
    #[error(transparent)]
    Type(#[from] RecordTypeError),
    /// A record set without its type.
    #[error("a record set's key is `record:NAME/TYPE`")]
    Record,
}

/// The name of the one controller.
const CONTROLLER: &str = "one";

impl FactKey {
    /// No key stands before this one.
    pub const FIRST: Self = Self::Frontend { host: HostPattern::Any, path: PathPrefix::ROOT };

    pub(crate) fn key_ref(&self) -> KeyRef<'_> {
        match self {
            Self::Frontend { host, path } => KeyRef::Frontend { host, path },
            Self::Service(name) => KeyRef::Service(name.as_str()),
            Self::Instance { service, name } => {
                KeyRef::Instance { service: service.as_str(), name: name.as_str() }
            }
            Self::Host(name) => KeyRef::Host(name.as_str()),
            Self::Record { name, record_type } => KeyRef::Record { name, record_type: *record_type },
            Self::Deployment(name) => KeyRef::Deployment(name.as_str()),
            Self::Standing(host) => KeyRef::Standing(host.as_str()),
            Self::Controller => KeyRef::Controller,
        }
    }

    /// What its fact is about.
    pub const fn kind(&self) -> FactKind {
        match self {
            Self::Frontend { .. } => FactKind::Frontend,
            Self::Service(_) => FactKind::Service,
            Self::Instance { .. } => FactKind::Instance,
            Self::Host(_) => FactKind::Host,
            Self::Record { .. } => FactKind::Record,
            Self::Deployment(_) => FactKind::Deployment,
            Self::Standing(_) => FactKind::Standing,
            Self::Controller => FactKind::Controller,
        }
    }

    /// Parses what `Display` writes.
    ///
    /// # Errors
    /// [`FactKeyError`] says which part is malformed.
    pub fn parse(text: &str) -> Result<Self, FactKeyError> {
        let (kind, rest) = text.split_once(':').ok_or(FactKeyError::Kind)?;
        match kind {
            "frontend" => {
                let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                let path = if path.is_empty() { PathPrefix::root() } else { PathPrefix::parse(path)? };
                Ok(Self::Frontend { host: HostPattern::parse(host)?, path })
            }
            "service" => Ok(Self::Service(ServiceName::parse(rest)?)),
            "instance" => {
                let (service, name) = rest.split_once('/').ok_or(FactKeyError::Instance)?;
                Ok(Self::Instance { service: ServiceName::parse(service)?, name: InstanceName::parse(name)? })
            }
            "host" => Ok(Self::Host(HostName::parse(rest)?)),
            "record" => {
                // A name may have slashes (RFC 2317), a type has none.
                let (name, record_type) = rest.rsplit_once('/').ok_or(FactKeyError::Record)?;
                let name = DomainName::parse(name)?.folded();
                Ok(Self::Record { name, record_type: RecordType::parse(record_type)? })
            }
            "deployment" => Ok(Self::Deployment(ServiceName::parse(rest)?)),
            "standing" => Ok(Self::Standing(HostName::parse(rest)?)),
            "controller" if rest == CONTROLLER => Ok(Self::Controller),
            _ => Err(FactKeyError::Kind),
        }
    }
}

impl fmt::Display for FactKey {
    /// `frontend:www.example.com/api`, where a root path is left out; `service:web`, `instance:web/web-1`, `host:node-1`,
    /// `record:www.example.com./A`, `deployment:web`, `standing:node-1`, `controller:one`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frontend { host, path } if path.is_root() => write!(f, "frontend:{host}"),
            Self::Frontend { host, path } => write!(f, "frontend:{host}{path}"),
            Self::Service(name) => write!(f, "service:{name}"),
            Self::Instance { service, name } => write!(f, "instance:{service}/{name}"),
            Self::Host(name) => write!(f, "host:{name}"),
            Self::Record { name, record_type } => write!(f, "record:{}/{record_type}", name.folded()),
            Self::Deployment(service) => write!(f, "deployment:{service}"),
            Self::Standing(host) => write!(f, "standing:{host}"),
            Self::Controller => write!(f, "controller:{CONTROLLER}"),
        }
    }
}

/// In which form a registry keeps a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// portico's own JSON, or the embedded store.
    Native,
    /// A Redis list as hipache reads it.
    Hipache,
}

/// A fact as it stands in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// The fact.
    pub fact: Arc<Fact>,
    /// The revision of its last change: what a writer expects.
    pub revision: Revision,
    /// Where it is kept.
    pub origin: Origin,
}

/// An entry of the registry that could not become a fact. All others serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// What is wrong.
    pub reason: Box<str>,
    /// What the operator can do about it.
    pub remedy: Box<str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stated_fits_into_two_words() {
        assert_eq!(size_of::<Stated>(), 16, "there may be a million of them, more than once");
    }

    #[test]
    fn other_kinds_cost_a_frontend_nothing() {
        assert_eq!(size_of::<Fact>(), size_of::<Frontend>());
    }

    #[test]
    fn keys_read_back_what_they_write() {
        for text in [
            "frontend:www.example.com",
            "frontend:*.example.com/api",
            "frontend:*",
            "frontend:[::1]:8080/a/b",
            "service:web",
            "instance:web/web-1",
            "host:node-1",
            "record:www.example.com./A",
            "record:0/25.2.0.192.in-addr.arpa./PTR",
            "record:a\\.b\\032c./TYPE65534",
            "record:./SOA",
            "deployment:web",
            "standing:node-1",
            "controller:one",
        ] {
            assert_eq!(FactKey::parse(text).map(|key| key.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(FactKey::parse("zone:a"), Err(FactKeyError::Kind));
        assert_eq!(FactKey::parse("controller:two"), Err(FactKeyError::Kind));
        assert_eq!(FactKey::parse("frontend:a/../b"), Err(FactKeyError::Path(PathPrefixError::NotCanonical)));
        assert!(matches!(FactKey::parse("frontend:"), Err(FactKeyError::Host(_))));
        assert_eq!(FactKey::parse("service"), Err(FactKeyError::Kind));
        assert_eq!(FactKey::parse("service:a.b"), Err(FactKeyError::Name(LabelError::Character)));
        assert_eq!(FactKey::parse("instance:web"), Err(FactKeyError::Instance));
        assert_eq!(FactKey::parse("instance:web/"), Err(FactKeyError::Name(LabelError::Empty)));
        assert_eq!(FactKey::parse("instance:web/a/b"), Err(FactKeyError::Name(LabelError::Character)));
        let spelled = FactKey::parse("record:WWW.Example/aaaa").map(|key| key.to_string());
        assert_eq!(spelled, Ok("record:www.example./AAAA".to_owned()));
        assert_eq!(FactKey::parse("record:www.example."), Err(FactKeyError::Record));
        assert_eq!(FactKey::parse("record:/A"), Err(FactKeyError::DomainName(DomainNameError::Empty)));
        assert_eq!(FactKey::parse("record:a./B"), Err(FactKeyError::Type(RecordTypeError)));
        assert_eq!(FactKey::parse("host:-"), Err(FactKeyError::Name(LabelError::Hyphen)));
    }
}
