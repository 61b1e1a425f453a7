//! A place in the connection's buffer, in eight octets instead of a slice's sixteen and free of its lifetime.

/// Octets `start..end` of the buffer a head was parsed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The span `start..end`; heads are limited far below 4 GiB, so that larger offsets never come.
    pub(super) fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end && u32::try_from(end).is_ok());
        Self { start: start as u32, end: end as u32 }
    }

    /// Where `part`, a slice of `buf`, stands in it; an empty slice from elsewhere becomes an empty span.
    pub(super) fn of(part: &[u8], buf: &[u8]) -> Self {
        if part.is_empty() {
            return Self::default();
        }
        let start = (part.as_ptr() as usize).wrapping_sub(buf.as_ptr() as usize);
        Self::new(start, start + part.len())
    }

    /// The octets; empty when `buf` is not the buffer that was parsed.
    pub fn get(self, buf: &[u8]) -> &[u8] {
        buf.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Offset of the first octet.
    pub fn start(self) -> usize {
        self.start as usize
    }

    /// Offset behind the last octet.
    pub fn end(self) -> usize {
        self.end as usize
    }

    /// How many octets.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// True when there are none.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}
