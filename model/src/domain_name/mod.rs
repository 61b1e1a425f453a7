//! The name of a node in the domain tree (RFC 1035 §3.1).
//!
//! In: presentation form (`text`) or uncompressed wire form. Out: a name within the limits of the protocol, whatever octets it is made of.
//! Never here: compression, which needs the message around a name; host names, which are narrower (`HostPattern`).

mod text;

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub use text::DomainNameError;

/// The longest name, in octets of its wire form, the root's included (RFC 1035 §2.3.4).
pub const MAX_NAME: usize = 255;
/// The longest label, in octets (RFC 1035 §2.3.4).
pub const MAX_LABEL: usize = 63;
/// The most labels that fit into a name, the root's not counted.
const MAX_LABELS: usize = MAX_NAME / 2;

/// A domain name from the root down, of any octets: compared and hashed without regard to the case of ASCII letters (RFC 4343), its
/// spelling kept. Sorted canonically (RFC 4034 §6.1): what is below a name directly follows it.
///
/// A copy shares the octets.
#[derive(Clone)]
pub struct DomainName(Arc<[u8]>);

impl DomainName {
    /// The root: `.`.
    pub fn root() -> Self {
        Self(Arc::from([0_u8]))
    }

    /// Takes a name in wire form: labels behind their lengths, the root's empty one at the end, no compression.
    ///
    /// # Errors
    /// [`DomainNameError`] when it does not end exactly at the end of `wire`, or is beyond a limit.
    pub fn from_wire(wire: &[u8]) -> Result<Self, DomainNameError> {
        match Self::wire_length(wire)? {
            length if length == wire.len() => Ok(Self(wire.into())),
            _ => Err(DomainNameError::Malformed),
        }
    }

    /// How many octets the uncompressed name takes that `wire` begins with.
    ///
    /// # Errors
    /// [`DomainNameError`] when none ends within `wire`, or it is beyond a limit.
    pub fn wire_length(wire: &[u8]) -> Result<usize, DomainNameError> {
        let mut at = 0;
        loop {
            let length = usize::from(*wire.get(at).ok_or(DomainNameError::Malformed)?);
            if length > MAX_LABEL {
                return Err(DomainNameError::Malformed);
            }
            at += 1 + length;
            if at > MAX_NAME {
                return Err(DomainNameError::TooLong);
            }
            if length == 0 {
                return Ok(at);
            }
        }
    }

    /// Its labels from the leftmost down to the one below the root; the name itself is known to be within the limits.
    fn from_labels<'a>(labels: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, DomainNameError> {
        let mut wire = Vec::with_capacity(32);
        for label in labels {
            match label.len() {
                0 => return Err(DomainNameError::EmptyLabel),
                1..=MAX_LABEL => wire.push(u8::try_from(label.len()).unwrap_or(u8::MAX)),
                _ => return Err(DomainNameError::LongLabel),
            }
            wire.extend_from_slice(label);
            if wire.len() >= MAX_NAME {
                return Err(DomainNameError::TooLong);
            }
        }
        wire.push(0);
        Ok(Self(wire.into()))
    }

    /// The wire form, uncompressed, as spelled.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// The labels from the leftmost on, the root's left out.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let length = usize::from(*rest.first()?);
            let (label, behind) = rest.get(1..)?.split_at_checked(length)?;
            rest = behind;
            (length > 0).then_some(label)
        })
    }

    /// How many labels there are, the root's not counted: at most 127.
    pub fn label_count(&self) -> usize {
        self.labels().count()
    }

    /// True for `.`.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// True when the leftmost label is `*` (RFC 4592 §2.1.1).
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with(b"\x01*")
    }

    /// The name without its leftmost label; the root has no parent.
    pub fn parent(&self) -> Option<Self> {
        let label = usize::from(*self.0.first()?);
        (label > 0).then(|| Self(self.0[1 + label..].into()))
    }

    /// True when this is `ancestor` or a name below it.
    pub fn is_at_or_below(&self, ancestor: &Self) -> bool {
        let Some(labels) = self.label_count().checked_sub(ancestor.label_count()) else { return false };
        let from: usize = self.labels().take(labels).map(|label| 1 + label.len()).sum();
        self.0[from..].eq_ignore_ascii_case(&ancestor.0)
    }

    /// This name below `origin`: `www` below `example.com.` is `www.example.com.`.
    ///
    /// # Errors
    /// [`DomainNameError::TooLong`] when both together are more than a name can be.
    pub fn below(&self, origin: &Self) -> Result<Self, DomainNameError> {
        Self::from_labels(self.labels().chain(origin.labels()))
    }

    /// The name one label below this one.
    ///
    /// # Errors
    /// [`DomainNameError`] when the label is empty or too long, or the name becomes so.
    pub fn child(&self, label: &[u8]) -> Result<Self, DomainNameError> {
        Self::from_labels(std::iter::once(label).chain(self.labels()))
    }

    /// The same name in lower case.
    #[must_use]
    pub fn folded(&self) -> Self {
        // A length is at most 63, and so no letter.
        if self.0.iter().any(u8::is_ascii_uppercase) {
            Self(self.0.to_ascii_lowercase().into())
        } else {
            self.clone()
        }
    }

    /// True when both are spelled alike too.
    pub fn same_spelling(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// Where each label begins in the wire form, and how many there are.
    fn starts(&self) -> ([u8; MAX_LABELS], usize) {
        let (mut starts, mut count, mut at) = ([0; MAX_LABELS], 0, 0_usize);
        for label in self.labels() {
            if let Some(start) = starts.get_mut(count) {
                *start = u8::try_from(at).unwrap_or(u8::MAX);
            }
            at += 1 + label.len();
            count += 1;
        }
        (starts, count)
    }

    fn label_at(&self, start: u8) -> &[u8] {
        let start = usize::from(start);
        let length = self.0.get(start).map_or(0, |length| usize::from(*length));
        self.0.get(start + 1..start + 1 + length).unwrap_or_default()
    }
}

impl PartialEq for DomainName {
    fn eq(&self, other: &Self) -> bool {
        // A length is no letter: the octets can be compared as if all were text.
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for DomainName {}

impl Hash for DomainName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for octet in &*self.0 {
            state.write_u8(octet.to_ascii_lowercase());
        }
    }
}

impl Ord for DomainName {
    fn cmp(&self, other: &Self) -> Ordering {
        let ((mine, my_count), (theirs, their_count)) = (self.starts(), other.starts());
        let (mine, theirs) = (&mine[..my_count.min(MAX_LABELS)], &theirs[..their_count.min(MAX_LABELS)]);
        for (mine, theirs) in mine.iter().rev().zip(theirs.iter().rev()) {
            let fold = |label: u8| label.to_ascii_lowercase();
            let mine = self.label_at(*mine).iter().copied().map(fold);
            let order = mine.cmp(other.label_at(*theirs).iter().copied().map(fold));
            if order != Ordering::Equal {
                return order;
            }
        }
        my_count.cmp(&their_count)
    }
}

impl PartialOrd for DomainName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests;
