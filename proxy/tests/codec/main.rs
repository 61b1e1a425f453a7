//! The HTTP/1 codec against a deliberately naive reader of RFC 9112, at every split, over a corpus and its mutations.
//! `fuzz/` takes this folder in as a module, for what it asks of any octets.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod bodies;
mod corpus;
#[cfg(test)]
mod h11;
#[cfg(test)]
mod mutations;
mod naive;
mod naive_body;
mod naive_target;
pub(crate) mod properties;
pub(crate) mod proxy_protocol;
#[cfg(test)]
mod replay;
mod requests;
mod responses;

use proxy::http::Limits;

/// Small enough to be met by mutations, large enough for the corpus.
const LIMITS: Limits = Limits { request_line: 200, head: 2000, headers: 12 };
/// Holds whatever is written of a head within those.
const WIDE: Limits = Limits { request_line: 2000, head: 9000, headers: 99 };
