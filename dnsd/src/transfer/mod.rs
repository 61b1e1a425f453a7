//! Zones for other servers: who may have them, and how they are handed over (RFC 5936, RFC 1995).
//!
//! In: a question for a whole zone, the zone it is answered from. Out: a [`Transfer`], which writes one message after the other from that
//! zone alone, or why there is none. Never here: a socket; a zone that is encoded whole; a change of a zone.
//!
//! ```text
//! AXFR, IXFR ─► begin: allowed? known? room? ─► Transfer { Arc<Zone>, place } ─► a message whenever the connection took the last one
//! ```

mod access;
mod allowed;
mod outgoing;
#[cfg(test)]
mod tests;

pub use access::Access;
pub use allowed::Allowed;
pub(crate) use outgoing::begin;
pub use outgoing::{Next, Transfer};
