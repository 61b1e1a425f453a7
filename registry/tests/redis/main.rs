//! What the Redis driver promises beside the driver contract, against a real redis-server.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod bad_facts;
mod books;
mod chaos;
mod checkers;
mod follow;
mod gone;
mod guards;
mod healthcheck;
mod hold;
mod kinds;
mod listing;
mod marks;
mod nodes;
mod numbering;
mod past;
mod places;
#[path = "../../../tests/spec/world/redis_tls.rs"]
mod redis_tls;
mod sentinel;
mod server;
mod tls;
mod world;
mod writes;
