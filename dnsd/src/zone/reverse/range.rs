//! Ranges of addresses, and the zones that cover exactly them (RFC 1035 §3.5, RFC 3596 §2.5).

use std::fmt::Write as _;
use std::net::IpAddr;

use ipnet::IpNet;
use model::DomainName;

use crate::config::REVERSE_ZONES;

/// How many bits a label stands for: an octet, or half of one.
const LABEL_BITS: [u8; 2] = [8, 4];

/// Addresses that have a zone of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// Which; ends where a label does.
    pub net: IpNet,
    /// The zone's apex.
    pub apex: DomainName,
}

/// Why ranges cannot have their zones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReverseError {
    /// Two of them share addresses.
    #[error("names {0} and {1}, which share addresses; name the wider one alone")]
    Overlap(IpNet, IpNet),
    /// They would be too many.
    #[error(
        "takes more than {REVERSE_ZONES} zones; name fewer ranges, or such as end at an octet (IPv4) or a hexadecimal digit (IPv6)"
    )]
    TooMany,
    /// What is told of an address are names of a zone that is off.
    #[error("needs the zone whose names addresses have; name it (dns.zone), or write []")]
    NoZone,
    /// The zone of the registry has that apex already.
    #[error("has {0}, whose zone is that of the registry's names (dns.zone) too; give those another name")]
    Taken(IpNet),
}

/// The zones of these ranges, in the order of their addresses. One that ends within a label has several: a /20 has 16, one for each /24.
///
/// # Errors
/// [`ReverseError`]: what follows the setting's name.
pub fn ranges(nets: &[IpNet], zone: Option<&DomainName>) -> Result<Vec<Range>, ReverseError> {
    if nets.len() > REVERSE_ZONES {
        return Err(ReverseError::TooMany);
    }
    let mut nets: Vec<IpNet> = nets.iter().map(IpNet::trunc).collect();
    // A range stands behind those that hold it.
    nets.sort();
    if let Some([one, other]) = nets.windows(2).find(|pair| pair[0].contains(&pair[1])) {
        return Err(ReverseError::Overlap(*one, *other));
    }
    let mut ranges = Vec::new();
    for net in nets {
        let bits = label_bits(net.network());
        // Of no range are there more zones than the addresses that a label stands for.
        let parts = net.subnets(net.prefix_len().div_ceil(bits) * bits).into_iter().flatten();
        ranges.extend(parts.filter_map(|net| Some(Range { net, apex: apex(&net)? })));
        if ranges.len() > REVERSE_ZONES {
            return Err(ReverseError::TooMany);
        }
    }
    let Some(zone) = zone else {
        return if ranges.is_empty() { Ok(ranges) } else { Err(ReverseError::NoZone) };
    };
    match ranges.iter().find(|range| range.apex == *zone) {
        Some(range) => Err(ReverseError::Taken(range.net)),
        None => Ok(ranges),
    }
}

/// The name at which it is told whose an address is.
pub(super) fn name(address: IpAddr) -> Option<DomainName> {
    apex(&IpNet::from(address))
}

/// Which of these ranges, in order, holds an address.
pub(crate) fn find(ranges: &[Range], address: IpAddr) -> Option<&Range> {
    let behind = ranges.partition_point(|range| range.net.network() <= address);
    ranges.get(behind.checked_sub(1)?).filter(|range| range.net.contains(&address))
}

fn label_bits(address: IpAddr) -> u8 {
    LABEL_BITS[usize::from(address.is_ipv6())]
}

fn apex(net: &IpNet) -> Option<DomainName> {
    let labels = usize::from(net.prefix_len() / label_bits(net.network()));
    let mut text = String::new();
    // Written to memory, which is no error.
    let mut add = |label: std::fmt::Arguments<'_>| text.write_fmt(label).unwrap_or_default();
    match net.network() {
        IpAddr::V4(address) => {
            address.octets()[..labels].iter().rev().for_each(|octet| add(format_args!("{octet}.")));
            add(format_args!("in-addr.arpa."));
        }
        IpAddr::V6(address) => {
            let halves = address.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 15]);
            let halves: Vec<u8> = halves.take(labels).collect();
            halves.iter().rev().for_each(|half| add(format_args!("{half:x}.")));
            add(format_args!("ip6.arpa."));
        }
    }
    DomainName::parse(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(nets: &str) -> Result<Vec<Range>, ReverseError> {
        let nets: Vec<IpNet> = nets.split(' ').map(|net| net.parse().expect("a range")).collect();
        ranges(&nets, DomainName::parse("svc.internal").ok().as_ref())
    }

    #[test]
    fn a_range_has_the_zones_that_cover_exactly_it() {
        let check = |nets: &str, first: &str, last: &str, count: usize| {
            let found: Vec<String> =
                of(nets).expect("zones").iter().map(|range| range.apex.to_string()).collect();
            let ends = (found.first().map(String::as_str), found.last().map(String::as_str));
            assert_eq!((ends, found.len()), ((Some(first), Some(last)), count), "{nets}");
        };
        check("10.0.0.0/8", "10.in-addr.arpa.", "10.in-addr.arpa.", 1);
        check("10.1.2.3/8", "10.in-addr.arpa.", "10.in-addr.arpa.", 1);
        check("172.16.0.0/12", "16.172.in-addr.arpa.", "31.172.in-addr.arpa.", 16);
        check("10.20.48.0/20", "48.20.10.in-addr.arpa.", "63.20.10.in-addr.arpa.", 16);
        check("192.0.2.128/25", "128.2.0.192.in-addr.arpa.", "255.2.0.192.in-addr.arpa.", 128);
        check("192.0.2.1/32", "1.2.0.192.in-addr.arpa.", "1.2.0.192.in-addr.arpa.", 1);
        check("0.0.0.0/0", "in-addr.arpa.", "in-addr.arpa.", 1);
        check("fd00::/8", "d.f.ip6.arpa.", "d.f.ip6.arpa.", 1);
        check("fc00::/7", "c.f.ip6.arpa.", "d.f.ip6.arpa.", 2);
        check("2001:db8::/33", "0.8.b.d.0.1.0.0.2.ip6.arpa.", "7.8.b.d.0.1.0.0.2.ip6.arpa.", 8);
        check("fd00::/8 10.0.0.0/8 192.168.0.0/16", "10.in-addr.arpa.", "d.f.ip6.arpa.", 3);
    }

    #[test]
    fn an_address_is_in_its_own_range_alone() {
        let all = of("10.20.48.0/20 192.0.2.0/25 fd00::/8").expect("zones");
        let check = |address: &str, expected: Option<&str>| {
            let address = address.parse().expect("an address");
            let found = find(&all, address).map(|range| range.apex.to_string());
            assert_eq!(found.as_deref(), expected, "{address}");
            let name = name(address).expect("a name").to_string();
            assert!(expected.is_none_or(|apex| name.ends_with(apex)), "{name}");
        };
        check("10.20.47.255", None);
        check("10.20.48.0", Some("48.20.10.in-addr.arpa."));
        check("10.20.63.255", Some("63.20.10.in-addr.arpa."));
        check("10.20.64.0", None);
        check("192.0.2.127", Some("127.2.0.192.in-addr.arpa."));
        check("192.0.2.128", None);
        check("fdff::1", Some("d.f.ip6.arpa."));
        check("fe00::1", None);
        check("0.0.0.0", None);
    }

    #[test]
    fn ranges_that_cannot_be_are_named() {
        let check = |nets: &str, expected: &str| {
            let error = of(nets).expect_err("wrong").to_string();
            assert!(error.contains(expected), "{nets}: {error}");
        };
        check("10.0.0.0/8 10.2.0.0/16", "10.0.0.0/8 and 10.2.0.0/16, which share addresses");
        check("fd00::/8 fd00::1/8", "fd00::/8 and fd00::/8");
        let many: Vec<String> = (0..9).map(|net| format!("10.0.{net}.0/25")).collect();
        check(&many.join(" "), "more than 1024 zones");
        let nets = ["10.0.0.0/8".parse().expect("a range")];
        let ours = DomainName::parse("10.in-addr.arpa").expect("a name");
        assert_eq!(ranges(&nets, Some(&ours)), Err(ReverseError::Taken(nets[0])));
        assert_eq!(ranges(&nets, None), Err(ReverseError::NoZone));
        assert_eq!(ranges(&[], None), Ok(Vec::new()));
    }
}
