//! Images: which is there, and how one is fetched or sent.

use std::collections::BTreeMap;

use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::models::{CreateImageInfo, ImageInspect, ProgressDetail, PushImageInfo};
use bollard::query_parameters::{CreateImageOptions, PushImageOptions};
use model::launch::Image;
use tokio::sync::watch;

use super::credentials::credentials;
use super::failure::About;
use super::{Docker, Progress, RuntimeError};

impl Docker {
    pub(super) async fn digest(&self, image: &Image) -> Result<Option<String>, RuntimeError> {
        let inspect = async {
            match self.client.inspect_image(image.as_str()).await {
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
                told => told.map(Some),
            }
        };
        let told = self.within(About::Engine, inspect).await?;
        Ok(told.and_then(|told| digest(image, told)))
    }

    pub(super) async fn fetch(
        &self,
        image: &Image,
        progress: &watch::Sender<Progress>,
    ) -> Result<(), RuntimeError> {
        if image.digest().is_some() && self.digest(image).await?.is_some() {
            return Ok(());
        }
        let about = About::Image(image.as_str());
        // A tag or a digest, always: without, an engine fetches every tag that there is.
        let options = CreateImageOptions {
            from_image: Some(image.name().to_owned()),
            tag: Some(image.digest().or(image.tag()).unwrap_or("latest").to_owned()),
            ..CreateImageOptions::default()
        };
        let credentials = self.credentials(image).await?;
        self.negotiated().await?;
        let mut told = self.client.create_image(Some(options), None, credentials);
        let mut layers = Layers::default();
        while let Some(step) = self.word(&mut told, image, about).await? {
            progress.send_replace(layers.after(step));
        }
        Ok(())
    }

    pub(super) async fn send(
        &self,
        image: &Image,
        progress: &watch::Sender<Progress>,
    ) -> Result<(), RuntimeError> {
        if image.digest().is_some() {
            let reason = "an image is sent by a tag, not by a digest; leave out the digest".to_owned();
            return Err(RuntimeError::NoImage { image: image.to_string(), reason });
        }
        let about = About::Sent(image.as_str());
        // A tag, always: without, an engine sends every tag that there is.
        let options = PushImageOptions {
            tag: Some(image.tag().unwrap_or("latest").to_owned()),
            ..PushImageOptions::default()
        };
        let credentials = self.credentials(image).await?;
        self.negotiated().await?;
        let mut told = self.client.push_image(image.name(), Some(options), credentials);
        let mut layers = Layers::default();
        while let Some(step) = self.word(&mut told, image, about).await? {
            progress.send_replace(layers.after(named(step)));
        }
        // Which layer was sent is not told: at the end, all are.
        progress.send_modify(|progress| progress.done = progress.of);
        Ok(())
    }

    async fn credentials(&self, image: &Image) -> Result<Option<DockerCredentials>, RuntimeError> {
        let Some(path) = &self.settings.login else { return Ok(None) };
        credentials(path, image, self.settings.timeout).await.map_err(|reason| {
            RuntimeError::Refused(format!("there are no credentials for image {image}: {reason}"))
        })
    }
}

/// The digest of what is there: the one of its registry's, if it came from there.
fn digest(image: &Image, told: ImageInspect) -> Option<String> {
    if let Some(digest) = image.digest() {
        return Some(digest.to_owned());
    }
    let digests = told.repo_digests.unwrap_or_default();
    let parts = || digests.iter().filter_map(|text| text.split_once('@'));
    let own = parts().find(|(name, _)| *name == image.name()).or_else(|| parts().next());
    own.map(|(_, digest)| digest.to_owned()).or(told.id)
}

/// A word about a layer that is sent, as if it were fetched. The client leaves out which one is meant: they are told apart by their size.
fn named(step: PushImageInfo) -> CreateImageInfo {
    let detail = step.progress_detail.unwrap_or_default();
    let total = detail.total.filter(|total| *total > 0);
    // An engine counts more than there is, for what it wraps it in.
    let current = detail.current.map(|current| current.min(total.unwrap_or(0)));
    CreateImageInfo {
        id: total.map(|total| total.to_string()),
        status: step.status.map(|status| status.replace("Pushing", "Downloading")),
        progress_detail: Some(ProgressDetail { current, total }),
        ..CreateImageInfo::default()
    }
}

/// How far each layer of an image is.
#[derive(Default)]
struct Layers(BTreeMap<String, Progress>);

impl Layers {
    /// How far all are, after one more word about one of them.
    fn after(&mut self, step: CreateImageInfo) -> Progress {
        if let Some(id) = step.id {
            let octets =
                |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
            let detail = step.progress_detail.unwrap_or_default();
            match step.status.as_deref() {
                Some("Downloading") => {
                    let layer = Progress { done: octets(detail.current), of: octets(detail.total) };
                    self.0.insert(id, layer);
                }
                Some("Verifying Checksum" | "Download complete" | "Pull complete") => {
                    self.0.entry(id).and_modify(|layer| layer.done = layer.of);
                }
                _ => {}
            }
        }
        let sum = |part: fn(&Progress) -> u64| self.0.values().map(part).fold(0, u64::saturating_add);
        Progress { done: sum(|layer| layer.done), of: sum(|layer| layer.of) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_add_up_to_how_far_an_image_is() {
        let mut layers = Layers::default();
        let mut check = |json: &str, expected: (u64, u64)| {
            let progress = layers.after(serde_json::from_str(json).expect(json));
            assert_eq!((progress.done, progress.of), expected, "{json}");
        };

        check(r#"{"status":"Pulling from web","id":"2"}"#, (0, 0));
        check(r#"{"status":"Downloading","id":"a","progressDetail":{"current":5,"total":10}}"#, (5, 10));
        check(r#"{"status":"Downloading","id":"b","progressDetail":{"current":1,"total":20}}"#, (6, 30));
        check(r#"{"status":"Download complete","id":"a"}"#, (11, 30));
        check(r#"{"status":"Extracting","id":"a","progressDetail":{"current":3,"total":10}}"#, (11, 30));
        check(r#"{"status":"Already exists","id":"c"}"#, (11, 30));
    }

    #[test]
    fn layers_that_are_sent_add_up_too() {
        let mut layers = Layers::default();
        let mut check = |json: &str, expected: (u64, u64)| {
            let progress = layers.after(named(serde_json::from_str(json).expect(json)));
            assert_eq!((progress.done, progress.of), expected, "{json}");
        };

        check(r#"{"status":"Preparing","id":"a","progressDetail":{}}"#, (0, 0));
        check(r#"{"status":"Pushing","id":"a","progressDetail":{"current":5,"total":10}}"#, (5, 10));
        check(r#"{"status":"Pushing","id":"b","progressDetail":{"current":1,"total":20}}"#, (6, 30));
        check(r#"{"status":"Pushing","id":"a","progressDetail":{"current":512,"total":10}}"#, (11, 30));
        check(r#"{"status":"Layer already exists","id":"c","progressDetail":{}}"#, (11, 30));
        check(r#"{"status":"Pushing","id":"d","progressDetail":{"current":512}}"#, (11, 30));
    }

    #[test]
    fn an_image_is_known_by_its_registrys_digest_or_else_by_its_own() {
        let check = |image: &str, digests: &[&str], expected: &str| {
            let told = ImageInspect {
                id: Some("sha256:own".to_owned()),
                repo_digests: Some(digests.iter().map(|&text| text.to_owned()).collect()),
                ..ImageInspect::default()
            };
            assert_eq!(
                digest(&Image::parse(image).expect(image), told).as_deref(),
                Some(expected),
                "{image}"
            );
        };

        check("web:2", &[], "sha256:own");
        check("r:1/web:2", &["q:1/web@sha256:q", "r:1/web@sha256:r"], "sha256:r");
        check("web:2", &["r:1/web@sha256:r"], "sha256:r");
    }
}
