//! Who may: addresses, a key, or a key from these addresses.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use model::DomainName;

/// What a key's name follows.
const KEY: &str = "key:";

/// Somebody who may do something: whoever asks from these addresses and, or, signs with this key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// From where; `None`: from anywhere.
    addresses: Option<IpNet>,
    /// Signed with which key; `None`: with any, or with none.
    key: Option<DomainName>,
}

impl Allowed {
    /// Reads `ADDRESSES`, `key:NAME` or `ADDRESSES key:NAME`.
    ///
    /// # Errors
    /// What is wrong, so that it can follow the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut allowed = Self { addresses: None, key: None };
        for word in text.split_whitespace() {
            if let Some(name) = word.strip_prefix(KEY).filter(|_| allowed.key.is_none()) {
                let name = DomainName::parse(name).map_err(|error| format!("the key's name: {error}"))?;
                allowed.key = Some(name);
                continue;
            }
            let addresses = word.parse().or_else(|_| word.parse::<IpAddr>().map(IpNet::from));
            match addresses {
                Ok(addresses) if allowed.addresses.is_none() => allowed.addresses = Some(addresses),
                _ => return Err(format!("{word:?} is neither addresses (10.0.0.0/8) nor a key (key:NAME)")),
            }
        }
        if allowed.addresses.is_none() && allowed.key.is_none() {
            return Err("names nobody; write 10.0.0.0/8, key:NAME or both".into());
        }
        Ok(allowed)
    }

    /// The key that is asked for.
    pub fn key(&self) -> Option<&DomainName> {
        self.key.as_ref()
    }

    /// Whether it is whoever asks from there, signed with that key.
    pub(crate) fn is(&self, address: IpAddr, signed: Option<&DomainName>) -> bool {
        self.addresses.is_none_or(|addresses| addresses.contains(&address))
            && self.key.as_ref().is_none_or(|key| signed == Some(key))
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.addresses, &self.key) {
            (Some(addresses), Some(key)) => write!(f, "{addresses} {KEY}{key}"),
            (Some(addresses), None) => write!(f, "{addresses}"),
            (None, Some(key)) => write!(f, "{KEY}{key}"),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_named_by_address_by_key_or_by_both() {
        let check = |text: &str, address: &str, signed: Option<&str>, expected: bool| {
            let allowed = Allowed::parse(text).expect("somebody");
            let signed = signed.map(|name| DomainName::parse(name).expect("a name"));
            let address = address.parse().expect("an address");
            assert_eq!(allowed.is(address, signed.as_ref()), expected, "{text} {address} {signed:?}");
            assert_eq!(Allowed::parse(&allowed.to_string()), Ok(allowed));
        };
        check("10.0.0.0/8", "10.1.2.3", None, true);
        check("10.0.0.0/8", "10.1.2.3", Some("a"), true);
        check("10.0.0.0/8", "11.1.2.3", None, false);
        check("10.0.0.1", "10.0.0.1", None, true);
        check("fd00::/8", "fd00::1", None, true);
        check("key:Second", "10.0.0.1", Some("second."), true);
        check("key:second", "10.0.0.1", Some("third"), false);
        check("key:second", "10.0.0.1", None, false);
        check("10.0.0.0/8 key:second", "10.0.0.1", Some("second"), true);
        check("10.0.0.0/8 key:second", "11.0.0.1", Some("second"), false);
        check("10.0.0.0/8 key:second", "10.0.0.1", None, false);
    }

    #[test]
    fn what_names_nobody_is_an_error() {
        let check = |text: &str, expected: &str| {
            let error = Allowed::parse(text).expect_err("nobody");
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("", "names nobody");
        check("10.0.0.0/33", "\"10.0.0.0/33\" is neither");
        check("10.0.0.1 10.0.0.2", "\"10.0.0.2\" is neither");
        check("key:a key:b", "\"key:b\" is neither");
        check("key:a..b", "the key's name");
    }
}
