//! How many connections each client address has, over all threads. Touched when a connection comes and goes, and only where
//! there is a limit; never by a request.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Parts that are locked apart from each other.
const SHARDS: usize = 32;

/// The connections of each client address.
#[derive(Debug)]
pub(crate) struct Addresses {
    shards: [Mutex<HashMap<IpAddr, usize>>; SHARDS],
    /// Seeded: clients choose their IPv6 addresses.
    hasher: RandomState,
}

impl Default for Addresses {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::new() }
    }
}

impl Addresses {
    /// Counts one more connection of `ip`, or returns false where it has `most` already.
    pub(crate) fn enter(&self, ip: IpAddr, most: usize) -> bool {
        let key = client(ip);
        let mut shard = self.shard(key);
        if shard.get(&key).is_some_and(|&open| open >= most) || most == 0 {
            return false;
        }
        *shard.entry(key).or_default() += 1;
        true
    }

    /// One that entered is gone.
    pub(crate) fn leave(&self, ip: IpAddr) {
        let key = client(ip);
        let mut shard = self.shard(key);
        match shard.get_mut(&key) {
            Some(open) if *open > 1 => *open -= 1,
            _ => drop(shard.remove(&key)),
        }
    }

    fn shard(&self, key: IpAddr) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        let index = self.hasher.hash_one(key) as usize % SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom an address belongs to: an IPv6 client has a /64 to itself, and IPv4 in IPv6 is IPv4.
fn client(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
        ip @ IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_as_many_as_it_may_and_an_ipv6_network_counts_as_one() {
        for (first, second, same) in [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("2001:db8::1", "2001:db8::ffff:1:2:3", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            let addresses = Addresses::default();
            let (a, b) = (first.parse().expect("an address"), second.parse().expect("an address"));
            assert!(addresses.enter(a, 1));
            assert_eq!(addresses.enter(b, 1), !same, "{first} and {second}");
        }
    }

    #[test]
    fn who_leaves_makes_room_and_is_forgotten() {
        let addresses = Addresses::default();
        let ip = "10.0.0.1".parse().expect("an address");
        assert!(!addresses.enter(ip, 0));
        assert!(addresses.enter(ip, 2) && addresses.enter(ip, 2) && !addresses.enter(ip, 2));

        addresses.leave(ip);
        assert!(addresses.enter(ip, 2));

        addresses.leave(ip);
        addresses.leave(ip);
        addresses.leave(ip);
        assert!(addresses.shards.iter().all(|shard| shard.lock().expect("not poisoned").is_empty()));
    }
}
