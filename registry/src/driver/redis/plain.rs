//! Redis' errors in plain words: what is wrong, without its quoting, its wrapping of scripts and their hashes.

use redis::{ErrorKind, RedisError};

/// An error as operators see it; Redis' own code stays, in brackets, for whoever searches for it.
pub(super) fn describe(error: &RedisError) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    if error.kind() == ErrorKind::AuthenticationFailed {
        return error.detail().map_or_else(|| words("WRONGPASS", ""), str::to_owned);
    }
    match (error.code(), error.detail()) {
        (Some(code), detail) => words(code, detail.unwrap_or_default()),
        (None, _) => error.to_string(),
    }
}

fn words(code: &str, detail: &str) -> String {
    let (code, detail) = unwrapped(code, detail);
    let said = match code {
        "WRONGPASS" => "Redis refuses the user name or the password",
        "NOAUTH" => "Redis asks for a password",
        "OOM" => "Redis' memory is full up to its maxmemory",
        "MISCONF" => "Redis cannot save to its disk and takes no writes until it can",
        "READONLY" => "it is a replica, which takes no writes",
        "LOADING" => "Redis is still loading its data",
        "MASTERDOWN" => "it is a replica without its primary",
        "BUSY" => "Redis is busy with a script",
        "ERR" if !detail.is_empty() => return detail.to_owned(),
        "NOPERM" if !detail.is_empty() => return format!("{detail} (NOPERM)"),
        _ if detail.is_empty() => return code.to_owned(),
        _ => detail,
    };
    format!("{said} ({code})")
}

/// The code and the words behind what Redis puts around them when a script met them.
fn unwrapped<'t>(code: &'t str, detail: &'t str) -> (&'t str, &'t str) {
    // Since 7: `… script: 4e6c…, on @user_script:35.` behind them.
    let detail = detail.split(" script: ").next().unwrap_or(detail).trim_end_matches('.').trim();
    // Before 7: `Error running script (call to f_4e6c…): @user_script:35: @user_script: 35: -OOM …`.
    let wrapped = detail.starts_with("Error running script").then(|| detail.rfind("@user_script")).flatten();
    let Some(inner) = wrapped.and_then(|at| detail[at..].splitn(3, ':').nth(2)) else {
        return (code, detail);
    };
    let inner = inner.trim().trim_start_matches('-');
    match inner.split_once(' ') {
        Some((code, detail)) if code.chars().all(|c| c.is_ascii_uppercase()) => (code, detail),
        _ => (code, inner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &str, detail: &str, expected: &str) {
        assert_eq!(words(code, detail), expected, "{code} {detail}");
    }

    #[test]
    fn errors_are_said_without_quoting_and_script_hashes() {
        let refused = "Redis refuses the user name or the password (WRONGPASS)";
        check("WRONGPASS", "invalid username-password pair or user is disabled.", refused);
        check("NOAUTH", "Authentication required.", "Redis asks for a password (NOAUTH)");
        let full = "Redis' memory is full up to its maxmemory (OOM)";
        let script = "script: 4e6cd1b2, on @user_script:35.";
        check("OOM", &format!("command not allowed when used memory > 'maxmemory'. {script}"), full);
        let older = "Error running script (call to f_4e6cd1b2): @user_script:35: @user_script: 35: -OOM command not allowed";
        check("ERR", older, full);
        let wrong = "Operation against a key holding the wrong kind of value";
        check("WRONGTYPE", &format!("{wrong} {script}"), &format!("{wrong} (WRONGTYPE)"));
        check(
            "NOPERM",
            "User a has no permissions to run the 'get' command",
            "User a has no permissions to run the 'get' command (NOPERM)",
        );
        check("ERR", "unknown command 'HELLO'", "unknown command 'HELLO'");
        check("XYZ", "", "XYZ");
    }
}
