//! `portico scale|stop|start|restart|deploy`: what is launched of a service, and how many of it. Each is one edit of the service's fact:
//! a controller makes it true.

use admin::wire::{Named, PerHostDoc, ServiceDoc};
use clap::Args;

use crate::answer::Answer;
use crate::canary::{none_is_tried, parse_share, tried};
use crate::client::Client;
use crate::edit::{Edited, edit};
use crate::failure::Failure;
use crate::follow::FollowArgs;
use crate::name::quoted;
use crate::named::Kind;

/// Run so many instances of a service
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  portico scale web 5\n  portico scale web 2 6\n  portico scale web 5 --wait\n\n\
        Without MAX, a maximum that the service has stays, unless N is more than it."
)]
pub struct ScaleArgs {
    /// The service
    #[arg(value_name = "SERVICE")]
    service: String,
    /// How many run, 0 to 1000
    #[arg(value_name = "N")]
    instances: u64,
    /// How many run at most, N to 1000
    #[arg(value_name = "MAX")]
    most: Option<u64>,
    #[command(flatten)]
    follow: FollowArgs,
}

/// Which service.
#[derive(Debug, Args)]
pub struct ServiceArgs {
    /// The service
    #[arg(value_name = "SERVICE")]
    service: String,
    #[command(flatten)]
    follow: FollowArgs,
}

/// Launch a service of another image
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  portico deploy web --image registry.example.com/shop/web:2.1\n  portico deploy web --image web@sha256:DIGEST\n  portico deploy web --image web:2 --wait --timeout 2m\n  portico deploy web --image web:2 --canary 10% --wait\n\n\
        A canary takes its share of the requests beside what runs, with instances of its own, until `portico promote` or `portico abort`; \
        one that fails is taken away by itself."
)]
pub struct DeployArgs {
    /// The service
    #[arg(value_name = "SERVICE")]
    service: String,
    /// Of what: [registry/]name[:tag][@sha256:digest]
    #[arg(long, value_name = "IMAGE")]
    image: String,
    /// Try it: it takes so much of the requests, 1% to 99%, beside what runs
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    canary: Option<u64>,
    #[command(flatten)]
    follow: FollowArgs,
}

/// The server, and whether JSON is wanted of the answer.
pub(crate) type To<'a> = (&'a Client, bool);

/// Runs `scale`.
pub(crate) fn scale(args: &ScaleArgs, to: To<'_>) -> Result<Answer, Failure> {
    let change = |doc: &mut ServiceDoc| scaled(doc, args.instances, args.most);
    followed(&args.service, &args.follow, to, change)
}

/// Runs `stop`.
pub(crate) fn stop(args: &ServiceArgs, to: To<'_>) -> Result<Answer, Failure> {
    followed(&args.service, &args.follow, to, stopped)
}

/// Runs `start`.
pub(crate) fn start(args: &ServiceArgs, to: To<'_>) -> Result<Answer, Failure> {
    followed(&args.service, &args.follow, to, started)
}

/// Runs `restart`.
pub(crate) fn restart(args: &ServiceArgs, to: To<'_>) -> Result<Answer, Failure> {
    followed(&args.service, &args.follow, to, restarted)
}

/// Runs `deploy`.
pub(crate) fn deploy(args: &DeployArgs, to: To<'_>) -> Result<Answer, Failure> {
    let Some(share) = args.canary else {
        let change = |doc: &mut ServiceDoc| none_is_tried(doc).map(|()| deployed(doc, &args.image));
        return followed(&args.service, &args.follow, to, change);
    };
    followed(&args.service, &args.follow.of_canary(), to, |doc| tried(doc, &args.image, share))
}

/// Changes a service that is launched, and follows what comes of it where that is asked for.
pub(crate) fn followed(
    name: &str,
    follow: &FollowArgs,
    to: To<'_>,
    change: impl Fn(&mut ServiceDoc) -> Result<String, Failure>,
) -> Result<Answer, Failure> {
    let edited = of_service(name, to.0, change)?;
    let says = edited.says(name);
    follow.answer(&[name.to_owned()], edited.revision, &edited, says, to)
}

/// Changes a service that is launched.
pub(crate) fn of_service(
    name: &str,
    client: &Client,
    change: impl Fn(&mut ServiceDoc) -> Result<String, Failure>,
) -> Result<Edited, Failure> {
    let service = |fact| match fact {
        Named::Service(doc) => Some(*doc),
        _ => None,
    };
    edit(Kind::Service, name, client, service, |doc| match doc.image {
        Some(_) => change(doc),
        None => Err(Failure::refused(
            format!(
                "service {} says of no image how it is launched: its instances register themselves",
                doc.name
            ),
            "write `image` into it, with `portico apply`, or start and stop them where they run",
        )),
    })
}

fn scaled(doc: &mut ServiceDoc, least: u64, most: Option<u64>) -> Result<String, Failure> {
    if doc.placement.as_ref().is_some_and(|placement| placement.per_host == Some(PerHostDoc::Every)) {
        return Err(Failure::refused(
            format!("service {} has one instance on every host, whatever is said of their number", doc.name),
            "take `per_host: every` out of its placement, with `portico apply`",
        ));
    }
    let before = range(doc);
    doc.instances = Some(least);
    doc.max_instances = most.or(doc.max_instances.filter(|most| *most > least));
    // As the server writes it, who leaves out what is the default.
    doc.instances = doc.instances.filter(|least| *least != 1);
    doc.max_instances = doc.max_instances.filter(|most| *most != least);
    let (after, stopped) = (range(doc), if doc.active == Some(false) { ", and it is stopped" } else { "" });
    Ok(match before == after {
        true => format!("instances are {after} already{stopped}"),
        false => format!("instances {before} -> {after}{stopped}"),
    })
}

/// How many instances a service wants: `2`, or `2 to 6`.
pub(crate) fn range(doc: &ServiceDoc) -> String {
    let least = doc.instances.unwrap_or(1);
    match doc.max_instances.filter(|most| *most != least) {
        Some(most) => format!("{least} to {most}"),
        None => least.to_string(),
    }
}

fn stopped(doc: &mut ServiceDoc) -> Result<String, Failure> {
    let was_active = doc.active != Some(false);
    doc.active = Some(false);
    Ok(if was_active { "stopped" } else { "is stopped already" }.to_owned())
}

fn started(doc: &mut ServiceDoc) -> Result<String, Failure> {
    let was_active = doc.active != Some(false);
    doc.active = None;
    let said = if was_active { "is started already" } else { "started" };
    Ok(match doc.instances {
        Some(0) => format!("{said}, with 0 instances (portico scale {} 1)", quoted(&doc.name)),
        _ => format!("{said}, instances {}", range(doc)),
    })
}

fn restarted(doc: &mut ServiceDoc) -> Result<String, Failure> {
    if doc.active == Some(false) {
        let remedy = format!("start it with `portico start {}`", quoted(&doc.name));
        return Err(Failure::refused(format!("service {} is stopped", doc.name), remedy));
    }
    let before = doc.restarts.unwrap_or(0);
    let after = before.wrapping_add(1);
    doc.restarts = (after != 0).then_some(after);
    Ok(format!("restarts {before} -> {after}"))
}

fn deployed(doc: &mut ServiceDoc, image: &str) -> String {
    let before = doc.image.replace(image.to_owned()).unwrap_or_default();
    let stopped = if doc.active == Some(false) { ", and it is stopped" } else { "" };
    match before == image {
        true => format!("its image is {image} already{stopped}"),
        false => format!("image {before} -> {image}{stopped}"),
    }
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
        then: &str,
    ) {
        let mut changed = doc(fields);
        let told = change(&mut changed).unwrap_or_else(|failure| failure.line());
        assert_eq!((told.as_str(), changed), (said, doc(then)), "{fields}");
    }

    #[test]
    fn a_service_is_scaled_and_keeps_its_maximum_unless_it_is_less() {
        let to = |least, most| move |doc: &mut ServiceDoc| scaled(doc, least, most);
        check("", to(5, None), "instances 1 -> 5", r#","instances":5"#);
        check(r#","instances":5"#, to(1, None), "instances 5 -> 1", "");
        check(r#","instances":5"#, to(5, None), "instances are 5 already", r#","instances":5"#);
        check(r#","instances":5"#, to(5, Some(5)), "instances are 5 already", r#","instances":5"#);
        check("", to(2, Some(6)), "instances 1 -> 2 to 6", r#","instances":2,"max_instances":6"#);
        let range = r#","instances":2,"max_instances":6"#;
        check(range, to(3, None), "instances 2 to 6 -> 3 to 6", r#","instances":3,"max_instances":6"#);
        check(range, to(7, None), "instances 2 to 6 -> 7", r#","instances":7"#);
        check(range, to(2, Some(2)), "instances 2 to 6 -> 2", r#","instances":2"#);
        let stopped = r#","active":false"#;
        check(
            stopped,
            to(0, None),
            "instances 1 -> 0, and it is stopped",
            r#","active":false,"instances":0"#,
        );
        let every = r#","placement":{"per_host":"every"}"#;
        let mut everywhere = doc(every);
        assert!(scaled(&mut everywhere, 2, None).unwrap_err().line().contains("take `per_host: every` out"));
        assert_eq!(everywhere, doc(every));
    }

    #[test]
    fn a_service_is_stopped_started_and_restarted() {
        let stopped_doc = r#","active":false"#;
        check("", stopped, "stopped", stopped_doc);
        check(stopped_doc, stopped, "is stopped already", stopped_doc);
        check(stopped_doc, started, "started, instances 1", "");
        check("", started, "is started already, instances 1", "");
        let none = r#","instances":0"#;
        check(none, started, "is started already, with 0 instances (portico scale web 1)", none);
        check("", restarted, "restarts 0 -> 1", r#","restarts":1"#);
        check(r#","restarts":4294967295"#, restarted, "restarts 4294967295 -> 0", "");
        check(
            stopped_doc,
            restarted,
            "error: service web is stopped; start it with `portico start web`",
            stopped_doc,
        );
    }

    #[test]
    fn another_image_is_another_version() {
        let of = |image: &'static str| move |doc: &mut ServiceDoc| Ok(deployed(doc, image));
        check("", of("web:1"), "its image is web:1 already", "");
        let mut changed = doc("");
        assert_eq!(deployed(&mut changed, "web:2"), "image web:1 -> web:2");
        assert_eq!(changed.image.as_deref(), Some("web:2"));
    }
}
