//! What is changed in passing: fields added to and taken from requests and responses.
//!
//! In: a checked head, and who the peer is. Out: fields for the codec to write and names of those it replaces.
//! Never here: a socket, a decision about routes, a field of an untrusted peer that speaks about somebody else.

mod peer;

pub use peer::{IpText, Peer};
