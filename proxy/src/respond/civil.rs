//! Pieces of civil time, shared by the `Date` field and the log.

pub(crate) const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// A part of a date: never negative.
pub(crate) fn small(n: i8) -> usize {
    usize::from(n.unsigned_abs())
}

/// Writes the last two digits of `n` over the two octets of `out`.
pub(crate) fn put_two(out: &mut [u8], n: usize) {
    out.copy_from_slice(&[b'0' + (n / 10 % 10) as u8, b'0' + (n % 10) as u8]);
}
