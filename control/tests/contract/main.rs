//! What every runtime promises: one list ([`list`]), run over each of them, and what a real engine promises beside.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod docker;
mod fake;
mod hung;
mod list;
mod ssh;
mod stand;
mod tls;
