//! The closed list of our own answers, with their status codes and texts.

use crate::http::{BodyError, RequestError, ResponseError};

/// An answer we make ourselves. Where hipache has the case, the text is hipache's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LocalReply {
    /// 200: the answer to `Host: __ping__`.
    Pong,
    /// 200: the answer to an OPTIONS that may not be passed on (`Max-Forwards: 0`, RFC 9110 §7.6.2).
    Options,
    /// 400: the request is not HTTP we accept; the text says why (hipache, for a missing host: `no host header`).
    BadRequest(&'static str),
    /// 400: no frontend matches (hipache's status; others would say 404).
    FrontendNotFound,
    /// 403: the client may not come to this listener.
    Forbidden,
    /// 405: CONNECT.
    MethodNotAllowed,
    /// 408: the request did not arrive in time.
    RequestTimeout,
    /// 413: the body is over the limit.
    BodyTooLarge,
    /// 414: the request line is over the limit.
    UriTooLong,
    /// 417: an expectation other than `100-continue` (RFC 9110 §10.1.1).
    ExpectationFailed,
    /// 431: the head, or the number of its fields, is over the limit (RFC 6585 §5).
    HeadTooLarge,
    /// 500: a fault of ours.
    Internal,
    /// 502: the backend has no endpoint, or all are dead or invalid.
    NoEndpoint,
    /// 502: the endpoint that was chosen cannot be used (its name does not resolve).
    InvalidEndpoint,
    /// 502: the endpoints that were tried failed, and no further one may be tried.
    RetriesUsed,
    /// 502: an endpoint failed, and retries are off.
    RetryDisabled,
    /// 502: an endpoint failed, and this request may not be sent twice.
    NotRepeatable,
    /// 502: the endpoint's answer is not HTTP we accept; the text says why.
    BadAnswer(&'static str),
    /// 503: no room for another request, or shutting down; with `Retry-After`.
    Unavailable,
    /// 504: the endpoint did not answer in time.
    GatewayTimeout,
    /// 505: neither HTTP/1.0 nor HTTP/1.1.
    VersionNotSupported,
    /// 508: the request was here before, as its `Via` says (RFC 5842 §7.2).
    LoopDetected,
}

impl LocalReply {
    /// The names of all replies, as metrics and the JSON log have them, in the order of [`Self::index`].
    pub const NAMES: [&'static str; 22] = [
        "pong",
        "bad_request",
        "frontend_not_found",
        "method_not_allowed",
        "request_timeout",
        "body_too_large",
        "uri_too_long",
        "expectation_failed",
        "head_too_large",
        "internal",
        "no_endpoint",
        "invalid_endpoint",
        "retries_used",
        "retry_disabled",
        "not_repeatable",
        "bad_answer",
        "unavailable",
        "gateway_timeout",
        "version_not_supported",
        "options",
        "loop_detected",
        "forbidden",
    ];

    /// One of each, in the order of [`Self::index`].
    #[cfg(test)]
    pub(crate) const EACH: [Self; Self::NAMES.len()] = [
        Self::Pong,
        Self::BadRequest("no host header"),
        Self::FrontendNotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::BodyTooLarge,
        Self::UriTooLong,
        Self::ExpectationFailed,
        Self::HeadTooLarge,
        Self::Internal,
        Self::NoEndpoint,
        Self::InvalidEndpoint,
        Self::RetriesUsed,
        Self::RetryDisabled,
        Self::NotRepeatable,
        Self::BadAnswer("the response head is malformed"),
        Self::Unavailable,
        Self::GatewayTimeout,
        Self::VersionNotSupported,
        Self::Options,
        Self::LoopDetected,
        Self::Forbidden,
    ];

    /// Its place in [`Self::NAMES`].
    pub const fn index(self) -> usize {
        match self {
            Self::Pong => 0,
            Self::BadRequest(_) => 1,
            Self::FrontendNotFound => 2,
            Self::MethodNotAllowed => 3,
            Self::RequestTimeout => 4,
            Self::BodyTooLarge => 5,
            Self::UriTooLong => 6,
            Self::ExpectationFailed => 7,
            Self::HeadTooLarge => 8,
            Self::Internal => 9,
            Self::NoEndpoint => 10,
            Self::InvalidEndpoint => 11,
            Self::RetriesUsed => 12,
            Self::RetryDisabled => 13,
            Self::NotRepeatable => 14,
            Self::BadAnswer(_) => 15,
            Self::Unavailable => 16,
            Self::GatewayTimeout => 17,
            Self::VersionNotSupported => 18,
            Self::Options => 19,
            Self::LoopDetected => 20,
            Self::Forbidden => 21,
        }
    }

    /// Its name in metrics and in the JSON log.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self.index()]
    }

    /// The status code.
    pub const fn status(self) -> u16 {
        self.line().0
    }

    /// The reason phrase of its status.
    pub const fn reason(self) -> &'static str {
        self.line().1
    }

    const fn line(self) -> (u16, &'static str) {
        match self {
            Self::Pong | Self::Options => (200, "OK"),
            Self::BadRequest(_) | Self::FrontendNotFound => (400, "Bad Request"),
            Self::Forbidden => (403, "Forbidden"),
            Self::MethodNotAllowed => (405, "Method Not Allowed"),
            Self::RequestTimeout => (408, "Request Timeout"),
            Self::BodyTooLarge => (413, "Content Too Large"),
            Self::UriTooLong => (414, "URI Too Long"),
            Self::ExpectationFailed => (417, "Expectation Failed"),
            Self::HeadTooLarge => (431, "Request Header Fields Too Large"),
            Self::Internal => (500, "Internal Server Error"),
            Self::NoEndpoint
            | Self::InvalidEndpoint
            | Self::RetriesUsed
            | Self::RetryDisabled
            | Self::NotRepeatable
            | Self::BadAnswer(_) => (502, "Bad Gateway"),
            Self::Unavailable => (503, "Service Unavailable"),
            Self::GatewayTimeout => (504, "Gateway Timeout"),
            Self::VersionNotSupported => (505, "HTTP Version Not Supported"),
            Self::LoopDetected => (508, "Loop Detected"),
        }
    }

    /// The text: the body where the operator has no page, and `x-debug-error`.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Pong | Self::Options => "ok",
            Self::BadRequest(why) | Self::BadAnswer(why) => why,
            Self::FrontendNotFound => "frontend not found",
            Self::Forbidden => "this listener is not for you",
            Self::MethodNotAllowed => "method not allowed",
            Self::RequestTimeout => "the request did not arrive in time",
            Self::BodyTooLarge => "the request body is too large",
            Self::UriTooLong => "the request line is too long",
            Self::ExpectationFailed => "unknown expectation",
            Self::HeadTooLarge => "the request head is too large",
            Self::Internal => "internal error",
            Self::NoEndpoint => "Cannot find a valid backend",
            Self::InvalidEndpoint => "backend is invalid",
            Self::RetriesUsed => "Reached max retries limit",
            Self::RetryDisabled => "Retry on error is disabled",
            Self::NotRepeatable => "Cannot retry on error",
            Self::Unavailable => "unavailable, try again",
            Self::GatewayTimeout => "the backend did not answer in time",
            Self::VersionNotSupported => "HTTP version not supported",
            Self::LoopDetected => "the request leads back to this proxy",
        }
    }

    /// A field that its status asks for.
    pub(super) const fn field(self) -> Option<(&'static str, &'static str)> {
        match self {
            // RFC 9110 §15.5.6: a 405 names what is allowed.
            Self::MethodNotAllowed | Self::Options => {
                Some(("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"))
            }
            // Also what keeps a hipache in front of us from marking us dead.
            Self::Unavailable => Some(("retry-after", "1")),
            _ => None,
        }
    }
}

impl From<RequestError> for LocalReply {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::BadRequest(why) => Self::BadRequest(why),
            RequestError::NoHost => Self::BadRequest("no host header"),
            RequestError::UriTooLong => Self::UriTooLong,
            RequestError::HeadTooLarge | RequestError::TooManyFields => Self::HeadTooLarge,
            RequestError::ExpectationFailed => Self::ExpectationFailed,
            RequestError::VersionNotSupported => Self::VersionNotSupported,
        }
    }
}

impl From<ResponseError> for LocalReply {
    fn from(error: ResponseError) -> Self {
        match error {
            ResponseError::Malformed(why) => Self::BadAnswer(why),
            ResponseError::HeadTooLarge => Self::BadAnswer("the response head is too large"),
            ResponseError::TooManyFields => Self::BadAnswer("the response head has too many fields"),
            ResponseError::TooManyInterim => Self::BadAnswer("too many interim answers"),
        }
    }
}

impl LocalReply {
    /// The answer to a request whose body cannot be read on.
    pub const fn to_bad_body(error: BodyError) -> Self {
        match error {
            BodyError::Chunk(why) | BodyError::Trailer(why) => Self::BadRequest(why),
            BodyError::Truncated => Self::BadRequest("the body ended before its length"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reply: LocalReply, status: u16, message: &str) {
        assert_eq!((reply.status(), reply.message()), (status, message), "{reply:?}");
    }

    #[test]
    fn where_hipache_has_the_case_status_and_text_are_its_own() {
        check(LocalReply::Pong, 200, "ok");
        check(LocalReply::BadRequest("no host header"), 400, "no host header");
        check(LocalReply::FrontendNotFound, 400, "frontend not found");
        check(LocalReply::NoEndpoint, 502, "Cannot find a valid backend");
        check(LocalReply::InvalidEndpoint, 502, "backend is invalid");
        check(LocalReply::RetriesUsed, 502, "Reached max retries limit");
        check(LocalReply::RetryDisabled, 502, "Retry on error is disabled");
        check(LocalReply::NotRepeatable, 502, "Cannot retry on error");
    }

    #[test]
    fn every_reply_stands_at_its_index() {
        for (index, reply) in LocalReply::EACH.into_iter().enumerate() {
            assert_eq!(reply.index(), index, "{reply:?}");
            assert!(!reply.reason().is_empty() && !reply.message().is_empty(), "{reply:?}");
        }
    }

    #[test]
    fn the_codec_and_the_replies_agree_on_the_status() {
        for error in [
            RequestError::BadRequest("why"),
            RequestError::NoHost,
            RequestError::UriTooLong,
            RequestError::HeadTooLarge,
            RequestError::ExpectationFailed,
            RequestError::VersionNotSupported,
        ] {
            assert_eq!(LocalReply::from(error).status(), error.status(), "{error:?}");
        }
        assert_eq!(LocalReply::from(ResponseError::Malformed("why")).message(), "why");
        assert_eq!(LocalReply::to_bad_body(BodyError::Chunk("bad size")), LocalReply::BadRequest("bad size"));
    }

    #[test]
    fn the_names_differ() {
        let names: std::collections::BTreeSet<_> = LocalReply::NAMES.into_iter().collect();
        assert_eq!(names.len(), LocalReply::NAMES.len());
    }
}
