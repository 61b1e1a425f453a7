//! Response rate limiting: how many answers of a kind a network gets, so that who sends questions in a victim's name cannot flood it
//! through us.
//!
//! Each answer is counted under (client's network, kind, name) in two rows of cells, at a place in each that a keyed hash chooses. It is
//! within the limit where one of the two says so. Cells are shared by chance, and nothing is ever put out of them: a flood from many
//! networks cannot make the table forget the one it is aimed at, and meets others only where it fills both of their cells.
//!
//! A cell holds until when the answers that were given take, at the rate that is allowed; a second ahead of now at most (the generic cell
//! rate algorithm). Nothing is kept up: a cell that is left alone is empty by itself.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ipnet::IpNet;
use siphasher::sip::SipHasher13;

use super::access::contains;

/// How far ahead of now answers are given, in nanoseconds: those of a second may come at once.
const AHEAD: u64 = 1_000_000_000;
/// The most octets of what is hashed: the network, the kind, a name.
const KEY: usize = 8 + 1 + 255;
/// The octets of a cell.
const CELL: usize = size_of::<AtomicU64>();

/// Kinds of answers, each with what it is counted by beside the client's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What stands at the name, or that nothing of the type does: by the name.
    Data = 0,
    /// What a wildcard or a DNAME says, of which there is more than anybody can count: by the zone.
    Made = 1,
    /// That the name is not there: by the zone.
    NoName = 2,
    /// Who else knows: by where the zone is cut.
    Referral = 3,
    /// Anything that is not answered: by the network alone.
    Error = 4,
}

/// Limits answers.
#[derive(Debug)]
pub(super) struct Rate {
    hash: SipHasher13,
    rows: [Box<[AtomicU64]>; 2],
    /// What times are counted from.
    started: Instant,
    /// How much of the time an answer takes, in nanoseconds.
    each: u64,
    /// One of so many that are over the limit is cut (TC), so that a client which is real comes over TCP; 0: none.
    slip: u64,
    exempt: Vec<IpNet>,
}

/// What is done with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is sent.
    Send,
    /// It is sent cut to nothing (TC).
    Cut,
    /// It is not sent.
    Drop,
}

impl Rate {
    /// `per_second` answers of a kind to a network, one at least, counted in so many octets; what is hashed is hashed with `key`.
    pub(super) fn new(per_second: u32, slip: u32, octets: usize, exempt: &[IpNet], key: &[u8; 16]) -> Self {
        // A power of two, of which there are two rows.
        let cells = 1_usize << (octets / CELL / 2).max(1).ilog2();
        let row = || (0..cells).map(|_| AtomicU64::new(0)).collect();
        Self {
            hash: SipHasher13::new_with_key(key),
            rows: [row(), row()],
            started: Instant::now(),
            each: (AHEAD / u64::from(per_second.max(1))).max(1),
            slip: slip.into(),
            exempt: exempt.to_vec(),
        }
    }

    /// Whether nothing is counted for this address.
    pub(super) fn exempts(&self, address: IpAddr) -> bool {
        contains(&self.exempt, address)
    }

    /// Counts an answer. Which of those that are over the limit are cut is drawn from `chance`: nobody can arrange that it is always
    /// another one's.
    pub(super) fn weigh(
        &self,
        address: IpAddr,
        kind: Kind,
        name: &[u8],
        now: Instant,
        chance: u64,
    ) -> Verdict {
        let now = u64::try_from(now.saturating_duration_since(self.started).as_nanos()).unwrap_or(u64::MAX);
        match self.take(self.places(address, kind, name), now) {
            true => Verdict::Send,
            false if self.slip > 0 && chance.is_multiple_of(self.slip) => Verdict::Cut,
            false => Verdict::Drop,
        }
    }

    /// Where it is counted, in each row.
    fn places(&self, address: IpAddr, kind: Kind, name: &[u8]) -> [usize; 2] {
        let mut key = [0; KEY];
        match address {
            IpAddr::V4(address) => {
                key[0] = 4;
                key[1..4].copy_from_slice(&address.octets()[..3]);
            }
            IpAddr::V6(address) => {
                key[0] = 6;
                key[1..8].copy_from_slice(&address.octets()[..7]);
            }
        }
        key[8] = kind as u8;
        let length = name.len().min(KEY - 9);
        key[9..9 + length].copy_from_slice(&name[..length]);
        key[9..9 + length].make_ascii_lowercase();
        let hash = self.hash.hash(&key[..9 + length]);
        let mask = self.rows[0].len() - 1;
        [hash, hash >> 32].map(|half| usize::try_from(half & u64::from(u32::MAX)).unwrap_or(0) & mask)
    }

    /// True when one more is within the limit, and then it is counted. Threads that ask at once may each be given the last one.
    fn take(&self, places: [usize; 2], now: u64) -> bool {
        let [Some(first), Some(second)] = [0, 1].map(|row| self.rows[row].get(places[row])) else {
            return true;
        };
        let after = |until: u64| until.max(now).saturating_add(self.each);
        let full = |cell: &AtomicU64| after(cell.load(Ordering::Relaxed)) > now.saturating_add(AHEAD);
        if full(first) && full(second) {
            return false;
        }
        for cell in [first, second] {
            // What is shared with another that is over its limit does not grow beyond it.
            let next = |until| Some(after(until).min(now.saturating_add(AHEAD)));
            let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn rate(per_second: u32, slip: u32) -> Rate {
        Rate::new(per_second, slip, 1 << 16, &[], &[7; 16])
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// How many of 100 answers at once are sent.
    fn sent(rate: &Rate, client: &str, kind: Kind, name: &[u8], at: Duration) -> usize {
        let now = rate.started + at;
        (0..100).filter(|n| rate.weigh(address(client), kind, name, now, *n) == Verdict::Send).count()
    }

    #[test]
    fn a_network_is_given_what_a_second_allows_and_then_as_much_a_second() {
        let rate = rate(7, 2);
        let at = |ms: u64| sent(&rate, "192.0.2.1", Kind::Data, b"\x03web\0", Duration::from_millis(ms));

        assert_eq!([at(0), at(0), at(1000), at(1100), at(1500)], [7, 0, 7, 0, 3]);
        assert_eq!(at(600_000), 7, "idle for ten minutes, and not given more than a second's");
    }

    #[test]
    fn what_is_counted_together_has_one_limit() {
        let check = |client: &str, kind: Kind, name: &[u8], together: bool| {
            let rate = rate(5, 0);
            assert_eq!(sent(&rate, "192.0.2.1", Kind::Data, b"\x03web\0", Duration::ZERO), 5);
            let expected = if together { 0 } else { 5 };
            assert_eq!(sent(&rate, client, kind, name, Duration::ZERO), expected, "{client} {kind:?}");
        };
        check("192.0.2.255", Kind::Data, b"\x03web\0", true);
        check("192.0.2.1", Kind::Data, b"\x03wEB\0", true);
        check("192.0.3.1", Kind::Data, b"\x03web\0", false);
        check("192.0.2.1", Kind::Made, b"\x03web\0", false);
        check("192.0.2.1", Kind::Data, b"\x03wec\0", false);
        let rate = rate(5, 0);
        let v6 = |client| sent(&rate, client, Kind::Error, b"", Duration::ZERO);
        assert_eq!([v6("2001:db8:0:ff00::1"), v6("2001:db8:0:ffff::2"), v6("2001:db8:0:fe00::1")], [5, 0, 5]);
    }

    #[test]
    fn of_what_is_over_the_limit_some_is_cut_and_the_rest_is_dropped() {
        let verdicts = |slip: u32| {
            let rate = rate(1, slip);
            let weigh = |n| rate.weigh(address("192.0.2.1"), Kind::Error, b"", rate.started, n);
            let verdicts: Vec<_> = (0..61).map(weigh).collect();
            let count = |wanted| verdicts.iter().filter(|verdict| **verdict == wanted).count();
            [count(Verdict::Send), count(Verdict::Cut), count(Verdict::Drop)]
        };
        assert_eq!([verdicts(0), verdicts(1)], [[1, 0, 60], [1, 60, 0]]);
        assert_eq!([verdicts(2), verdicts(3)], [[1, 30, 30], [1, 20, 40]]);
    }

    #[test]
    fn a_flood_from_everywhere_takes_nothing_from_others_nor_gives_the_victim_more() {
        // 2 MiB, as by default.
        let rate = Rate::new(20, 0, 2 << 20, &[], &[9; 16]);
        let victim = || sent(&rate, "192.0.2.1", Kind::Data, b"\x03web\0", Duration::ZERO);
        assert_eq!(victim(), 20);

        // 20,000 networks with more than they are allowed.
        for n in 0..20_000_u32 {
            let flood = IpAddr::from((n << 8 | 0x0a00_0001).to_be_bytes());
            for _ in 0..30 {
                rate.weigh(flood, Kind::Data, b"\x03web\0", rate.started, 1);
            }
        }

        assert_eq!(victim(), 0, "it is not forgotten");
        let others = (0..1000_u32).filter(|n| {
            let other = IpAddr::from((n << 8 | 0xc633_0001).to_be_bytes());
            rate.weigh(other, Kind::Data, b"\x03web\0", rate.started, 1) == Verdict::Send
        });
        let served = others.count();
        // Both cells are taken with a chance of (20,000 / 131,072)².
        assert!(served > 950, "{served} of 1000 others are served");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn nobody_is_given_more_than_the_limit(
            per_second in 1_u32..50, steps in prop::collection::vec((0_u64..400, 0_usize..4, 0_u32..40), 1..60),
        ) {
            // Few cells, so that many are shared.
            let rate = Rate::new(per_second, 0, 256, &[], &[3; 16]);
            let clients = ["192.0.2.1", "192.0.3.1", "2001:db8::1", "10.0.0.1"].map(address);
            let (mut now, mut given) = (0, vec![Vec::new(); clients.len()]);
            for (later, client, questions) in steps {
                now += later;
                for _ in 0..questions {
                    let at = rate.started + Duration::from_millis(now);
                    if rate.weigh(clients[client], Kind::Data, b"\0", at, 1) == Verdict::Send {
                        given[client].push(now);
                    }
                }
            }
            for given in given {
                for (at, from) in given.iter().enumerate() {
                    // In any second: what one allows at once, and what comes up meanwhile.
                    let within = given[at..].iter().take_while(|time| **time < from + 1000).count();
                    prop_assert!(within <= 2 * per_second as usize, "{within} in the second from {from} ms on");
                }
            }
        }
    }
}
