//! Records of the domain name system, as values (RFC 1035, RFC 2181, RFC 3597).
//!
//! In: a type and the octets of a record's data. Out: data that has the form of its type, in sets of one name, type and TTL.
//! Never here: text of record data (registry formats and zone files read and write that), messages.

mod data;
mod layout;
mod record_set;
mod record_type;

pub use data::{RecordData, RecordDataError};
pub use layout::{Part, Parts};
pub use record_set::{MAX_RECORD_SET, MAX_TTL, RecordSet, RecordSetError};
pub use record_type::{RecordType, RecordTypeError};
