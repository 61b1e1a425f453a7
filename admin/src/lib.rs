//! The operator's door: the HTTP API, its probes and its metrics, on a listener of its own.
//!
//! In: requests of operators, supervisors and the command line; the registry's snapshots, all nodes' reports. Out: JSON of
//! [`wire`], writes into the registry, Prometheus' text. Never here: a request of the data path; a write that expects nothing of
//! the fact it touches unless the client said so; a client that can hold more than a named limit allows.
//!
//! ```text
//! bind ──► serve: accept ─► guard (Host, token, Origin) ─► api ─┬─► registry: snapshot, publish, history
//!                                                               └─► proxy: report, totals, explain
//! ```

mod api;
mod config;
mod containers;
mod doors;
mod events;
mod guard;
mod metrics;
mod problem;
mod readiness;
mod rollout;
mod server;
mod verify;
mod waiting;
mod weight;
pub mod wire;

pub use config::Config;
pub use doors::Doors;
pub use guard::TokenError;
pub use server::{BindError, Bound, bind, serve};
