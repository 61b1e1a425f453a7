//! Octets of peers, made harmless: what comes out is printable ASCII without quotes or backslashes of the peer's.
//!
//! Octets from 0x7f up are escaped too: in a terminal some of them are control characters.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// What a text ends with that was cut.
const CUT: &[u8] = b"...";

/// Without branches, so that the compiler looks at sixteen octets at once.
const fn is_plain(octet: u8) -> bool {
    (octet.wrapping_sub(0x20) < 0x5f) & (octet != b'"') & (octet != b'\\')
}

/// How many octets at the start are plain; nearly always all of them, and of most texts there are few.
fn plain_run(text: &[u8]) -> usize {
    let mut plain = 0;
    for block in text.chunks_exact(16) {
        if !block.iter().fold(true, |all, octet| all & is_plain(*octet)) {
            break;
        }
        plain += 16;
    }
    plain + text[plain..].iter().position(|octet| !PLAIN[usize::from(*octet)]).unwrap_or(text.len() - plain)
}

static PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut octet = 0;
    while octet < table.len() {
        table[octet] = is_plain(octet as u8);
        octet += 1;
    }
    table
};

/// Appends `text` for a quoted field of the plain line: `\x22` for each octet that is not plain, as nginx does.
///
/// At most `limit` octets, then `...`.
pub(super) fn quoted(text: &[u8], limit: usize, out: &mut Vec<u8>) {
    escape(text, limit, b"\\x", out);
}

/// Appends `text` for a JSON string: `\u0022` for each octet that is not plain.
///
/// Octets that are not ASCII are written as the code points of the same number: read as Latin-1, nothing is lost.
pub(super) fn json(text: &[u8], limit: usize, out: &mut Vec<u8>) {
    escape(text, limit, b"\\u00", out);
}

fn escape(text: &[u8], limit: usize, prefix: &[u8], out: &mut Vec<u8>) {
    let end = out.len() + limit;
    let mut rest = text;
    loop {
        let (run, after) = rest.split_at(plain_run(rest));
        if out.len() + run.len() > end {
            let room = end.saturating_sub(out.len());
            out.extend_from_slice(&run[..room.min(run.len())]);
            return out.extend_from_slice(CUT);
        }
        out.extend_from_slice(run);
        let Some((&octet, after)) = after.split_first() else { return };
        if out.len() + prefix.len() + 2 > end {
            return out.extend_from_slice(CUT);
        }
        out.extend_from_slice(prefix);
        out.push(HEX[usize::from(octet >> 4)]);
        out.push(HEX[usize::from(octet & 15)]);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &[u8], expected_quoted: &str, expected_json: &str) {
        let (mut plain, mut object) = (Vec::new(), Vec::new());
        quoted(text, 1000, &mut plain);
        json(text, 1000, &mut object);
        assert_eq!(String::from_utf8(plain).unwrap(), expected_quoted);
        assert_eq!(String::from_utf8(object).unwrap(), expected_json);
    }

    #[test]
    fn what_could_end_a_field_or_a_line_is_escaped() {
        check(b"", "", "");
        check(b"/a?b=c&d", "/a?b=c&d", "/a?b=c&d");
        check(b"a\"b", r"a\x22b", r"a\u0022b");
        check(b"\\\r\n\t\0", r"\x5c\x0d\x0a\x09\x00", r"\u005c\u000d\u000a\u0009\u0000");
        check("é\u{9b}".as_bytes(), r"\xc3\xa9\xc2\x9b", r"\u00c3\u00a9\u00c2\u009b");
        check(b"\x7f", r"\x7f", r"\u007f");
    }

    #[test]
    fn a_long_text_is_cut_between_escapes() {
        let cut = |text: &[u8], limit| {
            let mut out = Vec::new();
            quoted(text, limit, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(cut(b"abcdef", 6), "abcdef");
        assert_eq!(cut(b"abcdef", 5), "abcde...");
        assert_eq!(cut(b"ab\"cd", 6), r"ab\x22...");
        assert_eq!(cut(b"ab\"cd", 5), "ab...");
    }

    proptest! {
        #[test]
        fn only_plain_octets_come_out_and_never_more_than_allowed(
            text in prop::collection::vec(any::<u8>(), 0..200),
            limit in 0usize..300,
        ) {
            for escape in [quoted, json] {
                let mut out = Vec::new();
                escape(&text, limit, &mut out);
                prop_assert!(out.len() <= limit + CUT.len());
                prop_assert!(out.iter().all(|octet| (0x20..=0x7e).contains(octet) && *octet != b'"'));
            }
        }

        #[test]
        fn a_json_string_reads_back_as_the_same_octets(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut out = Vec::new();
            json(&text, usize::MAX >> 1, &mut out);
            let mut read = Vec::new();
            let mut rest = out.as_slice();
            while let Some((&first, after)) = rest.split_first() {
                if first == b'\\' {
                    let hex = std::str::from_utf8(&after[3..5]).unwrap();
                    read.push(u8::from_str_radix(hex, 16).unwrap());
                    rest = &after[5..];
                } else {
                    read.push(first);
                    rest = after;
                }
            }
            prop_assert_eq!(read, text);
        }
    }
}
