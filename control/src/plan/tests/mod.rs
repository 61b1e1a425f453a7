//! What follows from facts, from what engines and nodes say, and from what is remembered.

mod adopted;
mod claimed;
mod fleet;
mod hosts;
mod jobs;
mod one;
mod partial;
mod power;
mod properties;
mod rollouts;
mod starts;
mod stuck;

use std::num::NonZeroU16;

fn port(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}
