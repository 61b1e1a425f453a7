//! What stores hold, whatever it is: read, or refused with a reason; what was read is written and read again as the same.
//! `fuzz/` takes this folder in as a module, for what it asks of any octets.
#![expect(clippy::panic, reason = "tests")]

mod native;
pub(crate) mod properties;
#[cfg(test)]
mod replay;
