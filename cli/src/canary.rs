//! `portico deploy --canary`, `promote` and `abort`: another image of a service that takes a share of its requests, and what becomes of it.

use admin::wire::{CanaryDoc, Rollout, RolloutCanary, ServiceDoc};
use clap::Args;

use crate::answer::Answer;
use crate::failure::Failure;
use crate::follow::FollowArgs;
use crate::launched::{To, followed};
use crate::name::{encode, quoted};

/// Have a canary take the place of what runs
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  portico promote web\n  portico promote web --wait\n\n\
        The canary's instances stay; new ones start before the old ones stop, as with any deploy. One that failed is not promoted.")]
pub struct PromoteArgs {
    /// The service
    #[arg(value_name = "SERVICE")]
    service: String,
    #[command(flatten)]
    follow: FollowArgs,
}

/// End a canary: what runs beside it takes all requests again
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  portico abort web\n  portico abort web --wait")]
pub struct AbortArgs {
    /// The service
    #[arg(value_name = "SERVICE")]
    service: String,
    #[command(flatten)]
    follow: FollowArgs,
}

/// Runs `promote`.
pub(crate) fn promote(args: &PromoteArgs, to: To<'_>) -> Result<Answer, Failure> {
    // Where that cannot be asked, the edit says why.
    let rollout = to.0.get::<Rollout>(&format!("/v1/services/{}/rollout", encode(&args.service))).ok();
    let failed = rollout.and_then(|rollout| rollout.canary).filter(RolloutCanary::has_failed);
    followed(&args.service, &args.follow, to, |doc| promoted(doc, failed.as_ref()))
}

/// Runs `abort`.
pub(crate) fn abort(args: &AbortArgs, to: To<'_>) -> Result<Answer, Failure> {
    followed(&args.service, &args.follow, to, aborted)
}

/// `10%` or `10`: a share that a canary takes.
pub(crate) fn parse_share(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<u64>();
    let share = number.ok().filter(|share| (1..=99).contains(share));
    share.ok_or_else(|| "a canary takes 1 to 99 of a hundred requests: 10%".to_owned())
}

/// Another image takes a share of the requests.
pub(crate) fn tried(doc: &mut ServiceDoc, image: &str, percent: u64) -> Result<String, Failure> {
    let runs = doc.image.clone().unwrap_or_default();
    if runs == image {
        let remedy = "try another image";
        return Err(Failure::refused(format!("{image} is what {} runs already", doc.name), remedy));
    }
    let before = doc.canary.replace(CanaryDoc { image: image.to_owned(), percent });
    let stopped = if doc.active == Some(false) { ", and the service is stopped" } else { "" };
    Ok(match before {
        Some(before) if before.image == image && before.percent == percent => {
            format!("canary {image} takes {percent} % already{stopped}")
        }
        Some(before) if before.image == image => {
            format!("canary {image} takes {} % -> {percent} %{stopped}", before.percent)
        }
        Some(before) => format!("canary {} -> {image}, {percent} %{stopped}", before.image),
        None => format!("canary {image} takes {percent} % beside {runs}{stopped}"),
    })
}

/// What is tried, and what becomes of it, is decided before another image is deployed.
pub(crate) fn none_is_tried(doc: &ServiceDoc) -> Result<(), Failure> {
    let Some(canary) = &doc.canary else { return Ok(()) };
    let name = quoted(&doc.name);
    Err(Failure::refused(
        format!("{} tries {} as a canary", doc.name, canary.image),
        format!("decide on it first: `portico promote {name}` or `portico abort {name}`"),
    ))
}

fn taken(doc: &mut ServiceDoc) -> Result<CanaryDoc, Failure> {
    doc.canary.take().ok_or_else(|| {
        let remedy =
            format!("try an image with `portico deploy {} --image IMAGE --canary 10%`", quoted(&doc.name));
        Failure::refused(format!("{} has no canary", doc.name), remedy)
    })
}

/// What is tried takes the place of what runs, unless it is what has failed.
fn promoted(doc: &mut ServiceDoc, failed: Option<&RolloutCanary>) -> Result<String, Failure> {
    let canary = taken(doc)?;
    if let Some(failed) = failed.filter(|failed| failed.image == canary.image) {
        let name = quoted(&doc.name);
        return Err(Failure::refused(
            format!("canary {} of {} failed: {}", failed.image, doc.name, failed.reason),
            format!(
                "try another image with `portico deploy {name} --image IMAGE --canary {}%`, or end it with `portico abort {name}`",
                canary.percent
            ),
        ));
    }
    let before = doc.image.replace(canary.image.clone()).unwrap_or_default();
    Ok(format!("promoted, image {before} -> {}", canary.image))
}

fn aborted(doc: &mut ServiceDoc) -> Result<String, Failure> {
    let canary = taken(doc)?;
    Ok(format!(
        "aborted, canary {} ends, and {} runs on",
        canary.image,
        doc.image.as_deref().unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doc(fields: &str) -> ServiceDoc {
        serde_json::from_str(&format!(r#"{{"name":"web","image":"web:1"{fields}}}"#)).unwrap()
    }

    /// Changes a service, and says what was said and what it is then.
    fn check(
        fields: &str,
        change: impl Fn(&mut ServiceDoc) -> Result<String, Failure>,
        said: &str,
        then: &ServiceDoc,
    ) {
        let mut changed = doc(fields);
        let told = change(&mut changed).unwrap_or_else(|failure| failure.line());
        assert_eq!((told.as_str(), &changed), (said, then), "{fields}");
    }

    #[test]
    fn a_canary_is_tried_and_then_promoted_or_aborted() {
        let canary = r#","canary":{"image":"web:2","percent":10}"#;
        let of = |image: &'static str, percent| move |doc: &mut ServiceDoc| tried(doc, image, percent);
        check("", of("web:2", 10), "canary web:2 takes 10 % beside web:1", &doc(canary));
        check(canary, of("web:2", 10), "canary web:2 takes 10 % already", &doc(canary));
        let more = doc(r#","canary":{"image":"web:2","percent":50}"#);
        check(canary, of("web:2", 50), "canary web:2 takes 10 % -> 50 %", &more);
        let other = doc(r#","canary":{"image":"web:3","percent":10}"#);
        check(canary, of("web:3", 10), "canary web:2 -> web:3, 10 %", &other);
        check("", of("web:1", 10), "error: web:1 is what web runs already; try another image", &doc(""));
        let well = |doc: &mut ServiceDoc| promoted(doc, None);
        let mut two = doc("");
        two.image = Some("web:2".to_owned());
        check(canary, well, "promoted, image web:1 -> web:2", &two);
        check(canary, aborted, "aborted, canary web:2 ends, and web:1 runs on", &doc(""));
        let none =
            "error: web has no canary; try an image with `portico deploy web --image IMAGE --canary 10%`";
        check("", well, none, &doc(""));
        check("", aborted, none, &doc(""));
    }

    #[test]
    fn a_canary_that_failed_is_not_promoted() {
        let of = |image: &str| {
            let json = format!(
                r#"{{"version":"238b84c8bfa9a537","image":"{image}","percent":10,"wanted":1,"healthy":0,
                    "state":"failed","reason":"exit code 7"}}"#
            );
            serde_json::from_str::<RolloutCanary>(&json).unwrap()
        };
        let canary = r#","canary":{"image":"web:2","percent":10}"#;

        let refused = promoted(&mut doc(canary), Some(&of("web:2"))).unwrap_err();
        let other = promoted(&mut doc(canary), Some(&of("web:3")));

        assert_eq!(
            refused.line(),
            "error: canary web:2 of web failed: exit code 7; try another image with `portico deploy web --image IMAGE --canary 10%`, \
             or end it with `portico abort web`"
        );
        assert!(other.is_ok(), "what has failed was another one: {other:?}");
    }

    #[test]
    fn a_deploy_waits_for_what_becomes_of_a_canary() {
        let refused = none_is_tried(&doc(r#","canary":{"image":"web:2","percent":10}"#)).unwrap_err();

        assert_eq!(
            refused.line(),
            "error: web tries web:2 as a canary; decide on it first: `portico promote web` or `portico abort web`"
        );
        assert!(none_is_tried(&doc("")).is_ok());
    }

    #[test]
    fn a_share_is_a_percentage() {
        for (text, share) in [("10%", Some(10)), ("1", Some(1)), ("99%", Some(99))] {
            assert_eq!(parse_share(text).ok(), share);
        }
        for text in ["0", "100%", "", "%", "10 %", "ten", "-1"] {
            assert!(parse_share(text).unwrap_err().contains("1 to 99"), "{text}");
        }
    }
}
