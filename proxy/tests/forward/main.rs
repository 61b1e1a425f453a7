//! The data path over real sockets: a proxy, scripted origins, a raw client. Everything is octets, so that nothing is tidied up.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod between;
mod bodies;
mod checks;
mod connections;
mod ending;
mod failures;
mod guard;
mod hostile;
mod large;
mod limits;
mod listeners;
mod once;
mod origins;
mod spread;
mod stage;
mod unix;
mod upgrades;
