//! When a head that is still coming is worth parsing.

/// An empty line before the first line, and the first octet of its own end: not counted by its limit.
const LINE_ENDS: usize = 3;

/// Looks at each octet of a growing head once, so that one that trickles in is not parsed once an octet.
#[derive(Debug)]
pub(crate) struct HeadScan {
    seen: usize,
    line_limit: usize,
    head_limit: usize,
}

impl HeadScan {
    /// For a head whose first line may have `line_limit` octets and all of it `head_limit`.
    pub(crate) fn new(line_limit: usize, head_limit: usize) -> Self {
        Self { seen: 0, line_limit: line_limit.saturating_add(LINE_ENDS), head_limit }
    }

    /// True when `octets`, those of the last call and more, are worth parsing: the first time, when an empty line has come,
    /// or when a limit has just been passed.
    pub(crate) fn is_worth_parsing(&mut self, octets: &[u8]) -> bool {
        let before = std::mem::replace(&mut self.seen, octets.len());
        let passed = |limit: usize| before <= limit && octets.len() > limit;
        let fresh = octets.get(before.saturating_sub(3)..).unwrap_or_default();
        let empty_line = || {
            memchr::memchr_iter(b'\n', fresh)
                .any(|at| matches!(fresh.get(at + 1..), Some([b'\n', ..] | [b'\r', b'\n', ..])))
        };
        before == 0 || passed(self.line_limit) || passed(self.head_limit) || empty_line()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, line_limit: usize, head_limit: usize, expected: &[usize]) {
        let mut scan = HeadScan::new(line_limit, head_limit);
        let parsed: Vec<usize> =
            (1..=head.len()).filter(|&n| scan.is_worth_parsing(&head.as_bytes()[..n])).collect();
        assert_eq!(parsed, expected, "{head:.40}");
    }

    #[test]
    fn a_trickling_head_is_parsed_when_it_can_be_complete_or_is_too_long() {
        let head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        check(head, 1000, 1000, &[1, head.len()]);
        check(&head.replace('\r', ""), 1000, 1000, &[1, head.len() - 3]);
        check(&format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(3000)), 1000, 2000, &[1, 1004, 2001]);
    }
}
