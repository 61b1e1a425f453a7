//! How many TCP connections there are, in all and from each address.

use std::collections::HashMap;
use std::net::IpAddr;
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
}
