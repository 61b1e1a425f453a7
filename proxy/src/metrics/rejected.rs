//! Connections that a listener's policy kept out.

/// Why a connection ended before its first request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rejected {
    /// Its client is not among those that the listener lets in; it was told so (403).
    Denied,
    /// It came to a listener for the PROXY protocol from a peer that is not believed.
    ProxyUntrusted,
    /// It did not begin with a PROXY protocol header.
    ProxyMissing,
    /// Its PROXY protocol header is malformed.
    ProxyMalformed,
    /// Its PROXY protocol header did not come in time, or not to its end.
    ProxyIncomplete,
}

impl Rejected {
    /// Every reason, in the order of [`super::Totals::rejected`].
    pub const ALL: [Self; 5] =
        [Self::Denied, Self::ProxyUntrusted, Self::ProxyMissing, Self::ProxyMalformed, Self::ProxyIncomplete];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::ProxyUntrusted => "proxy_untrusted",
            Self::ProxyMissing => "proxy_missing",
            Self::ProxyMalformed => "proxy_malformed",
            Self::ProxyIncomplete => "proxy_incomplete",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reasons_are_counted_in_the_order_they_are_listed_in() {
        for (index, reason) in Rejected::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index, "{}", reason.name());
        }
    }
}
