//! Which image.

use std::fmt;

/// The longest reference, in octets.
pub const MAX_IMAGE: usize = 512;
/// The most octets of a tag (OCI distribution specification 1.1, "Pulling manifests").
const MAX_TAG: usize = 128;

/// A reference to an image: `[registry/]name[:tag][@sha256:digest]`, as engines read it (OCI distribution specification 1.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Image {
    text: Box<str>,
    /// Where the name ends.
    name: usize,
    /// Where the tag ends; the name's end where there is none.
    tag: usize,
}

/// Why a text is no reference to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Nothing, or too much.
    #[error("it is empty or longer than {MAX_IMAGE} octets; write `name:tag`")]
    Length,
    /// No name of an image.
    #[error(
        "its name is not one of lower-case letters, digits, `.`, `_`, `-` and `/`; write `registry.example.com:5000/shop/web:2`"
    )]
    Name,
    /// No tag.
    #[error("its tag is not 1 to {MAX_TAG} letters, digits, `.`, `_` or `-`; write `:2.1`")]
    Tag,
    /// No digest.
    #[error(
        "its digest is not `sha256:` and 64 hexadecimal digits in lower case; copy it from `docker images --digests`"
    )]
    Digest,
}

impl Image {
    /// Parses a reference.
    ///
    /// # Errors
    /// [`ImageError`] says which part cannot be.
    pub fn parse(text: &str) -> Result<Self, ImageError> {
        if text.is_empty() || text.len() > MAX_IMAGE {
            return Err(ImageError::Length);
        }
        let (tagged, digest) = match text.split_once('@') {
            Some((tagged, digest)) => (tagged, Some(digest)),
            None => (text, None),
        };
        let hex = |digits: &str| {
            digits.len() == 64 && digits.bytes().all(|d| matches!(d, b'0'..=b'9' | b'a'..=b'f'))
        };
        if digest.is_some_and(|digest| !digest.strip_prefix("sha256:").is_some_and(hex)) {
            return Err(ImageError::Digest);
        }
        // A colon before the last slash is that of a registry's port.
        let last = tagged.rfind('/').map_or(0, |at| at + 1);
        let colon = tagged.get(last..).and_then(|rest| rest.find(':')).map(|at| last + at);
        let name = colon.unwrap_or(tagged.len());
        if !tagged.get(..name).is_some_and(is_name) {
            return Err(ImageError::Name);
        }
        if colon.is_some_and(|colon| !tagged.get(colon + 1..).is_some_and(is_tag)) {
            return Err(ImageError::Tag);
        }
        Ok(Self { text: text.into(), name, tag: tagged.len() })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Without tag and digest.
    pub fn name(&self) -> &str {
        self.text.get(..self.name).unwrap_or_default()
    }

    /// The tag; engines read `latest` where there is neither tag nor digest.
    pub fn tag(&self) -> Option<&str> {
        self.text.get(self.name + 1..self.tag)
    }

    /// `sha256:…`: the one image that is meant, whatever a tag says by now.
    pub fn digest(&self) -> Option<&str> {
        self.text.get(self.tag + 1..)
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Parts between slashes; the first one of several may be a registry: a host with a port, or in any case.
fn is_name(name: &str) -> bool {
    let (first, rest) = match name.split_once('/') {
        Some((first, rest)) if is_registry(first) => (None, rest),
        Some((first, rest)) => (Some(first), rest),
        None => (None, name),
    };
    first.into_iter().chain(rest.split('/')).all(is_part)
}

fn is_registry(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let host_is_fine = !host.is_empty()
        && host.split('.').all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
        && host.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.'));
    host_is_fine && port.is_none_or(|port| port.parse::<std::num::NonZeroU16>().is_ok())
}

/// Lower-case letters and digits; between them `.`, one or two `_`, or any number of `-`.
fn is_part(part: &str) -> bool {
    let fine = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit();
    let between = |text: &str| matches!(text, "." | "_" | "__") || text.bytes().all(|octet| octet == b'-');
    let ends = part.bytes().next().is_some_and(fine) && part.bytes().last().is_some_and(fine);
    ends && part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).all(between)
}

fn is_tag(tag: &str) -> bool {
    let fine = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'.' | b'-');
    (1..=MAX_TAG).contains(&tag.len()) && !tag.starts_with(['.', '-']) && tag.bytes().all(fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_a_name_and_perhaps_a_tag_and_a_digest() {
        let check = |text: &str, name: &str, tag: Option<&str>, digest: Option<&str>| {
            let image = Image::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((image.name(), image.tag(), image.digest()), (name, tag, digest), "{text}");
            assert_eq!(image.to_string(), text);
        };
        let digest = format!("sha256:{}", "0a".repeat(32));
        check("web", "web", None, None);
        check("shop/web:2.1", "shop/web", Some("2.1"), None);
        check("localhost:5000/web", "localhost:5000/web", None, None);
        check(
            "Registry.example.com:5000/a_b/c__d/e---f:V_1",
            "Registry.example.com:5000/a_b/c__d/e---f",
            Some("V_1"),
            None,
        );
        check(&format!("web@{digest}"), "web", None, Some(&digest));
        check(&format!("r:1/web:2@{digest}"), "r:1/web", Some("2"), Some(&digest));
    }

    #[test]
    fn what_is_no_image_is_refused_with_the_part_that_is_wrong() {
        let check = |text: &str, expected| assert_eq!(Image::parse(text), Err(expected), "{text}");
        check("", ImageError::Length);
        check(&"a".repeat(MAX_IMAGE + 1), ImageError::Length);
        for text in
            ["Web", "a//b", "/a", "a/", "-a", "a.", "a___b", "a..b", "a b", "http://a/b", "r:99999/a", "ä"]
        {
            check(text, ImageError::Name);
        }
        for text in ["a:", "a:.b", "a:b/c:d:e", "a:b c"] {
            let error = Image::parse(text).expect_err(text);
            assert!(matches!(error, ImageError::Tag | ImageError::Name), "{text}: {error}");
        }
        check(&format!("a:{}", "t".repeat(129)), ImageError::Tag);
        for text in ["a@", "a@sha256:00", "a@md5:0", &format!("a@sha256:{}", "0A".repeat(32))] {
            check(text, ImageError::Digest);
        }
    }
}
