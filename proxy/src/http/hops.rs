//! The way of a request over several proxies: who passed it on (`Via`), and how many more may (`Max-Forwards`).

use super::error::RequestError;
use super::fields::FieldName;
use super::method::Method;
use super::request::RequestHead;

impl RequestHead {
    /// True when a proxy that calls itself `name` passed the request on before (RFC 9110 §7.6.3), also where `Connection` would
    /// hide it.
    pub fn came_through(&self, buf: &[u8], name: &str) -> bool {
        let is_via = |field: &&super::fields::Field| field.class == FieldName::Via;
        self.fields.summary.via
            && self.fields.list.iter().filter(is_via).any(|field| names(field.value.get(buf), name))
    }

    /// How many proxies may still pass an OPTIONS or TRACE on (RFC 9110 §7.6.2); `None`: any number, as for every other method.
    /// Of several the lowest; one that is too large to count is the largest there is.
    ///
    /// # Errors
    /// The field is no number.
    pub fn hops_left(&self, buf: &[u8]) -> Result<Option<u32>, RequestError> {
        if !self.counts_hops() {
            return Ok(None);
        }
        let mut left = None;
        for field in self.fields.list.iter().filter(|field| field.class == FieldName::MaxForwards) {
            let digits = field.value.get(buf);
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return Err(RequestError::BadRequest("Max-Forwards is no number"));
            }
            let add = |sum: u32, digit: &u8| sum.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
            let number = digits.iter().fold(0, add);
            left = Some(left.map_or(number, |left: u32| left.min(number)));
        }
        Ok(left)
    }

    /// True for the methods whose `Max-Forwards` means something.
    pub(super) fn counts_hops(&self) -> bool {
        matches!(self.method(), Method::Options | Method::Trace)
    }
}

/// True when one element of the list is received by `name`: `[protocol "/"] version received-by [comment]`.
fn names(list: &[u8], name: &str) -> bool {
    list.split(|&b| b == b',').any(|element| {
        let mut words = element.split(|b| matches!(b, b' ' | b'\t')).filter(|word| !word.is_empty());
        words.nth(1).is_some_and(|by| by.eq_ignore_ascii_case(name.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Limits, write_request};

    fn parsed(request: &str) -> RequestHead {
        let mut head = RequestHead::new();
        let limits = Limits { request_line: 1000, head: 1000, headers: 16 };
        head.parse(request.as_bytes(), &limits).expect("well-formed");
        head
    }

    fn came(fields: &str, expected: bool) {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        assert_eq!(parsed(&request).came_through(request.as_bytes(), "me-1"), expected, "{fields:?}");
    }

    #[test]
    fn whom_via_names_passed_it_on() {
        came("", false);
        came("Via: 1.1 me-1\r\n", true);
        came("VIA: 1.0 a, HTTP/1.1\tme-1 (comment)\r\n", true);
        came("Via: 1.1 a\r\nVia: 1.1 ME-1\r\n", true);
        came("Via: 1.1 me-1\r\nConnection: via\r\n", true);
        came("Via: 1.1 me-12, 1.1 a (me-1), me-1\r\nX-Via: 1.1 me-1\r\n", false);
        came("Via: ,\r\n", false);
    }

    fn left(method: &str, fields: &str, expected: Result<Option<u32>, ()>, written: Option<&str>) {
        let request = format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let (head, octets) = (parsed(&request), request.as_bytes());
        assert_eq!(head.hops_left(octets).map_err(drop), expected, "{method} {fields:?}");
        let mut out = Vec::new();
        write_request(&head, octets, &[], &[], &mut out);
        let out = String::from_utf8(out).expect("text");
        let passed: Vec<_> = out.lines().filter_map(|line| line.strip_prefix("Max-Forwards: ")).collect();
        assert_eq!(passed, written.into_iter().collect::<Vec<_>>(), "{method} {fields:?}");
    }

    #[test]
    fn hops_are_counted_down_for_options_and_trace_alone() {
        left("OPTIONS", "", Ok(None), None);
        left("OPTIONS", "Max-Forwards: 0\r\n", Ok(Some(0)), Some("0"));
        left("OPTIONS", "max-forwards: 10\r\n", Ok(Some(10)), Some("9"));
        left("TRACE", "Max-Forwards: 3\r\nMax-Forwards: 2\r\n", Ok(Some(2)), Some("1"));
        left("TRACE", "Max-Forwards: 99999999999\r\n", Ok(Some(u32::MAX)), Some("4294967294"));
        left("OPTIONS", "Max-Forwards: -1\r\n", Err(()), None);
        left("OPTIONS", "Max-Forwards:\r\n", Err(()), None);
        left("GET", "Max-Forwards: 0\r\n", Ok(None), Some("0"));
    }
}
