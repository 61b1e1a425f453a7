//! Active checks: endpoints of frontends that have a check are asked whether they live, request or no request.
//!
//! In: tables, the settings, the time and chance. Out: endpoints out by their check or back, reports of both, counters.
//! Never here: the request path; a check beyond the limit of checks at once; a socket (that is `upstream::probe`).
//!
//! ```text
//! table@42 ─► Agenda: who is to be checked, when, for whom ──due──► probe (at most so many at once) ──► Tally: rise, fall
//!                                                                                                        │
//!            registry ◄── health reports: CheckFailed (again every 30 s), CheckPassed ◄── States ◄───────┘
//! ```
//!
//! The last live endpoint of a route serves on, as with passive marks. One that passes its check as often as it must loses
//! its passive marks, too, whoever made them, and those of others keep it out no more until it fails as often as it may.

mod agenda;
mod checker;
mod outcome;
mod tally;

pub use agenda::{Agenda, Target};
pub use checker::Checks;
pub(crate) use checker::{Checker, Counts};
pub use outcome::{Failure, Outcome};
pub use tally::{Seen, Tally, Turn};
