//! Request methods, and what a proxy may do with them.

use super::span::Span;

/// A request method (RFC 9110 §9.3, RFC 5789); names are case-sensitive, so that `get` is an [`Method::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// GET.
    #[default]
    Get,
    /// HEAD: its answer has no body.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
    /// OPTIONS: the only one that may ask for `*`.
    Options,
    /// PATCH.
    Patch,
    /// TRACE.
    Trace,
    /// CONNECT: parsed, so that it can be refused by name; never forwarded.
    Connect,
    /// Any other token.
    Other(Span),
}

impl Method {
    /// Classifies a token the tokeniser found at `span`.
    pub(super) fn classify(text: &[u8], span: Span) -> Self {
        match text {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            b"PATCH" => Self::Patch,
            b"TRACE" => Self::Trace,
            b"CONNECT" => Self::Connect,
            _ => Self::Other(span),
        }
    }

    /// True when a repetition has the effect of one request (RFC 9110 §9.2.2): only these may be tried again
    /// after something was sent.
    pub fn is_idempotent(self) -> bool {
        match self {
            Self::Get | Self::Head | Self::Put | Self::Delete | Self::Options | Self::Trace => true,
            Self::Post | Self::Patch | Self::Connect | Self::Other(_) => false,
        }
    }

    /// The method as it came; `buf` is the buffer it was parsed from.
    pub fn text(self, buf: &[u8]) -> &[u8] {
        match self {
            Self::Get => b"GET",
            Self::Head => b"HEAD",
            Self::Post => b"POST",
            Self::Put => b"PUT",
            Self::Delete => b"DELETE",
            Self::Options => b"OPTIONS",
            Self::Patch => b"PATCH",
            Self::Trace => b"TRACE",
            Self::Connect => b"CONNECT",
            Self::Other(span) => span.get(buf),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_methods_that_may_be_repeated_are_idempotent() {
        for (text, expected) in [
            ("GET", true),
            ("HEAD", true),
            ("PUT", true),
            ("DELETE", true),
            ("OPTIONS", true),
            ("TRACE", true),
            ("POST", false),
            ("PATCH", false),
            ("CONNECT", false),
            ("get", false),
            ("PROPFIND", false),
        ] {
            let method = Method::classify(text.as_bytes(), Span::new(0, text.len()));
            assert_eq!(method.is_idempotent(), expected, "{text}");
            assert_eq!(method.text(text.as_bytes()), text.as_bytes());
        }
    }
}
