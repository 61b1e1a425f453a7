//! The `Date` field.

use jiff::Timestamp;
use jiff::tz::Offset;

use super::civil::{MONTHS, put_two, small};

const DAYS: [&[u8; 3]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
/// A point in time as an IMF-fixdate (RFC 9110 §5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpDate([u8; 29]);

impl HttpDate {
    /// From seconds since 1970 (UTC). What no year of four digits can say becomes 1970.
    pub fn from_unix(seconds: i64) -> Self {
        let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
        let Ok(timestamp) = Timestamp::from_second(seconds) else { return Self(text) };
        let civil = Offset::UTC.to_datetime(timestamp);
        let Ok(year) = u16::try_from(civil.year()) else { return Self(text) };
        text[..3].copy_from_slice(DAYS[small(civil.weekday().to_monday_zero_offset())]);
        put_two(&mut text[5..7], small(civil.day()));
        text[8..11].copy_from_slice(MONTHS[(small(civil.month()) + 11) % 12]);
        put_two(&mut text[12..14], usize::from(year / 100));
        put_two(&mut text[14..16], usize::from(year % 100));
        put_two(&mut text[17..19], small(civil.hour()));
        put_two(&mut text[20..22], small(civil.minute()));
        put_two(&mut text[23..25], small(civil.second()));
        Self(text)
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8; 29] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seconds: i64, expected: &str) {
        let date = HttpDate::from_unix(seconds);
        assert_eq!(std::str::from_utf8(date.as_bytes()), Ok(expected), "{seconds}");
    }

    #[test]
    fn dates_are_imf_fixdates() {
        check(0, "Thu, 01 Jan 1970 00:00:00 GMT");
        check(784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT");
        check(1_709_164_799, "Wed, 28 Feb 2024 23:59:59 GMT");
        check(1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT");
        check(1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT");
        check(i64::MAX, "Thu, 01 Jan 1970 00:00:00 GMT");
        check(i64::MIN, "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
