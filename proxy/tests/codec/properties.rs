//! What holds for any octets at all. `replay` asks it of the seeds in every run of the tests, `fuzz/` of what it makes of them.

use proxy::http::{
    Asked, Framing, Parsed, RequestHead, ResponseHead, Version, write_request, write_response,
};

use super::naive::Body;
use super::{LIMITS, WIDE, bodies, requests, responses};

/// Each message is also cut at this many places, where trying every place would take too long.
const CUTS: usize = 6;

/// A request head: read as the naive reader reads it, wherever it is cut; what is passed on means the same to both readers, and
/// passing that on once more changes nothing. True when it was accepted.
pub(crate) fn request(octets: &[u8]) -> bool {
    let mut head = RequestHead::new();
    let accepted = requests::agree(&mut head, octets);
    requests::agree_at(&mut head, octets, cuts(octets));
    if accepted
        && head.parse(octets, &LIMITS) == Ok(Parsed::Complete)
        && head.method_text(octets) != b"CONNECT"
    {
        let mut first = Vec::new();
        write_request(&head, octets, &[], &[], &mut first);
        assert_eq!(head.parse(&first, &WIDE), Ok(Parsed::Complete), "{}", first.escape_ascii());
        // Hops are counted down each time, which is what they are for.
        if head.hops_left(&first) == Ok(None) {
            let mut second = Vec::new();
            write_request(&head, &first, &[], &[], &mut second);
            assert_eq!(first.escape_ascii().to_string(), second.escape_ascii().to_string());
        }
    }
    accepted
}

/// A response head, as the answer to whatever may have been asked: as [`request`]. True when it was accepted for a plain GET.
pub(crate) fn response(octets: &[u8]) -> bool {
    let mut head = ResponseHead::new();
    for asked in responses::ASKED {
        responses::agree(&mut head, octets, asked);
        responses::agree_at(&mut head, octets, asked, cuts(octets));
        if head.parse(octets, asked, &LIMITS) == Ok(Parsed::Complete) {
            let mut first = Vec::new();
            write_response(&head, octets, Version::Http11, false, &[], &mut first);
            assert_eq!(head.parse(&first, asked, &WIDE), Ok(Parsed::Complete), "{}", first.escape_ascii());
            let mut second = Vec::new();
            write_response(&head, &first, Version::Http11, false, &[], &mut second);
            assert_eq!(first.escape_ascii().to_string(), second.escape_ascii().to_string());
        }
    }
    head.parse(octets, Asked::default(), &LIMITS) == Ok(Parsed::Complete)
}

/// A chunked body: the naive reader finds the same content and the same end, whole, in octets and wherever it is cut; the content,
/// put into chunks again, is the same content. True when it is whole.
pub(crate) fn chunked(octets: &[u8]) -> bool {
    let Some((content, end)) = bodies::agree_at(Framing::Chunked, Body::Chunked, octets, cuts(octets)) else {
        return false;
    };
    assert!(end <= octets.len());
    let mut again: Vec<u8> = Vec::new();
    for piece in content.chunks(7) {
        again.extend([format!("{:X}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
    }
    again.extend(b"0\r\n\r\n");
    let read = bodies::agree_at(Framing::Chunked, Body::Chunked, &again, cuts(&again));
    assert_eq!(read, Some((content, again.len())), "{}", octets.escape_ascii());
    true
}

/// Places that depend on the octets alone, so that what is found is found again; the end and the place before it are always among
/// them.
fn cuts(octets: &[u8]) -> impl Iterator<Item = usize> {
    let size = octets.len();
    let mut state = octets.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, &octet| {
        (sum ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)
    });
    let by_chance = std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % (size + 1)
    });
    by_chance.take(CUTS - 2).chain([size.saturating_sub(1), size])
}
