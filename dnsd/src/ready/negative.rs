//! The SOA of a zone as denials carry it, as octets.

use model::{DomainName, RecordSet};

use crate::wire::{HEAD, Head, LARGEST, POINTER, Section, Writer};

/// A SOA record, whose names lead to where the apex stands in the question.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Negative {
    octets: Box<[u8]>,
    /// Where pointers stand, and where each leads when the question is for the apex.
    pointers: Box<[(u16, u16)]>,
    /// How long the apex is in wire form.
    apex: usize,
}

impl Negative {
    pub(super) fn of(apex: &DomainName, soa: &RecordSet) -> Self {
        // Asked for at the apex, so that each pointer to the question leads to it.
        let asked = [apex.as_wire(), &[0; 4]].concat();
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, Head { id: 0, flags: 0 }, &asked, LARGEST, 0);
        writer.note_pointers();
        // One record fits.
        let _ = writer.set(Section::Authority, apex, soa, |_| [0]);
        let start = HEAD + asked.len();
        let pointers = writer.pointers().to_vec();
        let leads = |at: u16| {
            let to = u16::from_be_bytes(*out.get(usize::from(at)..)?.first_chunk()?) & !POINTER;
            Some((u16::try_from(usize::from(at) - start).ok()?, to))
        };
        let pointers = pointers.into_iter().filter_map(leads).collect();
        Self { octets: out.get(start..).unwrap_or_default().into(), pointers, apex: apex.as_wire().len() }
    }

    /// The apex, as it is spelled at the end of a name.
    pub(crate) fn apex_of<'n>(&self, name: &'n [u8]) -> &'n [u8] {
        name.get(name.len().saturating_sub(self.apex)..).unwrap_or_default()
    }

    /// How many octets it has.
    pub(crate) fn len(&self) -> usize {
        self.octets.len()
    }

    /// Writes it to the end of a message whose question is for a name of so many octets.
    #[inline]
    pub(crate) fn write(&self, out: &mut Vec<u8>, name: usize) {
        let body = out.len();
        out.extend_from_slice(&self.octets);
        // The apex, and all behind it, stand further back by what the name has more.
        let moved = u16::try_from(name.saturating_sub(self.apex)).unwrap_or(0);
        for (at, to) in &self.pointers {
            let at = body + usize::from(*at);
            out[at..at + 2].copy_from_slice(&((to + moved) | POINTER).to_be_bytes());
        }
    }
}
