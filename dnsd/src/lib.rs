//! The DNS data path: a question in, the answer of the zones that hold its name out.
//!
//! In: octets of questions, snapshots, zone files. Out: octets of answers, counters.
//! Never here: a registry, a store or container client; a lock, a blocking call or a synchronous log on the way of a question; a panic on
//! whatever a client sent.
//!
//! ```text
//! listen ─► wire::decode ─► guard ─► ready? ─► guard ─► respond ─► listen
//!                                      └─ no ─► zone::answer (pure) ─► guard ─► respond ─► wire::encode(limit) ─► listen
//!                                                 └─ not ours ─► later: forward ─► upstreams ─► respond …
//! zone files, snapshot ─► ZoneSet, and what is ready of it: swapped by one pointer, off the way of a question
//!                            └─► transfer ─► other servers
//! ```

mod asker;
pub mod config;
mod derived;
mod door;
pub mod explain;
mod files;
pub mod forward;
pub mod guard;
mod healthy;
pub mod later;
mod listen;
pub mod metrics;
pub mod query;
pub mod ready;
pub mod respond;
mod served;
pub mod transfer;
pub mod verify;
pub mod wire;
pub mod zone;

pub use door::{Bound, Dnsd, Inputs, OpenError, bind, check};
pub use files::{FileError, ZoneFile};
pub use listen::BindError;
pub use served::Served;
