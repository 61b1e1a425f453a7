//! Our side of the connections to endpoints: found or opened, asked, their answers relayed, and kept for the next request.
//!
//! In: a request and the route it goes by. Out: an answer that has begun, or the [`crate::respond::LocalReply`] that stands
//! for it. Never here: which routes there are; a response cut short that looks whole; a second try of what must not happen twice.
//!
//! ```text
//! send: pick ─► connect/reuse ─► ask (pump + head of the answer) ──► deliver: relay or tunnel ─► pool
//!         ▲──────── fault: mark dead, next candidate ◄──┘
//! probe: an active check of one endpoint, outside of all this
//! ```

mod addresses;
pub(crate) mod ask;
pub(crate) mod connect;
pub(crate) mod deliver;
pub(crate) mod gate;
pub(crate) mod guard;
mod lookups;
pub(crate) mod names;
pub(crate) mod pool;
pub(crate) mod probe;
pub(crate) mod pump;
pub(crate) mod relay;
pub(crate) mod resolve;
pub(crate) mod send;
pub(crate) mod splice;
mod tunnel;
pub(crate) mod unix;
