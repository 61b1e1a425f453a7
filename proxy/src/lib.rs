//! The HTTP data path: an accepted connection in, its requests forwarded to endpoints of the routes that match.
//!
//! In: sockets, snapshots, dead marks of others. Out: forwarded exchanges, health reports, an access log, counters.
//! Never here: a registry, a store or container client; a lock, a blocking call or a synchronous log on the request path.
//!
//! ```text
//! accept ─► client ─► exchange ─► route ─► middleware ─► balance ─► upstream ─► client      one thread a core, all of it
//!                        └─► respond (our own answers)        log, metrics: beside            nothing shared but the table
//! ```

mod accept;
mod apart;
pub mod balance;
mod caught;
pub mod clock;
pub mod config;
mod door;
mod exchange;
mod follow;
pub mod health;
pub mod http;
pub mod log;
pub mod memory;
pub mod metrics;
pub mod middleware;
pub mod proxy_protocol;
pub mod respond;
pub mod route;
mod settings;
mod spread;
mod thread_main;
mod upstream;
mod visit;
mod worker;

pub use accept::BindError;
pub use door::{Bound, Inputs, OpenError, Proxy, ReloadError, StartError, bind};
pub use upstream::guard::Refusal;
