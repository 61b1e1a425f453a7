//! Which answers count as the death of an endpoint.

/// True when an answer with this status marks its endpoint dead.
///
/// As hipache: from 501 up; 500 too, but only when configured (`deadBackendOn500`) while an active checker runs that
/// would bring the endpoint back. A 503 with `Retry-After` is an endpoint that speaks for itself and stays.
pub const fn verdict(status: u16, has_retry_after: bool, dead_on_500: bool, active_checker: bool) -> bool {
    match status {
        0..500 => false,
        500 => dead_on_500 && active_checker,
        503 => !has_retry_after,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, retry_after: bool, on_500: bool, checker: bool, expected: bool) {
        let is = verdict(status, retry_after, on_500, checker);
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
}
