//! Who may ask: lists of networks, as a listener of the proxy has them.

use std::net::IpAddr;

use ipnet::IpNet;

/// Who may ask. Everybody, by default.
#[derive(Debug, Default)]
pub(super) struct Access {
    allow: Vec<IpNet>,
    deny: Vec<IpNet>,
}

impl Access {
    pub(super) const fn open() -> Self {
        Self { allow: Vec::new(), deny: Vec::new() }
    }

    pub(super) fn new(allow: &[IpNet], deny: &[IpNet]) -> Self {
        Self { allow: allow.to_vec(), deny: deny.to_vec() }
    }

    /// Whether this address may ask.
    pub(super) fn lets_in(&self, address: IpAddr) -> bool {
        (self.allow.is_empty() || contains(&self.allow, address)) && !contains(&self.deny, address)
    }
}

/// Whether one of the networks has this address.
pub(super) fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_allowed_and_not_denied_may_ask() {
        let networks = |texts: &[&str]| {
            texts.iter().map(|text| text.parse().expect("a network")).collect::<Vec<IpNet>>()
        };
        let check = |allow: &[&str], deny: &[&str], address: &str, expected: bool| {
            let access = Access::new(&networks(allow), &networks(deny));
            let address = address.parse().expect("an address");
            assert_eq!(access.lets_in(address), expected, "{address}, allow {allow:?}, deny {deny:?}");
        };
        check(&[], &[], "192.0.2.1", true);
        check(&["10.0.0.0/8"], &[], "10.1.2.3", true);
        check(&["10.0.0.0/8"], &[], "192.0.2.1", false);
        check(&["10.0.0.0/8"], &["10.1.0.0/16"], "10.1.2.3", false);
        check(&[], &["2001:db8::/32"], "2001:db8::1", false);
        check(&[], &["2001:db8::/32"], "10.0.0.1", true);
    }
}
