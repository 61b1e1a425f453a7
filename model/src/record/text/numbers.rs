//! Numbers, times, hexadecimal digits and base 64, as text.

use std::fmt::Write as _;

use super::{RecordTextError, cut};
use crate::record::MAX_TTL;

/// Digits alone, up to `most`.
pub(super) fn number<N: std::str::FromStr + std::fmt::Display>(
    text: &str,
    most: N,
) -> Result<N, RecordTextError> {
    let digits = text.bytes().all(|octet| octet.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number.ok_or_else(|| RecordTextError::Malformed(format!("`{}` is no number from 0 to {most}", cut(text))))
}

/// Seconds: a number, or numbers with units (`1h30m`); at most [`MAX_TTL`].
///
/// # Errors
/// When it is no such time.
pub fn seconds(text: &str) -> Result<u32, RecordTextError> {
    let wrong = || {
        RecordTextError::Malformed(format!(
            "`{}` is no time; write seconds up to {MAX_TTL}, or such as 1h30m (w, d, h, m, s)",
            cut(text)
        ))
    };
    let (mut total, mut number) = (0_u64, None);
    for octet in text.bytes() {
        if octet.is_ascii_digit() {
            number = Some(number.unwrap_or(0_u64) * 10 + u64::from(octet - b'0'));
        } else {
            let unit = match octet.to_ascii_lowercase() {
                b's' => 1,
                b'm' => 60,
                b'h' => 3_600,
                b'd' => 86_400,
                b'w' => 604_800,
                _ => return Err(wrong()),
            };
            total += number.take().ok_or_else(wrong)? * unit;
        }
        if total > u64::from(MAX_TTL) || number.is_some_and(|number| number > u64::from(MAX_TTL)) {
            return Err(wrong());
        }
    }
    total += number.unwrap_or(0);
    if text.is_empty() || total > u64::from(MAX_TTL) {
        return Err(wrong());
    }
    u32::try_from(total).map_err(|_| wrong())
}

/// Pairs of hexadecimal digits.
pub(super) fn hex(text: &str) -> Result<Vec<u8>, RecordTextError> {
    let wrong =
        || RecordTextError::Malformed(format!("`{}` is not made of pairs of hexadecimal digits", cut(text)));
    let digit = |octet: u8| {
        char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or_else(wrong)
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(wrong());
    }
    pairs.iter().map(|[high, low]| Ok(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// The reverse.
pub(super) fn hex_of(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() * 2);
    for octet in octets {
        // Writing to a string cannot fail.
        let _ = write!(text, "{octet:02X}");
    }
    text
}

/// Octets of base 64 (RFC 4648 §4); padding may be left out.
///
/// # Errors
/// [`RecordTextError`] when it is something else.
pub fn base64(text: &str) -> Result<Vec<u8>, RecordTextError> {
    let wrong = || RecordTextError::Malformed(format!("`{}` is not base 64", cut(text)));
    let digits = text.trim_end_matches('=');
    if text.len() - digits.len() > 2 || digits.len() % 4 == 1 {
        return Err(wrong());
    }
    let (mut octets, mut bits, mut held) = (Vec::with_capacity(digits.len() * 3 / 4), 0_u32, 0_u32);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(wrong()),
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            octets.push(u8::try_from(bits >> held & 0xff).map_err(|_| wrong())?);
        }
    }
    Ok(octets)
}

/// The reverse, with its padding.
pub(super) fn base64_of(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for group in octets.chunks(3) {
        let bits = group
            .iter()
            .chain([0, 0].iter())
            .take(3)
            .fold(0_usize, |bits, octet| bits << 8 | usize::from(*octet));
        for place in 0..4 {
            let digit = DIGITS[bits >> (18 - 6 * place) & 0x3f];
            text.push(if place > group.len() { '=' } else { char::from(digit) });
        }
    }
    text
}
