//! What holds for any octets at all that stand where a frontend should.

use model::{Address, Frontend, HostPattern, MAX_ENDPOINTS};
use registry::format::{facts, hipache, native};

use super::native::agrees;

/// A value of a store: JSON where it begins like that, else the lines of hipache's list behind a line with the key's host. True
/// when it is a frontend (or a file of them).
pub(crate) fn value(octets: &[u8]) -> bool {
    if octets.trim_ascii_start().starts_with(b"{") { own(octets) | file(octets) } else { list(octets) }
}

/// portico's own form.
fn own(json: &[u8]) -> bool {
    let frontend = match native::read_frontend(json) {
        Ok(frontend) => frontend,
        Err(error) => {
            said(&error.to_string());
            assert!(!error.reason.is_empty() && !error.remedy.is_empty(), "{error:?}");
            return false;
        }
    };
    agrees(json, &frontend);
    written_and_read(&frontend);
    true
}

/// The file of an export.
fn file(json: &[u8]) -> bool {
    match facts::read(json) {
        Ok(gathered) => {
            for fact in &gathered.facts {
                let written = native::write_fact(fact);
                assert_eq!(
                    native::read_fact(fact.kind(), written.as_bytes()).as_ref(),
                    Ok(fact),
                    "{written}"
                );
            }
            for refused in &gathered.refused {
                said(&format!("{} {} {}", refused.place, refused.reason, refused.remedy));
            }
            !gathered.facts.is_empty()
        }
        Err(error) => {
            said(&error.to_string());
            false
        }
    }
}

/// hipache's list.
fn list(octets: &[u8]) -> bool {
    let mut lines = octets.split(|&octet| octet == b'\n').map(<[u8]>::to_vec);
    let host = String::from_utf8(lines.next().unwrap_or_default()).unwrap_or_default();
    let host = HostPattern::parse(&host).inspect(|host| {
        assert_eq!(
            HostPattern::parse(&host.to_string()).as_ref(),
            Ok(host),
            "a host is written as it is read"
        );
    });
    let entries: Vec<Vec<u8>> = lines.collect();
    entries.iter().for_each(|text| entry(text));
    let frontend = match hipache::read_list(&host.unwrap_or(HostPattern::Any), &entries) {
        Ok(frontend) => frontend,
        Err(aside) => {
            said(&format!("{} {}", aside.reason, aside.remedy));
            return false;
        }
    };
    let Frontend { backend, .. } = &frontend;
    let weights: usize = backend.endpoints.iter().map(|endpoint| usize::from(endpoint.weight.get())).sum();
    let counted = weights + backend.rejected.len();
    assert!(
        counted == entries.len() - 1 || (entries.len() > 1000 && counted < entries.len()),
        "{frontend:?}"
    );
    assert!(backend.endpoints.len() <= MAX_ENDPOINTS);
    for rejected in backend.rejected.iter() {
        said(&rejected.reason);
        assert!(rejected.text.chars().count() <= 200 && !rejected.text.contains(char::is_control));
    }
    let mut usable = frontend.clone();
    usable.backend.rejected = model::Rare::default();
    if let Some(written) = hipache::write_list(&usable) {
        let written: Vec<Vec<u8>> = written.into_iter().map(String::into_bytes).collect();
        assert_eq!(hipache::read_list(&usable.host, &written).as_ref(), Ok(&usable));
    }
    written_and_read(&usable);
    true
}

/// One entry of a list: hipache announces the same endpoint under the same name, however it was spelled.
fn entry(text: &[u8]) {
    match hipache::read_entry(text) {
        Ok(address) => {
            assert_eq!(Address::parse_url(&address.url()).as_ref(), Ok(&address));
            let href = hipache::href(&String::from_utf8_lossy(text));
            assert_eq!(hipache::read_entry(href.as_bytes()), Ok(address), "{href:?}");
            assert_eq!(hipache::href(&href), href);
        }
        Err(reason) => said(&reason),
    }
}

/// The written form is read as the same frontend, and there is one such form.
fn written_and_read(frontend: &Frontend) {
    let written = native::write_frontend(frontend);
    let again = native::read_frontend(written.as_bytes())
        .unwrap_or_else(|error| panic!("{error}: {written} of {frontend:?}"));
    assert_eq!(&again, frontend, "{written}");
    assert_eq!(native::write_frontend(&again), written);
}

/// What is said to operators says something, and cannot write to their terminals anything but text.
fn said(message: &str) {
    assert!(!message.is_empty() && !message.contains(char::is_control), "{message:?}");
}
