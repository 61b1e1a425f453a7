//! The HTTP data path: an accepted connection in, its requests forwarded to endpoints of the routes that match.
//!
//! In: sockets, snapshots, dead marks of others. Out: forwarded exchanges, health reports, an access log, counters.
//! Never here: a registry, a store or container client; a lock, a blocking call or a synchronous log on the request path.

pub mod balance;
pub mod config;
pub mod health;
pub mod http;
pub mod log;
pub mod metrics;
pub mod middleware;
pub mod respond;
pub mod route;
