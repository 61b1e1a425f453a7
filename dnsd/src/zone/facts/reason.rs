//! Why a fact has no place in a zone.

use model::DomainName;

/// Why DNS does not serve a fact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Its name is below no apex.
    #[error("no zone holds its name")]
    NoZone,
    /// Its zone is read from a file.
    #[error("its name belongs to {0}, which is read from a zone file")]
    File(DomainName),
    /// Its zone has no name servers.
    #[error("its zone {0} is not served: it has no NS record set at its apex")]
    NoNs(DomainName),
    /// A wildcard that delegates, leads elsewhere or is a zone.
    #[error("a wildcard cannot have records of this type (RFC 4592 §4)")]
    Wildcard,
    /// The zone has such a set from other facts.
    #[error("its zone has records of this name and type from other facts, which are served in its place")]
    Clash,
    /// An alias beside something else.
    #[error("a name with a CNAME record has nothing else (RFC 1034 §3.6.2)")]
    Alias,
    /// A cut, or a zone, from a name on at or below which the zone around it has names from other facts.
    #[error("it would hide names of services, instances or hosts")]
    Hides,
    /// Something below a DNAME.
    #[error("{0} has a DNAME record, so there can be nothing below it (RFC 6672 §2.4)")]
    BelowDname(DomainName),
    /// Something that is not the zone's any more.
    #[error("{0} is delegated, so nothing but addresses of name servers is told from there on")]
    Delegated(DomainName),
    /// A service whose name the zone has for itself.
    #[error("{0} has that name for itself, so this service has no names in DNS")]
    Taken(DomainName),
    /// A frontend that no name in DNS means.
    #[error("a frontend with a port, of an IP address or `*` has no name in DNS")]
    Nameless,
    /// A frontend whose name another zone has.
    #[error("its name belongs to {0}, which has its names from elsewhere, so this frontend has none in DNS")]
    Foreign(DomainName),
}

impl Reason {
    /// What can be done about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::NoZone => {
                "state a SOA and an NS record set at the name of its zone, or serve that from a file".into()
            }
            Self::File(_) => "write it into that file, or state a SOA record set nearer to its name".into(),
            Self::NoNs(apex) => format!("portico record add {apex} NS SERVER."),
            Self::Wildcard => "remove it, or state it at each name that is meant".into(),
            Self::Clash => "remove it, or state it at another name".into(),
            Self::Alias => "remove it, or what stands beside it".into(),
            Self::Hides => "remove it, or state it at a name that has none of them at or below it".into(),
            Self::BelowDname(_) => "remove one of them".into(),
            Self::Delegated(name) => format!("state it at the name servers of {name}, or remove it"),
            Self::Taken(_) => "give the service another name".into(),
            Self::Nameless => "leave its `dns` out (command line: --dns=false)".into(),
            Self::Foreign(_) => {
                "leave its `dns` out (command line: --dns=false), or give the frontend another name".into()
            }
        }
    }
}
