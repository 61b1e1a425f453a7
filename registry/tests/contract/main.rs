//! What every driver promises: one list ([`list`]), run over each of them.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod embedded;
mod facts;
mod guards;
mod kinds;
mod list;
mod memory;
mod past;
mod redis;
#[path = "../redis/server.rs"]
#[expect(dead_code, reason = "the contract needs a running server and nothing else of it")]
mod server;
