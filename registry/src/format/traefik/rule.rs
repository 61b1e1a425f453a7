//! Traefik's rules, as far as a frontend can say them: `Host` and `PathPrefix`, joined by `&&`, `||` and brackets.

use std::collections::BTreeSet;

/// How deep brackets may stand.
const MAX_DEPTH: usize = 16;
/// How many host and path pairs one rule may come to.
const MAX_PAIRS: usize = 256;

/// One way to match: a host and a path prefix, each of which may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    pub(super) host: Option<String>,
    pub(super) path: Option<String>,
}

/// The pairs that a rule comes to.
///
/// # Errors
/// What in it no frontend can say.
pub(super) fn parse(rule: &str) -> Result<BTreeSet<Pair>, String> {
    let mut reader = Reader { rest: rule };
    let pairs = reader.any(0)?;
    match reader.rest {
        "" => Ok(pairs),
        rest => Err(format!("`{rest}` is not understood")),
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// `all || all …`
    fn any(&mut self, depth: usize) -> Result<BTreeSet<Pair>, String> {
        let mut pairs = self.all(depth)?;
        while self.take("||") {
            pairs.extend(self.all(depth)?);
        }
        bounded(pairs)
    }

    /// `one && one …`
    fn all(&mut self, depth: usize) -> Result<BTreeSet<Pair>, String> {
        let mut pairs = self.one(depth)?;
        while self.take("&&") {
            let others = self.one(depth)?;
            let mut both = BTreeSet::new();
            for one in &pairs {
                for other in &others {
                    both.insert(Pair {
                        host: merge("Host", &one.host, &other.host)?,
                        path: merge("PathPrefix", &one.path, &other.path)?,
                    });
                }
                if both.len() > MAX_PAIRS {
                    return bounded(both);
                }
            }
            pairs = both;
        }
        Ok(pairs)
    }

    /// `(any)` or `Matcher(…)`.
    fn one(&mut self, depth: usize) -> Result<BTreeSet<Pair>, String> {
        if self.take("!") {
            return Err("`!` (everything but) cannot be said by a frontend".to_owned());
        }
        if self.take("(") {
            if depth >= MAX_DEPTH {
                return Err(format!("brackets stand deeper than {MAX_DEPTH}"));
            }
            let pairs = self.any(depth + 1)?;
            return if self.take(")") { Ok(pairs) } else { Err("a bracket is not closed".to_owned()) };
        }
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        let values = self.arguments(name)?;
        let pair = |value: String| match name {
            "Host" => Pair { host: Some(value), path: None },
            _ => Pair { host: None, path: Some(value) },
        };
        match name {
            "Host" | "PathPrefix" => Ok(values.into_iter().map(pair).collect()),
            "" => Err("a matcher is missing".to_owned()),
            _ => Err(format!("`{name}` cannot be said by a frontend")),
        }
    }

    /// `(`a`, "b")`; several values are alternatives.
    fn arguments(&mut self, name: &str) -> Result<Vec<String>, String> {
        let strange =
            || format!("`{name}` is not followed by values in brackets, as in Host(`www.example.com`)");
        let mut values = Vec::new();
        if !self.take("(") {
            return Err(strange());
        }
        loop {
            self.skip();
            let quote = self.rest.chars().next().filter(|c| matches!(c, '`' | '"')).ok_or_else(strange)?;
            let (value, rest) = self.rest[1..].split_once(quote).ok_or_else(strange)?;
            values.push(value.to_owned());
            self.rest = rest;
            if self.take(")") {
                return Ok(values);
            }
            if !self.take(",") {
                return Err(strange());
            }
        }
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip();
        let Some(rest) = self.rest.strip_prefix(token) else { return false };
        self.rest = rest.trim_start();
        true
    }
}

fn bounded(pairs: BTreeSet<Pair>) -> Result<BTreeSet<Pair>, String> {
    if pairs.len() > MAX_PAIRS {
        Err(format!("it comes to more than {MAX_PAIRS} frontends"))
    } else {
        Ok(pairs)
    }
}

fn merge(name: &str, one: &Option<String>, other: &Option<String>) -> Result<Option<String>, String> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => {
            Err(format!("two `{name}` joined by `&&` cannot be said by a frontend"))
        }
        (one, other) => Ok(one.clone().or_else(|| other.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: &str, expected: Result<&str, &str>) {
        let pairs = parse(rule).map(|pairs| {
            let shown =
                |pair: Pair| format!("{}{}", pair.host.unwrap_or_default(), pair.path.unwrap_or_default());
            pairs.into_iter().map(shown).collect::<Vec<_>>().join(" ")
        });
        match (pairs, expected) {
            (Ok(pairs), Ok(expected)) => assert_eq!(pairs, expected, "{rule}"),
            (Err(error), Err(part)) => assert!(error.contains(part), "{rule}: {error}"),
            (pairs, _) => panic!("{rule}: {pairs:?}"),
        }
    }

    #[test]
    fn hosts_and_path_prefixes_become_pairs() {
        check("Host(`a`)", Ok("a"));
        check("Host(`a`) && PathPrefix(`/p`)", Ok("a/p"));
        check("PathPrefix(\"/p\")&&Host(\"a\")", Ok("a/p"));
        check(" ( Host(`a`) || Host(`b`) ) && PathPrefix(`/p`) ", Ok("a/p b/p"));
        check("Host(`a`, `b`) && PathPrefix(`/p`,`/q`)", Ok("a/p a/q b/p b/q"));
        check("Host(`a`) || Host(`b`) && PathPrefix(`/p`)", Ok("a b/p"));
        check("PathPrefix(`/p`)", Ok("/p"));
        check("Host(`a`) && Host(`a`)", Ok("a"));
    }

    #[test]
    fn what_no_frontend_can_say_is_named() {
        check("Host(`a`) && Headers(`x`, `y`)", Err("`Headers` cannot"));
        check("HostRegexp(`.*`)", Err("`HostRegexp` cannot"));
        check("!Host(`a`)", Err("everything but"));
        check("Host(`a`) && Host(`b`)", Err("two `Host`"));
        check("Host(`a`", Err("not followed by values"));
        check("Host(a)", Err("not followed by values"));
        check("Host", Err("not followed by values"));
        check("(Host(`a`)", Err("not closed"));
        check("Host(`a`) Host(`b`)", Err("not understood"));
        check("", Err("not followed by values"));
        check(&"(".repeat(100_000), Err("deeper"));
        let wide = (0..30).map(|n| format!("`h{n}`")).collect::<Vec<_>>().join(",");
        check(&format!("Host({wide}) && PathPrefix({})", wide.replace("`h", "`/h")), Err("more than 256"));
    }
}
