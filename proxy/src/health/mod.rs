//! What is known of endpoints beside the facts: requests in flight, dead marks of ours and of others, retries allowed.
//!
//! In: how an attempt ended ([`verdict`], [`DeadReason`]), results of active checks ([`check`]), marks that others wrote, the time in
//! milliseconds.
//! Out: whether an endpoint is out, and why; whether a failed attempt may be repeated ([`may_retry`]).
//! Never here: a clock, a socket, a status line; a lock on the way of a request that goes well.
//!
//! ```text
//! attempt failed ──► States::mark_dead ──► EndpointState ◄── States::apply_marks ◄── marks of all writers
//!                                              ▲  is_out(now)
//!                    RouteTable@41, @42 … ─────┘  (shared by every table that lists the endpoint)
//! ```

mod budget;
pub mod check;
mod checked;
mod left;
mod marks;
mod retry;
mod state;
mod states;
mod verdict;

pub use budget::{Recent, RetryBudget};
pub use left::Standing;
pub use retry::{Attempt, NoRetry, RequestBody, Sent, may_retry};
pub use state::{DeadReason, EndpointState, InFlight, Out, Tunnel};
pub use states::{Marked, States};
pub use verdict::verdict;
