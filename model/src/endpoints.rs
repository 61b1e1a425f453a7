//! The endpoints of a backend, made for the many that have one: written down, or those of a service.

use std::ops::{Deref, DerefMut};

use crate::endpoint::Endpoint;
use crate::label::{PortName, ServiceName};

/// The endpoints of a backend, in the order they were written. Reads as a slice; a single one costs no allocation. Those of a service
/// are none by themselves: [`crate::Snapshot::served`] says which they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoints(List);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum List {
    One(Endpoint),
    /// None or several.
    Many(Box<[Endpoint]>),
    /// Those of a service.
    Of(Box<ServiceRef>),
}

/// A service whose instances are a backend's endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServiceRef {
    /// Which.
    pub service: ServiceName,
    /// At which port of it; `None`: its first TCP port.
    pub port: Option<PortName>,
}

impl Endpoints {
    /// The service whose instances they are.
    pub fn service(&self) -> Option<&ServiceRef> {
        match &self.0 {
            List::Of(service) => Some(service),
            List::One(_) | List::Many(_) => None,
        }
    }
}

impl From<ServiceRef> for Endpoints {
    fn from(service: ServiceRef) -> Self {
        Self(List::Of(Box::new(service)))
    }
}

impl Default for Endpoints {
    fn default() -> Self {
        Self(List::Many(Box::default()))
    }
}

impl From<Vec<Endpoint>> for Endpoints {
    fn from(mut endpoints: Vec<Endpoint>) -> Self {
        match (endpoints.pop(), endpoints.is_empty()) {
            (Some(only), true) => Self(List::One(only)),
            (last, _) => {
                endpoints.extend(last);
                Self(List::Many(endpoints.into()))
            }
        }
    }
}

impl FromIterator<Endpoint> for Endpoints {
    fn from_iter<I: IntoIterator<Item = Endpoint>>(endpoints: I) -> Self {
        Vec::from_iter(endpoints).into()
    }
}

impl Deref for Endpoints {
    type Target = [Endpoint];

    #[inline]
    fn deref(&self) -> &[Endpoint] {
        match &self.0 {
            List::One(only) => std::slice::from_ref(only),
            List::Many(endpoints) => endpoints,
            List::Of(_) => &[],
        }
    }
}

impl DerefMut for Endpoints {
    fn deref_mut(&mut self) -> &mut [Endpoint] {
        match &mut self.0 {
            List::One(only) => std::slice::from_mut(only),
            List::Many(endpoints) => endpoints,
            List::Of(_) => &mut [],
        }
    }
}

impl<'a> IntoIterator for &'a Endpoints {
    type Item = &'a Endpoint;
    type IntoIter = std::slice::Iter<'a, Endpoint>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{Address, Weight};

    #[test]
    fn a_list_reads_as_it_was_written_however_long_it_is() {
        let endpoint = |port: u16| Endpoint {
            address: Address::parse_url(&format!("http://a:{port}")).expect("address"),
            weight: Weight::ONE,
        };
        for count in 0..4 {
            let written: Vec<Endpoint> = (1..=count).map(endpoint).collect();
            assert_eq!(*Endpoints::from(written.clone()), *written);
        }
    }

    #[test]
    fn one_endpoint_stands_in_its_place() {
        assert_eq!(size_of::<Endpoints>(), size_of::<Endpoint>());
    }
}
