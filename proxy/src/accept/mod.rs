//! The client's side: listeners, connections, their buffers and deadlines.
//!
//! In: TCP connections. Out: one request head after the other, for [`crate::exchange`]. Never here: a decision about where a
//! request goes; a buffer that is held while nothing is in it; a timer of a request's own.

mod addresses;
mod admission;
pub(crate) mod buffer;
pub(crate) mod client;
pub(crate) mod connection;
mod counted;
pub(crate) mod deadline;
pub(crate) mod descriptors;
pub(crate) mod handover;
mod listener;
mod passed_on;
pub(crate) mod socket;
pub(crate) mod transport;
pub(crate) mod turn;

pub(crate) use addresses::Addresses;
pub use listener::BindError;
pub(crate) use listener::listen;
