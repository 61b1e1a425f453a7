//! Promises, through the real binary and the network.
