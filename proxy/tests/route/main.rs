//! What routes, balancers and health promise, through the crate's public surface.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod balance;
mod checks;
mod health;
mod leaving;
mod lookup;
mod marks;
mod services;
mod size;
mod update;
mod world;
