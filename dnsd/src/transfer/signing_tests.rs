//! Questions that dig signed, and answers to them.

use super::super::key_file;
use super::*;

/// What dig 9.18 sent with the key of [`keys`], at these times.
const OF_DIG: [(&str, u64, &str); 3] = [
    (
        "hmac-sha256",
        0x6b0a_24e2,
        "bd2001200001000000000002026e730165000001000100002904d0000000000000067365636f6e640000fa00ff00000000003d0b686d61632d7368613235360000006b0a24e2012c002041b3249e5c189a7d2e301252ca57ea93c419bcbd74db5cf93235c1ce1612631bbd2000000000",
    ),
    (
        "hmac-sha384",
        0x6b0a_24e3,
        "f1d101200001000000000002026e730165000001000100002904d0000000000000067365636f6e640000fa00ff00000000004d0b686d61632d7368613338340000006b0a24e3012c0030886cbad00e5f03cd4f3c17b0077cc2e5297144523ec827c3bfc58d05f3ca8a6441eebb3d88ba2b0fd28f7a8c6b462b8ef1d100000000",
    ),
    (
        "hmac-sha512",
        0x6b0a_24e5,
        "6d3e01200001000000000002026e730165000001000100002904d0000000000000067365636f6e640000fa00ff00000000005d0b686d61632d7368613531320000006b0a24e5012c00408052af03a52dcabb385af0588a400c271e09869322ee9c166d3ae7274737a37c4c104ea952c58837feab6f8b226c6fd6b7b3e14f3549cc1165225d63ec68527d6d3e00000000",
    ),
];

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

fn keys(algorithm: &str) -> Keys {
    let text = format!("key Second {{ algorithm {algorithm}; secret \"c2VjcmV0LW9mLXRoZS10ZXN0cw==\"; }};");
    key_file::read(&text).unwrap_or_else(|(line, wrong)| panic!("{line}: {wrong}"))
}

/// What is wrong with a message's signature, and how its answer, a head alone, is signed then.
fn wrong(keys: &Keys, message: &[u8], now: u64) -> Option<(TsigError, Vec<u8>)> {
    match verify(keys, message, now) {
        Ok(_) => None,
        Err(Unverified::Wrong(error, mut signer)) => {
            let (room, mut out) = (signer.room(), vec![0; HEAD]);
            out[..2].copy_from_slice(&message[..2]);
            signer.sign(&mut out, 0, now);
            assert_eq!(out.len(), HEAD + room);
            Some((error, out))
        }
        Err(Unverified::Malformed) => panic!("well formed"),
    }
}

#[test]
fn what_dig_signed_is_verified() {
    for (algorithm, time, hex) in OF_DIG {
        let (keys, message) = (keys(algorithm), octets(hex));
        let check = |message: &[u8], now: u64, expected: Option<TsigError>| {
            let found = wrong(&keys, message, now).map(|(error, _)| error);
            assert_eq!(found, expected, "{algorithm} {now} {message:02x?}");
        };
        check(&message, time, None);
        check(&message, time + 300, None);
        check(&message, time - 300, None);
        check(&message, time + 301, Some(TsigError::Time));
        check(&message, time - 301, Some(TsigError::Time));
        let mut other = message.clone();
        other[0] ^= 1;
        // Whoever hands it on may have changed the id.
        check(&other, time, None);
        for at in [2, 13, 20, 30] {
            let mut other = message.clone();
            other[at] ^= 1;
            check(&other, time, Some(TsigError::Signature));
        }
        let at = message.len() - 7;
        let mut other = message.clone();
        other[at] ^= 0x80;
        check(&other, time, Some(TsigError::Signature));
    }
}

#[test]
fn a_key_that_is_not_there_is_named_and_nothing_is_signed() {
    let (_, time, hex) = OF_DIG[0];
    for keys in [Keys::default(), keys("hmac-sha512")] {
        let (error, out) = wrong(&keys, &octets(hex), time).expect("no such key");
        let said = tsig(&out).expect("a signature");
        assert_eq!((error, said.error, said.mac.len()), (TsigError::Key, 17, 0));
        assert_eq!((said.original_id, said.key.to_string().as_str()), (0xbd20, "second."));
    }
}

#[test]
fn a_wrong_time_is_told_with_ours_and_signed() {
    let (algorithm, time, hex) = OF_DIG[0];
    let (error, out) = wrong(&keys(algorithm), &octets(hex), time + 1000).expect("too late");
    let said = tsig(&out).expect("a signature");
    assert_eq!((error, said.error, said.time, said.mac.len()), (TsigError::Time, 18, time, 32));
    assert_eq!(said.other, &(time + 1000).to_be_bytes()[2..]);
}

/// The message with its MAC cut to so many octets.
fn cut(message: &[u8], length: u16) -> Vec<u8> {
    let signed = tsig(message).expect("signed");
    let mut out = signed.before.to_vec();
    let before = u16::from_be_bytes([out[10], out[11]]) - 1;
    out[10..12].copy_from_slice(&before.to_be_bytes());
    Tsig { mac: &signed.mac[..usize::from(length)], ..signed.clone() }.write(&mut out, 0);
    out
}

#[test]
fn a_signature_that_was_cut_is_refused_and_one_that_cannot_be_is_malformed() {
    let (algorithm, time, hex) = OF_DIG[0];
    let (keys, message) = (keys(algorithm), octets(hex));
    assert_eq!(cut(&message, 32), message);
    let (error, out) = wrong(&keys, &cut(&message, 16), time).expect("cut");
    assert_eq!((error, tsig(&out).expect("a signature").mac.len()), (TsigError::Cut, 32));
    assert!(matches!(verify(&keys, &cut(&message, 15), time), Err(Unverified::Malformed)));
    assert!(matches!(verify(&keys, &cut(&message, 0), time), Err(Unverified::Malformed)));
    assert!(matches!(verify(&keys, &message[..message.len() - 1], time), Err(Unverified::Malformed)));
    assert!(matches!(verify(&keys, &[&message[..], &[0]].concat(), time), Err(Unverified::Malformed)));
}

#[test]
fn answers_follow_from_what_was_signed_before() {
    let (algorithm, time, hex) = OF_DIG[0];
    let keys = keys(algorithm);
    let key = keys.get(&DomainName::parse("second").expect("a name")).expect("there");
    let mut asking = Signer::of(key);
    let mut message = octets(hex)[..22].to_vec();
    message[..12].copy_from_slice(&[0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    let question = message.clone();
    asking.sign(&mut message, 0, time);

    let mut answering = verify(&keys, &message, time).expect("right");
    let mut answer = question.clone();
    answering.sign(&mut answer, 0, time + 1);

    assert!(asking.verify(&answer, time));
    assert_eq!(tsig(&answer).expect("signed").original_id, 7);
    assert!(!asking.verify(&answer, time + 302) && !asking.verify(&question, time));
    let mut other = answer.clone();
    other[3] ^= 1;
    assert!(!asking.verify(&other, time), "it is not what was signed");
    assert!(!Signer::of(key).verify(&answer, time), "it is no answer to something else");
    let mut second = question.clone();
    answering.sign(&mut second, 0, time + 1);
    assert!(!asking.verify(&second, time), "a second one follows from the first, and has no names");
    let (mac, said) = (tsig(&answer).expect("signed").mac, tsig(&second).expect("signed"));
    assert!(key.verify(&[&[0, 32], mac, &question, &said.timers()], said.mac), "RFC 8945 §5.3.1");
}

#[test]
fn an_answer_behind_whoever_changed_the_id_is_signed_as_it_is_sent() {
    let (algorithm, time, hex) = OF_DIG[0];
    let keys = keys(algorithm);
    let mut message = octets(hex);
    let mac = tsig(&message).expect("signed").mac.to_vec();
    message[..2].copy_from_slice(&[1, 2]);
    let mut answering = verify(&keys, &message, time).expect("right, whatever its id");
    let mut answer = vec![1, 2, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let sent = answer.clone();

    answering.sign(&mut answer, 0, time);

    let said = tsig(&answer).expect("signed");
    let key = keys.get(&said.key).expect("there");
    assert_eq!(said.original_id, 0x0102, "what its signature is of");
    assert!(key.verify(&[&[0, 32], &mac, &sent, &said.variables()], said.mac));
}
