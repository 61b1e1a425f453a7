//! The file that keys stand in, in BIND's format: `key "name" { algorithm hmac-sha256; secret "…"; };`, as tsig-keygen prints it.

use super::key::{Key, Keys};
use model::record::text::base64;

/// A word of the file, and its line.
type Word<'t> = (usize, &'t str);

/// Reads all keys of a file.
///
/// # Errors
/// The line, from 1, and what is wrong in it, without any secret.
pub(crate) fn read(text: &str) -> Result<Keys, (usize, String)> {
    let words = words(text)?;
    let mut words = words.into_iter().peekable();
    let mut keys = Keys::default();
    while words.peek().is_some() {
        let line = words.peek().map_or(1, |(line, _)| *line);
        let key = key(&mut words).map_err(|(at, wrong)| (at.unwrap_or(line), wrong))?;
        keys.add(key).map_err(|wrong| (line, wrong))?;
    }
    Ok(keys)
}

/// What is wrong, and where, if it is not at the end of the text.
type Wrong = (Option<usize>, String);

fn key<'t>(words: &mut impl Iterator<Item = Word<'t>>) -> Result<Key, Wrong> {
    expect(words, "key")?;
    let (at, name) = next(words, "the key's name")?;
    expect(words, "{")?;
    let (mut algorithm, mut secret) = (None, None);
    loop {
        let (line, word) = next(words, "`}`")?;
        match word {
            "}" => break,
            "algorithm" => algorithm = Some(next(words, "an algorithm")?.1),
            "secret" => {
                let (line, text) = next(words, "a secret")?;
                let octets =
                    base64(text).map_err(|_| (Some(line), "the secret is not base 64".to_owned()))?;
                secret = Some(octets);
            }
            // It may be a secret.
            _ => return Err((Some(line), "what stands here is neither `algorithm` nor `secret`".into())),
        }
        expect(words, ";")?;
    }
    expect(words, ";")?;
    let missing = |what: &str| (Some(at), format!("the key {name} has no {what}"));
    let algorithm = algorithm.ok_or_else(|| missing("algorithm"))?;
    let secret = secret.ok_or_else(|| missing("secret"))?;
    Key::new(name, algorithm, &secret).map_err(|wrong| (Some(at), format!("the key {name}: {wrong}")))
}

fn next<'t>(words: &mut impl Iterator<Item = Word<'t>>, wanted: &str) -> Result<Word<'t>, Wrong> {
    words.next().ok_or_else(|| (None, format!("{wanted} is missing at the end")))
}

fn expect<'t>(words: &mut impl Iterator<Item = Word<'t>>, wanted: &str) -> Result<(), Wrong> {
    match next(words, &format!("`{wanted}`"))? {
        (_, word) if word == wanted => Ok(()),
        // A secret may stand where it should not.
        (line, _) => Err((
            Some(line),
            format!("`{wanted}` is missing; write key \"NAME\" {{ algorithm hmac-sha256; secret \"…\"; }};"),
        )),
    }
}

/// Words, quoted texts without their quotes, and the signs between them; comments (`//`, `#`, `/* */`) left out.
fn words(text: &str) -> Result<Vec<Word<'_>>, (usize, String)> {
    let (mut words, mut rest, mut line) = (Vec::new(), text, 1);
    while let Some(first) = rest.chars().next() {
        let (word, behind) = if first.is_whitespace() {
            ("", rest.split_at(first.len_utf8()).1)
        } else if first == '#' || rest.starts_with("//") {
            ("", rest.split_at(rest.find('\n').unwrap_or(rest.len())).1)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            let (_, behind) =
                comment.split_once("*/").ok_or_else(|| (line, "a comment has no end: `*/`".to_owned()))?;
            ("", behind)
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (word, behind) =
                quoted.split_once('"').ok_or_else(|| (line, "a quoted text has no end: `\"`".to_owned()))?;
            (word, behind)
        } else if "{};".contains(first) {
            rest.split_at(1)
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || "{};\"#".contains(c)).unwrap_or(rest.len());
            rest.split_at(end)
        };
        if !word.is_empty() {
            words.push((line, word));
        }
        line += rest[..rest.len() - behind.len()].matches('\n').count();
        rest = behind;
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use model::DomainName;

    use super::*;

    const TWO: &str = "# of tsig-keygen\nkey \"second\" {\n\talgorithm hmac-sha256;\n\tsecret \"c2VjcmV0LW9mLXRoZS10ZXN0cw==\";\n};\n\
                       /* another\n one */ key third. { secret c2VjcmV0LW9mLXRoZS10ZXN0cw==; algorithm HMAC-SHA512; }; // end";

    #[test]
    fn keys_are_read_as_bind_writes_them() {
        let keys = read(TWO).unwrap_or_else(|(line, wrong)| panic!("{line}: {wrong}"));
        let length = |name: &str| keys.get(&DomainName::parse(name).expect("a name")).map(|key| key.length());
        assert_eq!((length("Second"), length("third"), length("fourth")), (Some(32), Some(64), None));
        assert!(read("").is_ok() && read("// nothing").is_ok());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_and_shows_no_secret() {
        let check = |text: &str, expected: (usize, &str)| {
            let (line, wrong) = read(text).expect_err("wrong");
            assert!(line == expected.0 && wrong.contains(expected.1), "{text:?}: {line}: {wrong}");
            assert!(!wrong.contains("c2Vj"), "{wrong}");
        };
        check("\nzone \"a\" {};", (2, "`key` is missing"));
        check("key a {\n secret c2Vj-LW9m;\n};", (2, "the secret is not base 64"));
        check("key a { secret c2VjcmV0LW9mLXRoZS10ZXN0cw==; };", (1, "the key a has no algorithm"));
        check("key a { algorithm hmac-sha256; };", (1, "the key a has no secret"));
        check("key a {\n c2VjcmV0LW9mLXRoZS10ZXN0cw==; };", (2, "neither `algorithm` nor `secret`"));
        check(
            "key a {\n algorithm hmac-md5;\n secret c2VjcmV0LW9mLXRoZS10ZXN0cw==; };",
            (1, "the key a: its algorithm"),
        );
        check("key a { algorithm", (1, "an algorithm is missing at the end"));
        check("\n\"a", (2, "no end"));
        check("/* a", (1, "no end"));
        check(&format!("{TWO}\n{TWO}"), (9, "there is a key second. already"));
    }
}
