//! Answers that portico makes itself.
//!
//! In: a [`LocalReply`], the [`Pages`] of the operator. Out: a whole HTTP/1.1 response in a buffer.
//! Never here: a response of an endpoint; a file read while serving. Never elsewhere: a status code of ours.

pub(crate) mod civil;
mod date;
mod local_reply;
mod pages;
mod write;

pub use date::HttpDate;
pub use local_reply::LocalReply;
pub use pages::{Pages, PagesError};
pub use write::{ReplyTo, write_reply};

/// What `x-debug-version-hipache` says: hipache's header, our name.
pub const DEBUG_VERSION: &str = concat!("portico/", env!("CARGO_PKG_VERSION"));

/// Says, where a client debugs, the revision of the table that its request was looked up in.
pub const REVISION: &str = "portico-revision";
