//! The operator's door: HTTP API, metrics, and the wire types its clients share.
