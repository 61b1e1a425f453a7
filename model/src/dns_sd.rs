//! How a service is found by its type (RFC 6763).

use std::collections::BTreeSet;
use std::fmt;

use smol_str::SmolStr;

use crate::domain_name::MAX_LABEL;
use crate::label::Label;
use crate::service::Protocol;

/// The most subtypes of a service.
pub const MAX_SUBTYPES: usize = 16;
/// The longest name of a type, in octets, without its `_` (RFC 6335 §5.1).
const MAX_TYPE: usize = 15;

/// How a service is found by its type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DnsSd {
    /// What it is: `_http._tcp`.
    pub service_type: ServiceType,
    /// What people read; `None`: each instance's own name.
    pub name: Option<SpelledName>,
    /// What it is in particular, each written without its `_`; at most [`MAX_SUBTYPES`].
    pub subtypes: BTreeSet<Label>,
}

/// What a service is: a name of RFC 6335 and a transport, written `_http._tcp`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceType {
    name: Label,
    protocol: Protocol,
}

/// A name for people (RFC 6763 §4.1.1): 1 to 63 octets of any text without control characters, as it was spelled.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpelledName(SmolStr);

/// Why a text is no type of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a type of service; write `_NAME._tcp` or `_NAME._udp`, the name of 1 to 15 letters, digits and single hyphens, one of them a letter"
)]
pub struct ServiceTypeError;

/// Why a text is no name for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name for people has 1 to 63 octets and no control characters")]
pub struct SpelledNameError;

impl ServiceType {
    /// Parses `_http._tcp`; letters become lower case.
    ///
    /// # Errors
    /// [`ServiceTypeError`] when it is none.
    pub fn parse(text: &str) -> Result<Self, ServiceTypeError> {
        let (name, protocol) =
            text.strip_prefix('_').and_then(|rest| rest.split_once("._")).ok_or(ServiceTypeError)?;
        let protocol = match protocol.to_ascii_lowercase().as_str() {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return Err(ServiceTypeError),
        };
        let name = Label::parse(name).map_err(|_| ServiceTypeError)?;
        let text = name.as_str();
        let fine = text.len() <= MAX_TYPE
            && text.bytes().any(|octet| octet.is_ascii_alphabetic())
            && !text.contains("--");
        if fine { Ok(Self { name, protocol }) } else { Err(ServiceTypeError) }
    }

    /// The name, without its `_`.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The transport.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }
}

impl fmt::Display for ServiceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        write!(f, "_{}._{protocol}", self.name)
    }
}

impl SpelledName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`SpelledNameError`] when it is empty, too long, or has control characters.
    pub fn parse(text: &str) -> Result<Self, SpelledNameError> {
        let fine = (1..=MAX_LABEL).contains(&text.len()) && !text.chars().any(char::is_control);
        if fine { Ok(Self(text.into())) } else { Err(SpelledNameError) }
    }

    /// The text, as it was spelled.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SpelledName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_a_name_of_rfc_6335_and_a_transport() {
        let check = |text: &str, expected: Option<&str>| {
            let read = ServiceType::parse(text).ok().map(|read| read.to_string());
            assert_eq!(read.as_deref(), expected, "{text:?}");
        };
        check("_http._tcp", Some("_http._tcp"));
        check("_HTTP._UDP", Some("_http._udp"));
        check("_a-1._tcp", Some("_a-1._tcp"));
        for text in [
            "http._tcp",
            "_http",
            "_http.tcp",
            "_http._sctp",
            "_._tcp",
            "_1-2._tcp",
            "_a--b._tcp",
            "_-a._tcp",
        ] {
            check(text, None);
        }
        check(&format!("_{}._tcp", "a".repeat(15)), Some(&format!("_{}._tcp", "a".repeat(15))));
        check(&format!("_{}._tcp", "a".repeat(16)), None);
    }

    #[test]
    fn a_name_for_people_is_kept_as_it_is_spelled() {
        let check = |text: &str, fine: bool| {
            assert_eq!(
                SpelledName::parse(text).map(|read| read.to_string()).ok(),
                fine.then(|| text.to_owned())
            );
        };
        check("Büro: 2. Stock", true);
        check("a.b", true);
        check("", false);
        check("a\u{7}", false);
        check(&"a".repeat(63), true);
        check(&"ä".repeat(32), false);
    }
}
