//! The HTTP/1 codec, sans-IO: octets in, heads and framing out; heads in, octets out. No socket, no clock, no task.
//!
//! ```text
//!  octets of a client ──► RequestHead::parse ──► checked, canonical head (spans into the same buffer)
//!                                │                        │ write_request: re-serialised in one pass
//!                                ▼ framing()              ▼
//!                          BodyReader::advance       octets to the origin
//!
//!  octets of an origin ─► ResponseHead::parse ─► write_response ─► octets to the client
//! ```
//!
//! httparse finds the tokens; what it lets pass and RFC 9112 does not (line ends of LF alone, repeated or
//! contradictory framing, hosts, targets) is refused here. There is one canonical form: host and path are
//! normalised once, at parsing, and both routing and the origin see that form. A usual request is parsed
//! and written without an allocation: heads are reused and keep their capacity.
//!
//! Where RFC 9112 leaves a choice, the answer that two readers cannot understand in two ways is taken:
//! - `Content-Length` comes once, even when a second one agrees, and fits a signed 64-bit number.
//! - `Transfer-Encoding` is `chunked`, once, and never beside a length; the same with `_` for `-` is refused.
//! - Chunk sizes and extensions have no white space; trailers carry nothing that is decided before the body.
//! - Targets are a path, `*` for OPTIONS, or an `http` URL, whose authority then takes the place of `Host`;
//!   `https`, user names, fragments and raw backslashes in paths are refused. `//` stays; so does the query.
//! - `TE` ends here and is not asked for again; trailers that come anyway pass. `h2c` is no upgrade.
//! - Octets from 0x80 in values pass (RFC 9110 §5.5, `obs-text`); in a reason phrase they do not.
//!
//! Never here: a decision about routes or retries, a status line of our own (see `respond`), a panic on
//! anything a peer sent, a field that reaches the other side unchecked.

mod chunked;
mod error;
mod fields;
mod framing;
mod hops;
mod method;
mod request;
mod response;
mod scan;
mod span;
mod target;
mod write;

pub use error::{BodyError, RequestError, ResponseError};
pub use framing::{Advance, BodyReader, Framing};
pub use method::Method;
pub use request::RequestHead;
pub use response::{Asked, ResponseHead};
pub(crate) use scan::HeadScan;
pub use span::Span;
pub use write::{Added, write_request, write_response};

/// How large a head may be. Bodies have limits of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest request line without its CRLF, in octets; more is 414. Not used for responses.
    pub request_line: usize,
    /// The largest head with its empty line, in octets; more is 431 (502 from an origin).
    pub head: usize,
    /// The most fields in a head; more is 431 (502 from an origin).
    pub headers: usize,
}

/// What a peer speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Version {
    /// HTTP/1.0: no chunked coding, no 1xx, closes unless it says `keep-alive`.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
}

/// How far parsing a head came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// Nothing wrong yet; call again with the same octets and more behind them.
    Partial,
    /// The head is whole; its `len()` octets belong to it, what follows is the body or the next message.
    Complete,
}
