//! What holds for any octets at all: asked of the seeds in every run of the tests, of what `fuzz/` makes of them in its own.
//! `fuzz/` takes this folder in as a module.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

pub(crate) mod properties;
#[cfg(test)]
mod replay;
