//! The HTTP/1 codec, sans-IO: octets in, heads and framing out; heads in, octets out. No socket, no clock.
