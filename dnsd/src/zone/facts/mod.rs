//! What record facts add to zones: zones of their own, and names beside those that a zone has otherwise.
//!
//! In: a snapshot, the apexes of zones. Out: what stands at a name, or why a fact does not. Never here: a fact that keeps a zone from
//! being made: a bad one is left out alone.
//!
//! A SOA record fact makes its name an apex, unless that would hide names which the zone around it has otherwise. A fact belongs to the
//! zone with the longest apex at or above its name: of facts, of what the registry holds otherwise, or of a zone file, which takes none.
//! What a zone states otherwise has precedence.
//!
//! ```text
//! fact ─► homes (which zone) ─► rules (may it stand there) ─► node of a name ─► Zone
//! ```

mod grounds;
mod homes;
mod reason;
mod rules;
mod unserved;

pub(crate) use grounds::Grounds;
pub(crate) use homes::{Home, Homes};
pub use reason::Reason;
pub(crate) use rules::Rules;
pub(crate) use unserved::{reason_of, unserved};
