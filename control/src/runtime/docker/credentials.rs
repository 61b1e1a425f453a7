//! Credentials for an image's registry, from where `docker login` keeps them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use model::launch::Image;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use crate::process::Group;

/// What Docker's own registry is called there.
const HUB: &str = "https://index.docker.io/v1/";
/// What it is called in the names of images, where it is called at all.
const HUB_NAMES: [&str; 2] = ["docker.io", "index.docker.io"];
/// The longest answer of a helper, in octets.
const MOST_HELP: u64 = 64 << 10;
/// What helpers say of what they do not have.
const HAS_NONE: &str = "credentials not found";
/// The user name of those who have a token.
const TOKEN: &str = "<token>";

/// `~/.docker/config.json`, what of it matters here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Kept {
    auths: BTreeMap<String, Entry>,
    #[serde(rename = "credsStore")]
    store: Option<String>,
    #[serde(rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    /// `user:password` in base64.
    auth: String,
    identitytoken: String,
}

/// What `docker-credential-… get` answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Helped {
    username: String,
    secret: String,
}

/// The credentials for `image` in the file at `path`; `None`: there are none, and the registry is asked without. `timeout`: how long a
/// helper may take.
///
/// # Errors
/// A text that says which file, or which helper, does not answer.
pub(super) async fn credentials(
    path: &Path,
    image: &Image,
    timeout: Duration,
) -> Result<Option<DockerCredentials>, String> {
    let text = match tokio::fs::read(path).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|error| format!("{}: {error}", path.display()))?,
    };
    let kept: Kept = serde_json::from_slice(&text)
        .map_err(|error| format!("{}: {}; `docker login` writes it anew", path.display(), place(&error)))?;
    let registry = registry(image);
    if let Some(helper) =
        meant(&kept.helpers, registry).or(kept.store.as_ref()).filter(|helper| !helper.is_empty())
    {
        let asked = tokio::time::timeout(timeout, ask(helper, registry)).await;
        let late = |_| Err(format!("docker-credential-{helper} gave no answer in {timeout:?}"));
        return asked.unwrap_or_else(late).map_err(|reason| {
            format!(
                "{reason}; {} names this helper: does it work as the user of this process?",
                path.display()
            )
        });
    }
    Ok(meant(&kept.auths, registry).and_then(|entry| read(entry, registry)))
}

/// What is kept of a registry: by its very name, else by the first one that leads there. `docker login` keeps other tokens of Docker's own
/// registry beside.
fn meant<'a, T>(kept: &'a BTreeMap<String, T>, registry: &str) -> Option<&'a T> {
    let leads_there = || kept.iter().find(|(name, _)| bare(name) == bare(registry));
    kept.get(registry).or_else(|| leads_there().map(|(_, kept)| kept))
}

/// A registry by what leads to it alone: entries may be URLs.
fn bare(name: &str) -> &str {
    let name = name.trim_start_matches("https://").trim_start_matches("http://");
    name.split('/').next().unwrap_or(name)
}

/// Where it is wrong, and nothing of what is there: that may be a secret.
fn place(error: &serde_json::Error) -> String {
    format!("it is not understood (line {}, column {})", error.line(), error.column())
}

/// What an image's registry is called where credentials are kept.
fn registry(image: &Image) -> &str {
    match image.name().split_once('/') {
        Some((first, _)) if HUB_NAMES.contains(&first) => HUB,
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ => HUB,
    }
}

fn read(entry: &Entry, registry: &str) -> Option<DockerCredentials> {
    let decoded = String::from_utf8(STANDARD.decode(&entry.auth).ok()?).ok()?;
    let (user, password) = decoded.split_once(':').unwrap_or_default();
    if user.is_empty() && entry.identitytoken.is_empty() {
        return None;
    }
    let text = |text: &str| (!text.is_empty()).then(|| text.trim_end_matches('\0').to_owned());
    Some(DockerCredentials {
        username: text(user),
        password: text(password),
        identitytoken: text(&entry.identitytoken),
        serveraddress: text(registry),
        ..DockerCredentials::default()
    })
}

async fn ask(helper: &str, registry: &str) -> Result<Option<DockerCredentials>, String> {
    let name = format!("docker-credential-{helper}");
    // It is a command's name, and no path.
    if helper.contains('/') {
        return Err(format!("{name}: a helper's name has no `/`"));
    }
    let run = async {
        let mut command = Command::new(&name);
        command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let (mut child, group) = Group::spawn(&mut command)?;
        if let Some(mut input) = child.stdin.take() {
            // One that fails may not have read it.
            let _ = input.write_all(registry.as_bytes()).await;
        }
        let mut said = Vec::new();
        if let Some(output) = child.stdout.take() {
            output.take(MOST_HELP).read_to_end(&mut said).await?;
        }
        let status = child.wait().await?;
        group.ended();
        Ok::<_, io::Error>((status, said))
    };
    let (status, said) = run.await.map_err(|error| format!("{name}: {error}"))?;
    if !status.success() {
        // What it says may have a secret in it.
        let has_none = String::from_utf8_lossy(&said).to_lowercase().contains(HAS_NONE);
        return if has_none { Ok(None) } else { Err(format!("{name} failed ({status})")) };
    }
    let helped: Helped =
        serde_json::from_slice(&said).map_err(|error| format!("{name}: its answer: {}", place(&error)))?;
    let mut found =
        DockerCredentials { serveraddress: Some(registry.to_owned()), ..DockerCredentials::default() };
    if helped.username == TOKEN {
        found.identitytoken = Some(helped.secret);
    } else {
        (found.username, found.password) = (Some(helped.username), Some(helped.secret));
    }
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_leads_to_the_name_of_its_registry() {
        let check = |image: &str, expected| {
            assert_eq!(registry(&Image::parse(image).expect(image)), expected, "{image}");
        };

        check("web", HUB);
        check("shop/web:2", HUB);
        check("docker.io/shop/web", HUB);
        check("localhost/web", "localhost");
        check("registry.example.com/shop/web", "registry.example.com");
        check("node:5000/web", "node:5000");
    }

    #[test]
    fn an_entry_may_be_named_by_a_url() {
        let check = |name: &str, expected| assert_eq!(bare(name), expected, "{name}");

        check(HUB, "index.docker.io");
        check("https://registry.example.com/v1/", "registry.example.com");
        check("http://127.0.0.1:5000/", "127.0.0.1:5000");
        check("registry.example.com", "registry.example.com");
    }

    #[test]
    fn of_several_entries_of_a_registry_the_one_of_its_very_name_counts() {
        let check = |registry: &str, names: &[&str], expected: &str| {
            let kept = names.iter().map(|name| ((*name).to_owned(), *name)).collect();
            assert_eq!(meant(&kept, registry), Some(&expected), "{registry}");
        };

        let [refresh, access] = ["refresh", "access"].map(|kind| format!("{HUB}{kind}-token"));
        check(HUB, &[&access, HUB, &refresh], HUB);
        check(HUB, &[&refresh, &access], &access);
        check("r:5000", &["http://r:5000/", "https://r:5000", "r:5000"], "r:5000");
    }

    #[tokio::test]
    async fn nothing_of_a_file_that_is_not_understood_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"auths": {"r": {"auth": ["c2VjcmV0"]}}}"#).unwrap();

        let said = credentials(file.path(), &Image::parse("r/web").unwrap(), Duration::ZERO).await;

        let Err(said) = said else { panic!("it is understood") };
        assert!(
            said.contains("line 1") && said.contains("`docker login`") && !said.contains("c2Vj"),
            "{said}"
        );
    }

    #[test]
    fn an_entry_is_a_user_with_a_password_or_a_token() {
        let check =
            |auth: &str, token: &str, expected: Option<(Option<&str>, Option<&str>, Option<&str>)>| {
                let entry = Entry { auth: STANDARD.encode(auth), identitytoken: token.to_owned() };
                let found = read(&entry, "r");
                let found = found.as_ref().map(|found| {
                    (found.username.as_deref(), found.password.as_deref(), found.identitytoken.as_deref())
                });
                assert_eq!(found, expected, "{auth} {token}");
            };

        check("jo:pa:ss", "", Some((Some("jo"), Some("pa:ss"), None)));
        check("jo:", "t0", Some((Some("jo"), None, Some("t0"))));
        check("", "t0", Some((None, None, Some("t0"))));
        check("", "", None);
    }
}
