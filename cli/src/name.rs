//! A frontend as operators write it: `HOST[/path]`.

use std::fmt::Write as _;

/// The API's URL path of a frontend: host and path prefix apart, both percent-encoded. The server says what is malformed.
pub(crate) fn url_of(name: &str, below: &str) -> String {
    let (host, path) = name.split_at(name.find('/').unwrap_or(name.len()));
    let mut url = format!("/v1/frontends/{}{below}", encode(host));
    if !path.is_empty() {
        let _ = write!(url, "?path={}", encode(path));
    }
    url
}

/// Percent-encodes everything but RFC 3986's unreserved characters, so that no value is mistaken for the URL's own syntax.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            encoded.push(char::from(octet));
        } else {
            let _ = write!(encoded, "%{octet:02X}");
        }
    }
    encoded
}

/// The name as a shell takes it, for commands to copy.
pub(crate) fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/:%@+,=".contains(c);
    if !name.is_empty() && name.chars().all(plain) {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_a_shell_would_read_them() {
        assert_eq!(quoted("www.example.com/a%20b"), "www.example.com/a%20b");
        assert_eq!(quoted("*.example.com"), "'*.example.com'");
        assert_eq!(quoted("[::1]'$(x)"), r"'[::1]'\''$(x)'");
    }

    #[test]
    fn names_become_urls() {
        assert_eq!(url_of("www.example.com", ""), "/v1/frontends/www.example.com");
        assert_eq!(url_of("*.example.com/a%20b", ""), "/v1/frontends/%2A.example.com?path=%2Fa%2520b");
        assert_eq!(url_of("[::1]/", "/endpoints"), "/v1/frontends/%5B%3A%3A1%5D/endpoints?path=%2F");
        assert_eq!(url_of("a?b#c", ""), "/v1/frontends/a%3Fb%23c");
    }
}
