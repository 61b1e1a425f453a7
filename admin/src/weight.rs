//! How much facts take in an answer, so that a page of the large ones is short.

use model::Fact;

/// How many octets of data take as much as an endpoint does.
const OCTETS: usize = 64;

/// How much a fact takes in an answer, in endpoints of a frontend: a record set is as large as its records and their octets, anything
/// else as one.
pub(crate) fn weight(fact: &Fact) -> usize {
    match fact {
        Fact::Frontend(frontend) => frontend.backend.endpoints.len().max(1),
        Fact::Record(record) => {
            let octets: usize = record.data().iter().map(|data| data.octets().len()).sum();
            record.data().len() + octets / OCTETS
        }
        Fact::Service(_)
        | Fact::Instance(_)
        | Fact::Host(_)
        | Fact::Deployment(_)
        | Fact::Standing(_)
        | Fact::Controller(_) => 1,
    }
}

/// How much what a fact said and what it says take together.
pub(crate) fn weights(both: [Option<&Fact>; 2]) -> usize {
    both.into_iter().flatten().map(weight).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{DomainName, RecordData, RecordFact, RecordType, Service, ServiceName};

    use super::*;

    fn texts(count: u8, octets: usize) -> Arc<Fact> {
        let name = DomainName::parse("www.example").unwrap();
        let data = (0..count).map(|n| RecordData::new(RecordType(65_280), vec![n; octets]).unwrap());
        Arc::new(Fact::Record(Box::new(
            RecordFact::new(&name, RecordType(65_280), None, data.collect()).unwrap(),
        )))
    }

    #[test]
    fn a_record_set_weighs_its_records_and_their_octets() {
        assert_eq!(weight(&texts(3, 1)), 3);
        assert_eq!(weight(&texts(2, 640)), 22);
        let service = Fact::Service(Box::new(Service::new(ServiceName::parse("web").unwrap())));
        assert_eq!(weight(&service), 1);
        assert_eq!(weights([Some(&texts(3, 1)), None]), 3);
        assert_eq!(weights([Some(&texts(3, 1)), Some(&texts(2, 640))]), 25);
    }
}
