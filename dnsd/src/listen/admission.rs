//! How many TCP connections there are, in all and from each address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use crate::metrics::Limit;

/// Counts connections. Asked when one comes and when it ends, never for a question.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    counts: Arc<Mutex<Counts>>,
    most: usize,
    most_per_address: usize,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    /// By what [`network`] says.
    by_address: HashMap<IpAddr, usize>,
}

/// A connection that was let in; it is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    admission: Admission,
    address: IpAddr,
}

impl Admission {
    pub(crate) fn new(most: usize, most_per_address: usize) -> Self {
        Self { counts: Arc::default(), most, most_per_address }
    }

    /// Lets a connection in, or says which limit is in the way.
    pub(crate) fn admit(&self, address: IpAddr) -> Result<Admitted, Limit> {
        let address = network(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.all >= self.most {
            return Err(Limit::Connections);
        }
        let of_address = counts.by_address.get(&address).copied().unwrap_or(0);
        if of_address >= self.most_per_address {
            return Err(Limit::ConnectionsPerAddress);
        }
        counts.all += 1;
        counts.by_address.insert(address, of_address + 1);
        Ok(Admitted { admission: self.clone(), address })
    }
}

/// By what an address is counted: of IPv6 by its /64, since whoever has one of these has all of it.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.admission.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(1);
        match counts.by_address.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.by_address.remove(&self.address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_in_all_and_by_address_until_they_end() {
        let admission = Admission::new(3, 2);
        let [a, b] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().expect("an address"));
        let first = admission.admit(a).expect("room");
        let second = admission.admit(a).expect("room");
        assert!(matches!(admission.admit(a), Err(Limit::ConnectionsPerAddress)));
        let third = admission.admit(b).expect("room");
        assert!(matches!(admission.admit(b), Err(Limit::Connections)));

        drop((first, second, third));

        assert!(admission.admit(a).is_ok() && admission.admit(b).is_ok());
        assert!(
            admission.counts.lock().expect("no panic").by_address.is_empty(),
            "nobody is remembered for ever"
        );
    }

    #[test]
    fn addresses_of_one_network_of_ipv6_are_one() {
        let admission = Admission::new(9, 2);
        let admit = |text: &str| admission.admit(text.parse().expect("an address"));
        let both = [admit("2001:db8::1"), admit("2001:db8::ffff:0:0:1")].map(|one| one.expect("room"));
        assert!(matches!(admit("2001:db8::2"), Err(Limit::ConnectionsPerAddress)));
        let other = admit("2001:db8:0:1::1").expect("another network");

        drop((both, other));

        assert!(admit("2001:db8::2").is_ok());
        assert!(admission.counts.lock().expect("no panic").by_address.is_empty());
    }
}
