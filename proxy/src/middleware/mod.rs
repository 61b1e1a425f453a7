//! What is changed in passing: fields added to and taken from requests and responses.
//!
//! | order | when | what | why there |
//! |---|---|---|---|
//! | 1 | before | [`Forwarded`] | whoever comes later may ask who the client is |
//! | 2 | before | [`Via`] | last, behind those of proxies before us |
//! | 3 | after | [`DebugFields`] | last, so that its times are those of the whole |
//!
//! In: a checked head, and who the peer is. Out: fields for the codec to write and names of those it replaces.
//! Never here: a socket, a decision about routes, a field of an untrusted peer that speaks about somebody else.

mod debug;
mod element;
mod forwarded;
mod peer;
mod via;

pub use debug::{DebugFields, Debugged, debug_wanted};
pub use forwarded::{Before, Forwarded, Scheme};
pub use peer::{IpText, Peer};
pub use via::Via;

/// Changes to a request's head, for [`crate::http::write_request`].
#[derive(Debug, Clone, Copy)]
pub struct Edits<'a> {
    /// Lower-case names of fields that are dropped, in any spelling an origin could take for them.
    pub replaced: &'static [&'static str],
    /// The lines of fields that are added, each with its end.
    pub lines: &'a [u8],
}
