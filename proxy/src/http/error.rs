//! Why octets are not a message, by what the caller does next.

/// Why a request is refused. The connection is closed after the answer: where the next request starts is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// 400, with the rule that was broken (for the operator's log).
    #[error("bad request: {0}")]
    BadRequest(&'static str),
    /// 400: no `Host` field (RFC 9112 §3.2), in HTTP/1.0 too.
    #[error("no host header")]
    NoHost,
    /// 414: the request line is longer than [`super::Limits::request_line`].
    #[error("the request line is too long")]
    UriTooLong,
    /// 431: more octets than [`super::Limits::head`].
    #[error("the request head is too large")]
    HeadTooLarge,
    /// 431: more fields than [`super::Limits::headers`].
    #[error("the request head has too many fields")]
    TooManyFields,
    /// 417: `Expect` asks for something else than `100-continue` (RFC 9110 §10.1.1).
    #[error("the expectation is unknown")]
    ExpectationFailed,
    /// 505: neither HTTP/1.1 nor HTTP/1.0.
    #[error("the HTTP version is not supported")]
    VersionNotSupported,
}

impl RequestError {
    /// The status code that answers the request.
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest(_) | Self::NoHost => 400,
            Self::UriTooLong => 414,
            Self::ExpectationFailed => 417,
            Self::HeadTooLarge | Self::TooManyFields => 431,
            Self::VersionNotSupported => 505,
        }
    }
}

/// Why an origin's answer is refused: 502 to the client, and the connection to the origin is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// The rule that was broken.
    #[error("malformed response: {0}")]
    Malformed(&'static str),
    /// More octets than [`super::Limits::head`].
    #[error("the response head is too large")]
    HeadTooLarge,
    /// More fields than [`super::Limits::headers`].
    #[error("the response head has too many fields")]
    TooManyFields,
    /// More interim answers than are allowed before the final one.
    #[error("too many interim answers")]
    TooManyInterim,
}

/// Why a body cannot be read on. The message it belongs to must not end as if it were whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The chunked coding is malformed (RFC 9112 §7.1), with the rule that was broken.
    #[error("malformed chunk: {0}")]
    Chunk(&'static str),
    /// The trailer section is malformed, forbidden or too large (RFC 9110 §6.5), with the rule that was broken.
    #[error("malformed trailer: {0}")]
    Trailer(&'static str),
    /// The peer closed before the end.
    #[error("the body ended before its length")]
    Truncated,
}
