//! The type of a record (RFC 1035 §3.2.2).

use std::fmt;

/// A record's type, by its number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordType(pub u16);

/// Why a text is not a record's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such record type; one without a name is written TYPE and its number (TYPE65534)")]
pub struct RecordTypeError;

macro_rules! record_types {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal;)*) => {
        impl RecordType {
            $($(#[doc = $doc])+ pub const $name: Self = Self($number);)*
        }

        /// The types that have a name.
        const NAMES: &[(&str, RecordType)] = &[$((stringify!($name), RecordType::$name)),*];
    };
}

record_types! {
    /// An IPv4 address (RFC 1035 §3.4.1).
    A = 1;
    /// A name server; below an apex, a delegation (RFC 1035 §3.3.11).
    NS = 2;
    /// Another name for all of this one (RFC 1035 §3.3.1).
    CNAME = 5;
    /// The start of a zone (RFC 1035 §3.3.13).
    SOA = 6;
    /// A name, from an address or a kind of service (RFC 1035 §3.3.12).
    PTR = 12;
    /// A machine's kind (RFC 1035 §3.3.2), also what answers ANY (RFC 8482 §4.2).
    HINFO = 13;
    /// Who takes mail (RFC 1035 §3.3.9).
    MX = 15;
    /// Texts (RFC 1035 §3.3.14).
    TXT = 16;
    /// Who is responsible (RFC 1183 §2.2).
    RP = 17;
    /// An AFS cell's server (RFC 1183 §1).
    AFSDB = 18;
    /// An IPv6 address (RFC 3596).
    AAAA = 28;
    /// A place on earth (RFC 1876).
    LOC = 29;
    /// A service's host and port (RFC 2782).
    SRV = 33;
    /// A rule that rewrites names (RFC 3403).
    NAPTR = 35;
    /// Who exchanges keys (RFC 2230).
    KX = 36;
    /// A certificate (RFC 4398).
    CERT = 37;
    /// Another name for all that is below (RFC 6672).
    DNAME = 39;
    /// EDNS (RFC 6891): never in a zone.
    OPT = 41;
    /// The digest of a child's key (RFC 4034).
    DS = 43;
    /// The fingerprint of an SSH key (RFC 4255).
    SSHFP = 44;
    /// A signature (RFC 4034).
    RRSIG = 46;
    /// What comes next (RFC 4034).
    NSEC = 47;
    /// A zone's key (RFC 4034).
    DNSKEY = 48;
    /// What comes next, hashed (RFC 5155).
    NSEC3 = 50;
    /// How that is hashed (RFC 5155).
    NSEC3PARAM = 51;
    /// A TLS certificate's place (RFC 6698).
    TLSA = 52;
    /// A certificate for mail (RFC 8162).
    SMIMEA = 53;
    /// A DS that the child wants (RFC 7344).
    CDS = 59;
    /// A DNSKEY that the child wants known (RFC 7344).
    CDNSKEY = 60;
    /// An OpenPGP key (RFC 7929).
    OPENPGPKEY = 61;
    /// What a parent shall copy from the child (RFC 7477).
    CSYNC = 62;
    /// A digest of the zone (RFC 8976).
    ZONEMD = 63;
    /// A service's binding (RFC 9460).
    SVCB = 64;
    /// The same for HTTPS (RFC 9460).
    HTTPS = 65;
    /// Texts, once for mail (RFC 4408).
    SPF = 99;
    /// Keys of transactions (RFC 2930): never in a zone.
    TKEY = 249;
    /// A transaction's signature (RFC 8945): never in a zone.
    TSIG = 250;
    /// Asks for what changed in a zone (RFC 1995): never in a zone.
    IXFR = 251;
    /// Asks for a whole zone (RFC 5936): never in a zone.
    AXFR = 252;
    /// Asks for whatever there is (RFC 8482): never in a zone.
    ANY = 255;
    /// A URI (RFC 7553).
    URI = 256;
    /// Who may issue certificates (RFC 8659).
    CAA = 257;
}

impl RecordType {
    /// Parses a type's name, whatever its case, or `TYPE` and a number (RFC 3597 §5).
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, RecordTypeError> {
        if let Some((_, known)) = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
            return Ok(*known);
        }
        let (word, digits) = text.split_at_checked(4).ok_or(RecordTypeError)?;
        let only_digits = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        if !word.eq_ignore_ascii_case("TYPE") || !only_digits {
            return Err(RecordTypeError);
        }
        digits.parse().map(Self).map_err(|_| RecordTypeError)
    }

    /// True for types that records in a zone can have: not those of questions and of messages (RFC 6895 §3.1).
    pub fn is_data(self) -> bool {
        !matches!(self.0, 0 | 41 | 128..=255)
    }
}

/// As zone files write it: its name, or `TYPE65534`.
impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, known)| known == self) {
            Some((name, _)) => f.pad(name),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

impl fmt::Debug for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_reads_back_what_it_wrote() {
        for number in 0..=u16::MAX {
            let text = RecordType(number).to_string();
            assert_eq!(RecordType::parse(&text), Ok(RecordType(number)), "{text}");
        }
        assert_eq!(RecordType::parse("aaaa"), Ok(RecordType::AAAA));
        assert_eq!(RecordType::parse("type1"), Ok(RecordType::A));
        for malformed in ["", "B", "TYPE", "TYPE65536", "TYPE+1", "TYPE 1", "ÄÖÜ1"] {
            assert_eq!(RecordType::parse(malformed), Err(RecordTypeError), "{malformed}");
        }
    }

    #[test]
    fn what_only_messages_carry_is_no_data() {
        let data = [RecordType::A, RecordType::CAA, RecordType(65534)];
        assert!(data.into_iter().all(RecordType::is_data));
        let other = [RecordType(0), RecordType::OPT, RecordType::ANY, RecordType::AXFR, RecordType::TSIG];
        assert!(!other.into_iter().any(RecordType::is_data));
    }
}
