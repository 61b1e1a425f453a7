//! The HTTP/1 codec against a deliberately naive reader of RFC 9112, at every split, over a corpus and its mutations.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod bodies;
mod corpus;
mod h11;
mod mutations;
mod naive;
mod naive_body;
mod naive_target;
mod proxy_protocol;
mod requests;
mod responses;

use proxy::http::Limits;

/// Small enough to be met by mutations, large enough for the corpus.
const LIMITS: Limits = Limits { request_line: 200, head: 2000, headers: 12 };
