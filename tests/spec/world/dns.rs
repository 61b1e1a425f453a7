//! A client of DNS that asks one thing, often: dig takes a process for each question.

use std::net::{SocketAddr, UdpSocket};

use super::wait::PATIENCE;

/// The type SOA (RFC 1035 §3.2.2).
const SOA: [u8; 2] = [0, 6];

/// The serial of a zone, as the SOA in the answer of `server` says it.
pub(crate) fn serial(server: SocketAddr, zone: &str) -> u32 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(server).unwrap();
    let mut question = b"\x07\x77\0\0\0\x01\0\0\0\0\0\0".to_vec();
    for label in zone.split('.').filter(|label| !label.is_empty()) {
        question.push(label.len() as u8);
        question.extend_from_slice(label.as_bytes());
    }
    question.extend_from_slice(&[0, SOA[0], SOA[1], 0, 1]);
    socket.send(&question).unwrap();
    let mut octets = [0; 1232];
    let length = socket.recv(&mut octets).unwrap();
    let reply = &octets[..length];
    assert!(reply.starts_with(&question[..2]) && reply[3] & 15 == 0, "an answer: {reply:?}");
    assert_eq!(reply[6..8], [0, 1], "one record: {reply:?}");
    // The record stands behind the question. Its data ends with five numbers; the serial is the first of them (RFC 1035 §3.3.13).
    let record = &reply[question.len()..];
    let name = name_length(record);
    assert_eq!(record[name..name + 2], SOA, "{reply:?}");
    let length = usize::from(u16::from_be_bytes([record[name + 8], record[name + 9]]));
    let data = &record[name + 10..name + 10 + length];
    u32::from_be_bytes(data[length - 20..length - 16].try_into().unwrap())
}

/// How long a name is where it stands: to its end, or to where it points on.
fn name_length(octets: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match octets[at] {
            0 => return at + 1,
            length if length & 0xc0 == 0xc0 => return at + 2,
            length => at += 1 + usize::from(length),
        }
    }
}
