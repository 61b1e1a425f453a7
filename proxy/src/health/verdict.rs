//! Which answers count as the death of an endpoint.

use crate::http::Method;

/// True when an answer with this status marks its endpoint dead.
///
/// As hipache: from 501 up; 500 too, but only when configured (`deadBackendOn500`) while an active checker runs that
/// would bring the endpoint back. A 503 with `Retry-After` is an endpoint that speaks for itself and stays. So does one whose
/// answer speaks of the request alone, which clients could bury all endpoints with: a 508 (the request came round to somebody
/// who had it before), and a 501 to a `method` that not every origin has to know (all know GET and HEAD, RFC 9110 §9.1).
pub const fn verdict(
    status: u16,
    method: Method,
    has_retry_after: bool,
    dead_on_500: bool,
    active_checker: bool,
) -> bool {
    match status {
        0..500 | 508 => false,
        500 => dead_on_500 && active_checker,
        501 => matches!(method, Method::Get | Method::Head),
        503 => !has_retry_after,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, retry_after: bool, on_500: bool, checker: bool, expected: bool) {
        let is = verdict(status, Method::Get, retry_after, on_500, checker);
        assert_eq!(
            is, expected,
            "status {status}, Retry-After {retry_after}, on 500 {on_500}, checker {checker}"
        );
    }

    #[test]
    fn answers_of_a_living_endpoint_do_not_bury_it() {
        for status in [100, 200, 304, 404, 499] {
            check(status, false, true, true, false);
        }
    }

    #[test]
    fn a_500_counts_only_when_configured_and_checked() {
        check(500, false, true, true, true);
        check(500, false, true, false, false);
        check(500, false, false, true, false);
        check(500, false, false, false, false);
    }

    #[test]
    fn above_500_all_but_a_503_that_says_when_to_come_back() {
        for status in [501, 502, 504, 511, 599] {
            check(status, false, false, false, true);
            check(status, true, false, false, true);
        }
        check(503, false, false, false, true);
        check(503, true, true, true, false);
    }

    #[test]
    fn what_speaks_of_the_request_alone_buries_nobody() {
        check(508, false, true, true, false);
        for (method, expected) in
            [(Method::Head, true), (Method::Post, false), (Method::Other(Default::default()), false)]
        {
            assert_eq!(verdict(501, method, false, true, true), expected, "{method:?}");
        }
    }
}
