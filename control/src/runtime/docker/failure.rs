//! What an engine, or the way to it, answered instead: as the caller's next step.

use bollard::errors::Error;

use super::RuntimeError;

/// The longest reason that is passed on, in characters.
const LONGEST: usize = 500;
/// What servers made with Go say in plain to who does not speak TLS.
const WANTS_TLS: &str = "HTTP request to an HTTPS server";
/// After these, what a runtime under the engine says begins.
const BEFORE_THE_REASON: [&str; 3] = [
    "starting container process caused: ",
    "unable to start container process: ",
    "error during container init: ",
];

/// What was asked about.
#[derive(Debug, Clone, Copy)]
pub(super) enum About<'a> {
    /// The engine itself.
    Engine,
    /// A container that is there, by its identifier.
    Container(&'a str),
    /// A container to be made: its name and its image.
    New(&'a str, &'a str),
    /// An image to be fetched.
    Image(&'a str),
    /// An image to be sent.
    Sent(&'a str),
}

/// The error at `engine`, an URL, while asked `about` something.
pub(super) fn failure(error: Error, engine: &str, about: About<'_>) -> RuntimeError {
    match error {
        Error::DockerResponseServerError { message, .. } if message.contains(WANTS_TLS) => {
            RuntimeError::Unreachable(format!(
                "{engine}: it wants TLS; set control.tls_ca, tls_cert and tls_key, and do not name it in \
                 control.plain_engines"
            ))
        }
        Error::DockerResponseServerError { status_code, message } => refused(status_code, &message, about),
        Error::DockerStreamError { error } => refused(500, &error, about),
        Error::RequestTimeoutError => RuntimeError::Unreachable(format!("{engine}: no answer in time")),
        Error::JsonDataError { message, .. } => not_understood(engine, &message),
        Error::JsonSerdeError { err } => not_understood(engine, &err),
        Error::APIVersionParseError {} => {
            not_understood(engine, &"it does not say which version of the API it speaks")
        }
        other => RuntimeError::Unreachable(format!("{engine}: {}", innermost(&other))),
    }
}

fn not_understood(engine: &str, why: &dyn std::fmt::Display) -> RuntimeError {
    RuntimeError::Refused(format!("{engine}: the answer is not understood: {why}; is it a Docker engine?"))
}

fn refused(status: u16, message: &str, about: About<'_>) -> RuntimeError {
    let reason = readable(message);
    let lower = reason.to_lowercase();
    match about {
        About::Container(id) if status == 404 && lower.contains("no such container") => {
            RuntimeError::NoContainer(id.to_owned())
        }
        About::New(name, _) if status == 409 && lower.contains("already in use") => {
            RuntimeError::Taken(name.to_owned())
        }
        About::New(_, image) if status == 404 && lower.contains("no such image") => RuntimeError::NoImage {
            image: image.to_owned(),
            reason: "the engine does not have it; pull it, or push it to where it is pulled from".to_owned(),
        },
        About::Image(image) => {
            RuntimeError::NoImage { image: image.to_owned(), reason: with_remedy(&reason, &lower) }
        }
        About::Sent(image) => unsent(image, &reason, &lower),
        _ => RuntimeError::Refused(reason),
    }
}

/// What to do about an image that cannot be sent.
fn unsent(image: &str, reason: &str, lower: &str) -> RuntimeError {
    if ["does not exist locally", "no such image"].iter().any(|words| lower.contains(words)) {
        let reason = "the engine does not have it; build it there, or tag it so".to_owned();
        return RuntimeError::NoImage { image: image.to_owned(), reason };
    }
    let reason = with_remedy(reason, lower);
    RuntimeError::Refused(format!("image {image} was not sent: {reason}"))
}

/// What to do about an image that cannot be fetched.
fn with_remedy(reason: &str, lower: &str) -> String {
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let remedy = if has(&["unauthorized", "denied", "authentication required", "no basic auth"]) {
        "; is its name right, and did `docker login` keep credentials for its registry?"
    } else if has(&["x509:", "certificate"]) {
        "; give the engine its registry's authority (on its host: /etc/docker/certs.d/REGISTRY/ca.crt)"
    } else if has(&["http response to https client"]) {
        "; the registry does not speak TLS: let it, or start the engine with --insecure-registry"
    } else if has(&["not found", "manifest unknown", "does not exist", "name unknown"]) {
        "; push it, or correct its name"
    } else {
        "; can the engine reach its registry?"
    };
    format!("{reason}{remedy}")
}

/// One line of what is said, as short as it can be without losing the reason.
pub(super) fn readable(message: &str) -> String {
    let line = message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it does not say why");
    let start = BEFORE_THE_REASON.iter().filter_map(|before| Some(line.rfind(before)? + before.len())).max();
    let reason = line.get(start.unwrap_or(0)..).unwrap_or(line);
    reason.strip_suffix(": unknown").unwrap_or(reason).chars().take(LONGEST).collect()
}

/// The cause of the causes: clients wrap `Connection refused` in three layers that say less.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_by_what_the_caller_does_next() {
        let check = |status_code, message: &str, about, expected: &str| {
            let error = Error::DockerResponseServerError { status_code, message: message.to_owned() };
            assert_eq!(format!("{:?}", failure(error, "unix:///d.sock", about)), expected);
        };
        let new = About::New("web-1", "web:2");

        check(404, "No such container: c1", About::Container("c1"), r#"NoContainer("c1")"#);
        check(
            409,
            "Conflict. The container name \"/web-1\" is already in use by container \"c1\".",
            new,
            r#"Taken("web-1")"#,
        );
        check(
            404,
            "No such image: web:2",
            new,
            r#"NoImage { image: "web:2", reason: "the engine does not have it; pull it, or push it to where it is pulled from" }"#,
        );
        check(400, "invalid mount config\nsecond line", new, r#"Refused("invalid mount config")"#);
        check(
            400,
            "OCI runtime create failed: container_linux.go:380: starting container process caused: exec: \"x\": executable file not found in $PATH: unknown",
            About::Container("c1"),
            r#"Refused("exec: \"x\": executable file not found in $PATH")"#,
        );
        check(500, "", About::Engine, r#"Refused("it does not say why")"#);
    }

    #[test]
    fn an_image_that_cannot_be_fetched_comes_with_a_remedy() {
        let check = |error: &str, expected: &str| {
            let error = Error::DockerStreamError { error: error.to_owned() };
            let said = failure(error, "unix:///d.sock", About::Image("web:2")).to_string();
            assert!(said.starts_with("there is no image web:2: ") && said.contains(expected), "{said}");
        };

        check("manifest for r/web:2 not found: manifest unknown", "; push it, or correct its name");
        check("pull access denied for web", "`docker login`");
        check(
            "Get \"https://r/v2/\": x509: certificate signed by unknown authority",
            "certs.d/REGISTRY/ca.crt",
        );
        check("http: server gave HTTP response to HTTPS client", "--insecure-registry");
        check(
            "Get \"https://r/v2/\": dial tcp: lookup r: no such host",
            "can the engine reach its registry?",
        );
    }

    #[test]
    fn an_image_that_cannot_be_sent_comes_with_a_remedy() {
        let check = |error: &str, expected: &str| {
            let error = Error::DockerStreamError { error: error.to_owned() };
            assert_eq!(failure(error, "unix:///d.sock", About::Sent("r/web:2")).to_string(), expected);
        };

        check(
            "An image does not exist locally with the tag: r/web",
            "there is no image r/web:2: the engine does not have it; build it there, or tag it so",
        );
        check(
            "no basic auth credentials",
            "image r/web:2 was not sent: no basic auth credentials; is its name right, and did `docker login` keep \
             credentials for its registry?",
        );
    }

    #[test]
    fn what_cannot_be_reached_is_named_with_the_cause() {
        let refused = Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));

        let said = failure(refused, "tcp://node:2376", About::Engine).to_string();

        assert_eq!(said, "the engine cannot be reached: tcp://node:2376: connection refused");
    }
}
