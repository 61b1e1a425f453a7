//! The access log: one line for each request, also for those that were refused, timed out or panicked.
//!
//! ```text
//!  exchange ── Entry ──drop──► Sink (a thread's own: formats into its chunk) ──try_send──► Writer (a thread) ──► file
//!                 └──► Counters                      ▲──────── empty chunks come back ────────┘
//! ```
//!
//! In: what an exchange says of itself while it goes on. Out: hipache's line or one JSON object, and the counters of the end.
//! Never here: a wait, an allocation per line or an unbounded queue on the request path; an octet of a client that could
//! end a line or a quoted field. When the target cannot keep up, lines are dropped and counted.

mod entry;
mod escape;
mod hipache;
mod json;
mod line;
mod sink;
mod target;
mod time;
mod writer;

pub use entry::{Entry, Request};
pub use line::End;
pub use sink::Sink;
pub use target::LogError;
pub use writer::Writer;

#[cfg(test)]
mod tests;
