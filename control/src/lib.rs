//! From what is desired to what runs: services and hosts are facts, containers are made true to them.
//!
//! In: snapshots, what container engines say. Out: which host takes which instance, and why.
//! Never here: a word to proxy or DNS (what they share with this crate is a fact or a report); a decision that depends on the order in
//! which engines answer.

pub mod act;
pub mod config;
mod door;
pub mod health;
pub mod lease;
pub mod metrics;
pub mod observe;
pub mod plan;
mod process;
pub mod publish;
pub mod runtime;
pub mod schedule;
pub mod turn;

pub use door::Control;
