//! What the Redis driver promises beside the driver contract, against a real redis-server.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod bad_facts;
mod books;
mod chaos;
mod checkers;
mod follow;
mod gone;
mod healthcheck;
mod hold;
mod marks;
mod measure;
mod past;
mod places;
mod sentinel;
mod server;
mod tls;
mod world;
mod writes;
