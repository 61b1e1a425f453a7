//! Records of the domain name system, as values (RFC 1035, RFC 2181, RFC 3597).
//!
//! In: a type and a record's data, as octets or as text. Out: data that has the form of its type, in sets of one name, type and TTL; its
//! text again. Never here: a zone file's lines, origins, directives; messages.
//!
//! A type that is more than octets has one row, in `fields`: it says how data is checked, read and written.

mod data;
mod fact;
mod fields;
mod layout;
mod record_set;
mod record_type;
pub mod text;

pub use data::{RecordData, RecordDataError};
pub use fact::RecordFact;
pub use layout::{Part, Parts};
pub use record_set::{MAX_RECORD_SET, MAX_TTL, RecordSet, RecordSetError};
pub use record_type::{RecordType, RecordTypeError};
