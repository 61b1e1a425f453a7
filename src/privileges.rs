//! Becoming somebody else once the listeners are bound: after this, root's rights are gone for good.

use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User, chown, geteuid, initgroups, setgid, setgroups, setuid};

use crate::config::Settings;

/// Whom to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    uid: Uid,
    gid: Gid,
    /// The user's name, for its other groups; a bare number has none.
    name: Option<String>,
}

/// Why nobody else can be become.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    /// Nobody is called so.
    #[error(
        "there is no {kind} {name:?} on this machine; create it, name another (`{kind}`), or write \"root\" to stay root"
    )]
    Unknown {
        /// `user` or `group`.
        kind: &'static str,
        /// As it was written.
        name: String,
    },
    /// The system refused.
    #[error("cannot become {what}: {error}")]
    Refused {
        /// User or group, and which.
        what: String,
        /// What the system said.
        error: nix::Error,
    },
}

/// Whom the settings want us to become. `None`: we are not root, or shall stay as we are.
pub(crate) fn wanted(settings: &Settings) -> Result<Option<Identity>, IdentityError> {
    let Some(user) = settings.user.as_deref().filter(|_| geteuid().is_root()) else { return Ok(None) };
    let found = find_user(user)?;
    let (uid, own_gid, name) = match &found {
        Some(user) => (user.uid, Some(user.gid), Some(user.name.clone())),
        None => (Uid::from_raw(number("user", user)?), None, None),
    };
    let gid = match (settings.group.as_deref(), own_gid) {
        (Some(group), _) => find_group(group)?,
        (None, Some(own)) => own,
        (None, None) => Gid::from_raw(uid.as_raw()),
    };
    Ok((!uid.is_root()).then_some(Identity { uid, gid, name }))
}

impl Identity {
    /// Gives a file or folder to whom we shall become.
    pub(crate) fn own(&self, path: &Path) -> Result<(), IdentityError> {
        chown(path, Some(self.uid), Some(self.gid)).map_err(|error| IdentityError::Refused {
            what: format!("the owner of {}", path.display()),
            error,
        })
    }

    /// Becomes it: groups first, while we still may.
    pub(crate) fn become_it(&self) -> Result<(), IdentityError> {
        let refused = |what: &str, id: u32| {
            let what = format!("{what} {id}");
            move |error| IdentityError::Refused { what, error }
        };
        let name = self.name.as_ref().and_then(|name| std::ffi::CString::new(name.as_str()).ok());
        match name {
            Some(name) => initgroups(&name, self.gid),
            None => setgroups(&[self.gid]),
        }
        .map_err(refused("member of the groups of", self.gid.as_raw()))?;
        setgid(self.gid).map_err(refused("group", self.gid.as_raw()))?;
        setuid(self.uid).map_err(refused("user", self.uid.as_raw()))?;
        tracing::info!(uid = self.uid.as_raw(), gid = self.gid.as_raw(), "no longer root");
        Ok(())
    }
}

fn number(kind: &'static str, name: &str) -> Result<u32, IdentityError> {
    name.parse().map_err(|_| IdentityError::Unknown { kind, name: name.to_owned() })
}

fn find_user(name: &str) -> Result<Option<User>, IdentityError> {
    let found = match name.parse() {
        Ok(uid) => User::from_uid(Uid::from_raw(uid)),
        Err(_) => User::from_name(name),
    };
    found.map_err(|error| IdentityError::Refused { what: format!("user {name}"), error })
}

fn find_group(name: &str) -> Result<Gid, IdentityError> {
    if let Ok(gid) = name.parse() {
        return Ok(Gid::from_raw(gid));
    }
    let found = Group::from_name(name)
        .map_err(|error| IdentityError::Refused { what: format!("group {name}"), error })?;
    found
        .map(|group| group.gid)
        .ok_or_else(|| IdentityError::Unknown { kind: "group", name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(user: &str, group: Option<&str>) -> Result<Option<Identity>, String> {
        let settings =
            Settings { user: Some(user.into()), group: group.map(Into::into), ..Settings::default() };
        wanted(&settings).map_err(|error| error.to_string())
    }

    #[test]
    fn users_are_found_by_name_and_number() {
        if !geteuid().is_root() {
            assert_eq!(wants("nobody", None), Ok(None), "only root can become somebody else");
            return;
        }
        assert_eq!(wants("root", None), Ok(None));
        assert_eq!(wants("0", None), Ok(None));
        let named = wants("nobody", None).unwrap().unwrap();
        let numbered = wants(&named.uid.to_string(), None).unwrap().unwrap();
        assert_eq!(named, numbered);
        let stranger = wants("4000000", Some("4000001")).unwrap().unwrap();
        assert_eq!((stranger.uid.as_raw(), stranger.gid.as_raw()), (4_000_000, 4_000_001));
        let error = wants("no-such-user", None).unwrap_err();
        assert!(error.starts_with("there is no user \"no-such-user\""), "{error}");
        let error = wants("nobody", Some("no-such-group")).unwrap_err();
        assert!(error.starts_with("there is no group \"no-such-group\""), "{error}");
    }
}
