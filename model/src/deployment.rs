//! How far the present version of a service has come.

use std::fmt;

use crate::fact::FactKey;
use crate::label::ServiceName;
use crate::revision::Revision;
use crate::service::Service;

/// How a service is launched, in a few digits: instances of the same version need not be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(u64);

/// How far the present version of a service has come. The controller says it, and nobody else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Deployment {
    /// Of which service.
    pub service: ServiceName,
    /// The version that is wanted.
    pub version: Version,
    /// The revision at which the service was said to be of this version.
    pub revision: Revision,
    /// How far it has come.
    pub state: DeploymentState,
    /// Why it is not done, or has failed; with the remedy, where there is one. Empty: there is nothing to say.
    pub reason: Box<str>,
    /// How many ran when nothing was being replaced last, where there may be more than the least: so many are kept meanwhile. Else 0.
    pub instances: u16,
    /// How far the version that is tried beside it has come; `None`: none is.
    pub canary: Option<CanaryDeployment>,
    /// The service as it was when a version of it was healthy last: what runs when this one fails.
    pub stable: Option<Box<Service>>,
    /// The stable one before that, to which an operator goes back.
    pub previous: Option<Box<Service>>,
}

/// How far a canary has come.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CanaryDeployment {
    /// The version that is tried.
    pub version: Version,
    /// How far it has come: a failed one runs no more.
    pub state: DeploymentState,
    /// Why it is not done, or has failed. Empty: there is nothing to say.
    pub reason: Box<str>,
}

/// How far a version has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum DeploymentState {
    /// It is on its way. The default.
    #[default]
    Progressing,
    /// As many instances as are wanted are healthy, and of this version.
    Done,
    /// It was not healthy in time: the stable one runs, where there is one, until the service says something new.
    Failed,
}

impl DeploymentState {
    /// `progressing`, `done` or `failed`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Progressing => "progressing",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

impl Deployment {
    /// The key under which a registry keeps it.
    pub fn key(&self) -> FactKey {
        FactKey::Deployment(self.service.clone())
    }
}

impl Version {
    /// The version with these digits.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let fine = text.len() == 16 && text.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'));
        fine.then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for Version {
    /// 16 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Service {
    /// The version of it: of all that makes a container another one. What is decided without a container (how many, where, how they are
    /// checked and ended, how they are replaced, what is tried beside them) is no part of it. `None`: it is never launched.
    ///
    /// It is the same in every release, since labels of containers carry it.
    pub fn version(&self) -> Option<Version> {
        let launch = self.launch.as_deref()?;
        let mut digest = Digest::default();
        digest.text("image", launch.image.as_str());
        for (what, words) in [("command", &launch.command), ("entrypoint", &launch.entrypoint)] {
            words.iter().flat_map(|words| words.iter()).for_each(|word| digest.text(what, word));
        }
        launch.environment.iter().for_each(|(name, value)| digest.pair("environment", name, value));
        launch.labels.iter().for_each(|(name, value)| digest.pair("label", name, value));
        for volume in &launch.volumes {
            let mode = if volume.read_only { "ro" } else { "rw" };
            digest.pair("volume", &volume.source.to_string(), &format!("{}:{mode}", volume.target()));
        }
        launch.user.iter().for_each(|user| digest.text("user", user));
        launch.working_dir.iter().for_each(|path| digest.text("working_dir", path));
        launch.resources.cpu().iter().for_each(|cpu| digest.text("cpu", &cpu.to_string()));
        launch.resources.memory().iter().for_each(|memory| digest.text("memory", &memory.to_string()));
        launch.stop.signal.iter().for_each(|signal| digest.text("signal", signal.name()));
        for port in &self.ports {
            digest.pair("port", port.name.as_str(), &format!("{}/{:?}", port.port, port.protocol));
        }
        if launch.restarts > 0 {
            digest.text("restarts", &launch.restarts.to_string());
        }
        Some(Version(digest.0))
    }
}

/// FNV-1a of 64 bits (Fowler, Noll, Vo) over texts, each with its length before it.
struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    fn octets(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = (self.0 ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn text(&mut self, what: &str, text: &str) {
        for part in [what, text] {
            self.octets(&(part.len() as u64).to_be_bytes());
            self.octets(part.as_bytes());
        }
    }

    fn pair(&mut self, what: &str, name: &str, value: &str) {
        self.text(what, name);
        self.text("", value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::{Environment, Image, Instances, Launch, Words};

    fn service(change: impl FnOnce(&mut Launch)) -> Service {
        let mut launch = Launch::new(Image::parse("web:1").expect("an image"));
        change(&mut launch);
        let name = ServiceName::parse("web").expect("a name");
        Service { launch: Some(Box::new(launch)), ..Service::new(name) }
    }

    fn version(change: impl FnOnce(&mut Launch)) -> Version {
        service(change).version().expect("it is launched")
    }

    #[test]
    fn a_version_is_the_same_in_every_release() {
        let full = |launch: &mut Launch| {
            launch.command = Words::new(["httpd".to_owned(), "-f".to_owned()]).ok();
            launch.environment =
                Environment::new([("A".to_owned(), "1".to_owned())]).expect("an environment");
        };

        assert_eq!(version(|_| {}).to_string(), "692fb9002abb256b");
        assert_eq!(version(full).to_string(), "238b84c8bfa9a537");
    }

    #[test]
    fn only_what_makes_another_container_makes_another_version() {
        let one = version(|_| {});

        assert_eq!(version(|launch| launch.instances = Instances::new(3, 5).expect("a range")), one);
        assert_eq!(version(|launch| launch.active = false), one);
        assert_ne!(version(|launch| launch.restarts = 1), one);
        assert_ne!(version(|launch| launch.image = Image::parse("web:2").expect("an image")), one);
        let words = |words: &[&str]| Words::new(words.iter().map(|word| (*word).to_owned())).ok();
        let joined = version(|launch| launch.command = words(&["a b"]));
        assert_ne!(version(|launch| launch.command = words(&["a", "b"])), joined);
        assert_ne!(version(|launch| launch.entrypoint = words(&["a b"])), joined);
    }

    #[test]
    fn digits_are_read_back() {
        let version = Version::new(0x0123_4567_89ab_cdef);
        assert_eq!(Version::parse(&version.to_string()), Some(version));
        for wrong in ["", "123", "0123456789ABCDEF", "0123456789abcdeg"] {
            assert_eq!(Version::parse(wrong), None, "{wrong}");
        }
    }
}
