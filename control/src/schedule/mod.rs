//! Placement: which host an instance runs on, and why no other. Pure.
