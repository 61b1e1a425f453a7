//! Times in log lines; the text of a second is made once.

use jiff::Timestamp;
use jiff::tz::Offset;

use crate::respond::civil::{MONTHS, put_two, small};

/// The texts of one second.
#[derive(Debug)]
pub(super) struct SecondText {
    second: i64,
    hipache: [u8; 20],
    iso: [u8; 19],
}

impl Default for SecondText {
    fn default() -> Self {
        Self { second: 0, hipache: *b"01/Jan/1970:00:00:00", iso: *b"1970-01-01T00:00:00" }
    }
}

impl SecondText {
    /// `16/Feb/2014:00:43:10`, UTC.
    pub(super) fn hipache(&mut self, unix_seconds: i64) -> &[u8; 20] {
        self.turn(unix_seconds);
        &self.hipache
    }

    /// `2014-02-16T00:43:10`, UTC.
    pub(super) fn iso(&mut self, unix_seconds: i64) -> &[u8; 19] {
        self.turn(unix_seconds);
        &self.iso
    }

    fn turn(&mut self, second: i64) {
        if self.second == second {
            return;
        }
        // A clock beyond the calendar is a clock that was not set: such lines say 1970.
        *self = Self { second, ..Self::default() };
        let Ok(timestamp) = Timestamp::from_second(second) else { return };
        let civil = Offset::UTC.to_datetime(timestamp);
        let Ok(year) = u16::try_from(civil.year()) else { return };
        let century = [usize::from(year / 100), usize::from(year % 100)];
        let day = [small(civil.month()), small(civil.day())];
        let time = [small(civil.hour()), small(civil.minute()), small(civil.second())];
        put_two(&mut self.hipache[..2], day[1]);
        self.hipache[3..6].copy_from_slice(MONTHS[(day[0] + 11) % 12]);
        put_two(&mut self.hipache[7..9], century[0]);
        put_two(&mut self.hipache[9..11], century[1]);
        put_two(&mut self.iso[..2], century[0]);
        put_two(&mut self.iso[2..4], century[1]);
        put_two(&mut self.iso[5..7], day[0]);
        put_two(&mut self.iso[8..10], day[1]);
        for (place, part) in time.into_iter().enumerate() {
            let (hipache, iso) = (12 + 3 * place, 11 + 3 * place);
            put_two(&mut self.hipache[hipache..hipache + 2], part);
            put_two(&mut self.iso[iso..iso + 2], part);
        }
    }
}

/// Appends milliseconds as JavaScript prints `ms / 1000`: `0.012`, `1.5`, `1`, `0`.
pub(super) fn seconds(us: u64, out: &mut Vec<u8>) {
    let ms = us / 1000;
    let mut number = itoa::Buffer::new();
    out.extend_from_slice(number.format(ms / 1000).as_bytes());
    let rest = (ms % 1000) as usize;
    if rest == 0 {
        return;
    }
    let digits = [b'.', digit(rest / 100), digit(rest / 10 % 10), digit(rest % 10)];
    let zeros = digits.iter().rev().take_while(|digit| **digit == b'0').count();
    out.extend_from_slice(&digits[..digits.len() - zeros]);
}

fn digit(n: usize) -> u8 {
    b'0' + (n % 10) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_seconds(us: u64, expected: &str) {
        let mut out = Vec::new();
        seconds(us, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{us}");
    }

    #[test]
    fn seconds_are_printed_as_javascript_prints_them() {
        check_seconds(0, "0");
        check_seconds(999, "0");
        check_seconds(1_000, "0.001");
        check_seconds(12_345, "0.012");
        check_seconds(100_000, "0.1");
        check_seconds(110_000, "0.11");
        check_seconds(1_000_000, "1");
        check_seconds(1_500_999, "1.5");
        check_seconds(30_000_000, "30");
        check_seconds(3_600_010_000, "3600.01");
    }

    #[test]
    fn a_second_has_its_text_in_both_forms() {
        let mut text = SecondText::default();
        assert_eq!(text.hipache(0), b"01/Jan/1970:00:00:00");
        assert_eq!(text.hipache(1_392_511_390), b"16/Feb/2014:00:43:10");
        assert_eq!(text.iso(1_392_511_390), b"2014-02-16T00:43:10");
        assert_eq!(text.iso(1_735_689_599), b"2024-12-31T23:59:59");
        assert_eq!(text.hipache(i64::MAX), b"01/Jan/1970:00:00:00");
    }
}
