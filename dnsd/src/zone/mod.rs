//! Zones as values, and what they answer (RFC 1034 §4.3.2, RFC 2308, RFC 4592, RFC 6672).
//!
//! In: record sets (from a zone file, or derived), a question. Out: an [`Answer`] that borrows what the zones hold.
//! Never here: a socket, an octet of a message, time, chance, a write: a [`Zone`] never changes.
//!
//! ```text
//! record sets ─► Zone (checked) ─► ZoneSet ─► find (longest apex) ─► answer ─► alias? ─► find … (at most 8 steps)
//! ```

mod answer;
mod change;
pub mod derived;
mod existence;
pub mod facts;
pub mod file;
pub(crate) mod frontends;
pub(crate) mod kept;
mod key;
pub mod reverse;
mod set;
pub(crate) mod sources;
#[cfg(test)]
mod tests;
mod tree;

pub use answer::{Answer, Entries, Entry, MAX_ALIASES, Outcome, Question, answer};
pub(crate) use answer::{find, leads_on};
pub(crate) use existence::Found;
pub(crate) use key::Key;
pub use set::ZoneSet;
pub use tree::{Node, Zone, ZoneError};
