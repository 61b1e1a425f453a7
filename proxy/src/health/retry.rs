//! Whether a failed attempt may be repeated with another endpoint.

use super::budget::RetryBudget;

/// How much of the request left for the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sent {
    /// Not one octet was handed to the connection.
    Nothing,
    /// Octets of the head, perhaps all of them.
    Head,
    /// Octets of the body too.
    Body,
}

/// What is left of the request's body on our side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestBody {
    /// There is none, or all of it that was taken from the client is still here.
    Whole,
    /// Some of it is gone for good.
    Gone,
}

/// A failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// How much of the request left for the endpoint.
    pub sent: Sent,
    /// The method is idempotent (RFC 9110 §9.2.2).
    pub idempotent: bool,
    /// What is left to send again.
    pub body: RequestBody,
    /// Octets of an answer (a 1xx too) already went to the client.
    pub answered: bool,
    /// Attempts made so far, this one included.
    pub attempts: usize,
    /// There is another endpoint to try.
    pub another: bool,
}

/// Why an attempt is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoRetry {
    /// The client already has a part of an answer.
    #[error("an answer had begun")]
    Answered,
    /// It may have had its effect, and a second one would not be harmless.
    #[error("the request was sent and its method is not idempotent")]
    NotIdempotent,
    /// It could not be sent again.
    #[error("the request's body was not kept")]
    BodyGone,
    /// No endpoint is left that was not tried.
    #[error("no other endpoint is left")]
    NoOther,
    /// As many as configured (`retries`).
    #[error("the retries of this request are used up")]
    Exhausted,
    /// The thread's budget.
    #[error("the retry budget is used up")]
    Budget,
}

/// Whether `attempt` may be repeated: `retries` is the most for one request; the budget is charged only for a yes.
///
/// # Errors
/// [`NoRetry`] says why not.
pub fn may_retry(
    attempt: Attempt,
    retries: usize,
    budget: &mut RetryBudget,
    now_ms: u64,
) -> Result<(), NoRetry> {
    if attempt.answered {
        return Err(NoRetry::Answered);
    }
    if attempt.sent != Sent::Nothing && !attempt.idempotent {
        return Err(NoRetry::NotIdempotent);
    }
    if attempt.body == RequestBody::Gone {
        return Err(NoRetry::BodyGone);
    }
    if attempt.attempts > retries {
        return Err(NoRetry::Exhausted);
    }
    if !attempt.another {
        return Err(NoRetry::NoOther);
    }
    if budget.try_withdraw(now_ms) { Ok(()) } else { Err(NoRetry::Budget) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIRST: Attempt = Attempt {
        sent: Sent::Nothing,
        idempotent: false,
        body: RequestBody::Whole,
        answered: false,
        attempts: 1,
        another: true,
    };

    fn check(attempt: Attempt, expected: Result<(), NoRetry>) {
        let mut budget = RetryBudget::new(20, 10);
        assert_eq!(may_retry(attempt, 3, &mut budget, 0), expected, "{attempt:?}");
    }

    #[test]
    fn each_obstacle_has_its_name() {
        check(FIRST, Ok(()));
        check(Attempt { sent: Sent::Head, idempotent: true, ..FIRST }, Ok(()));
        check(Attempt { sent: Sent::Body, idempotent: true, ..FIRST }, Ok(()));
        check(Attempt { sent: Sent::Head, ..FIRST }, Err(NoRetry::NotIdempotent));
        check(
            Attempt { sent: Sent::Body, idempotent: true, body: RequestBody::Gone, ..FIRST },
            Err(NoRetry::BodyGone),
        );
        check(Attempt { answered: true, idempotent: true, ..FIRST }, Err(NoRetry::Answered));
        check(Attempt { attempts: 3, ..FIRST }, Ok(()));
        check(Attempt { attempts: 4, ..FIRST }, Err(NoRetry::Exhausted));
        check(Attempt { another: false, ..FIRST }, Err(NoRetry::NoOther));
    }

    #[test]
    fn a_no_costs_no_budget() {
        let mut budget = RetryBudget::new(0, 1);
        let posted = Attempt { sent: Sent::Head, ..FIRST };
        let last = Attempt { another: false, ..FIRST };
        assert_eq!(may_retry(last, 3, &mut budget, 0), Err(NoRetry::NoOther));
        assert_eq!(may_retry(posted, 3, &mut budget, 0), Err(NoRetry::NotIdempotent));
        assert_eq!(may_retry(FIRST, 3, &mut budget, 0), Ok(()));
        assert_eq!(may_retry(FIRST, 3, &mut budget, 0), Err(NoRetry::Budget));
    }

    fn attempts() -> impl Strategy<Value = Attempt> {
        let sent = prop_oneof![Just(Sent::Nothing), Just(Sent::Head), Just(Sent::Body)];
        let body = prop_oneof![Just(RequestBody::Whole), Just(RequestBody::Gone)];
        (sent, any::<bool>(), body, any::<bool>(), 1usize..10, any::<bool>()).prop_map(
            |(sent, idempotent, body, answered, attempts, another)| Attempt {
                sent,
                idempotent,
                body,
                answered,
                attempts,
                another,
            },
        )
    }

    proptest! {
        #[test]
        fn what_may_have_had_its_effect_is_never_sent_twice(attempt in attempts(), retries in 0usize..10) {
            let mut budget = RetryBudget::new(100, u32::MAX);
            let again = may_retry(attempt, retries, &mut budget, 0).is_ok();
            let harmless = attempt.sent == Sent::Nothing || attempt.idempotent;
            let possible = attempt.body == RequestBody::Whole && !attempt.answered;
            let left = attempt.attempts <= retries && attempt.another;
            prop_assert_eq!(again, harmless && possible && left);
        }
    }
}
