//! The API through its own listener, over a registry in memory.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod events;
mod frontends;
mod guard;
mod hosts;
mod live;
mod services;
mod views;
mod wait;
mod way_back;
mod world;
