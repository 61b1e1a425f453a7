//! `portico rollback SERVICE`: how a service is launched becomes what it was when it was healthy.

use admin::wire::{DeploymentDoc, FactDoc, FactView, Named, ServiceDoc};

use crate::answer::Answer;
use crate::canary::none_is_tried;
use crate::fact::changed_fields;
use crate::failure::Failure;
use crate::follow::FollowArgs;
use crate::frontend::line;
use crate::launched::{To, of_service};
use crate::name::{encode, quoted};
use crate::named::{self, Kind};

/// Takes a service back.
pub(crate) fn run(name: &str, dry_run: bool, follow: &FollowArgs, to: To<'_>) -> Result<Answer, Failure> {
    let service = named::one(Kind::Service, name, to.0)?;
    let deployment = deployment(name, to)?;
    if dry_run {
        let Named::Service(mut doc) = service.fact else { return Err(nothing(name)) };
        let before = doc.clone();
        let said = back(&mut doc, &deployment)?;
        let changed = changed_fields(&FactDoc::Service(before), &FactDoc::Service(doc.clone()));
        return Answer::new(
            &Named::Service(doc),
            line(&format!("{name} would be taken back: {said} ({changed})")),
        );
    }
    let edited = of_service(name, to.0, |doc| back(doc, &deployment))?;
    let says = edited.says(name);
    follow.answer(&[name.to_owned()], edited.revision, &edited, says, to)
}

/// What a controller remembers of a service.
fn deployment(name: &str, to: To<'_>) -> Result<DeploymentDoc, Failure> {
    let view = to.0.get::<FactView>(&format!("/v1/deployments/{}", encode(name)));
    match view.map(|view| view.fact) {
        Ok(Named::Deployment(doc)) => Ok(*doc),
        Ok(_) => Err(nothing(name)),
        Err(Failure::Refused(problem)) if problem.kind.ends_with(":not-found") => Err(nothing(name)),
        Err(failure) => Err(failure),
    }
}

fn nothing(name: &str) -> Failure {
    Failure::refused(
        format!("there is nothing to take {name} back to: no other way of launching it was ever healthy"),
        format!(
            "deploy another image with `portico deploy {0} --image IMAGE`, or look at `portico history --key service:{0}`",
            quoted(name)
        ),
    )
}

/// To what was healthy last, where that is not what is wanted now; else to what was so before.
fn back(doc: &mut ServiceDoc, deployment: &DeploymentDoc) -> Result<String, Failure> {
    none_is_tried(doc)?;
    let ways = [(&deployment.stable, "healthy last"), (&deployment.previous, "healthy before that")];
    for (way, which) in ways {
        let Some(way) = way.as_deref().map(|way| launched_as(doc, way)) else { continue };
        if way != *doc {
            let (before, after) =
                (doc.image.clone().unwrap_or_default(), way.image.clone().unwrap_or_default());
            *doc = way;
            let image =
                if before == after { format!("image {after}") } else { format!("image {before} -> {after}") };
            return Ok(format!("back to what was {which}, {image}"));
        }
    }
    Err(nothing(&doc.name))
}

/// The service, launched as `way` is; how many there are, and what is told of it beside, stays. What was tried then is not tried again.
fn launched_as(doc: &ServiceDoc, way: &ServiceDoc) -> ServiceDoc {
    ServiceDoc {
        name: doc.name.clone(),
        metadata: doc.metadata.clone(),
        ttl: doc.ttl,
        when_empty: doc.when_empty,
        external: doc.external.clone(),
        dns_sd: doc.dns_sd.clone(),
        active: doc.active,
        instances: doc.instances,
        max_instances: doc.max_instances,
        canary: None,
        ..way.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doc(fields: &str) -> ServiceDoc {
        serde_json::from_str(&format!(r#"{{"name":"web",{fields}}}"#)).unwrap()
    }

    /// Takes `now` back, where `ways` is what the controller remembers.
    fn check(now: &str, ways: &str, said: &str, then: &str) {
        let deployment = format!(
            r#"{{"name":"web","version":"692fb9002abb256b","revision":7,"deployment":"done"{ways}}}"#
        );
        let mut changed = doc(now);
        let told = back(&mut changed, &serde_json::from_str(&deployment).unwrap());
        let told = told.unwrap_or_else(|failure| failure.line());
        assert!(told.contains(said), "{told}");
        assert_eq!(changed, doc(then), "{now}");
    }

    #[test]
    fn a_service_is_taken_back_to_what_was_healthy_and_keeps_its_number() {
        let one = r#""image":"web:1","user":"www","ports":[{"name":"http","port":80}]"#;
        let stable = |fields: &str| format!(r#","stable":{{"name":"web","ttl":5,{fields}}}"#);
        let both = format!(r#"{},"previous":{{"name":"web","image":"web:0"}}"#, stable(one));
        check(
            r#""image":"web:2","instances":3,"active":false,"ttl":9"#,
            &both,
            "back to what was healthy last, image web:2 -> web:1",
            &format!(r#"{one},"instances":3,"active":false,"ttl":9"#),
        );
        let scaled = format!(r#"{one},"instances":3"#);
        check(
            &scaled,
            &both,
            "back to what was healthy before that, image web:1 -> web:0",
            r#""image":"web:0","instances":3"#,
        );
        check(&scaled, &stable(one), "there is nothing to take web back to", &scaled);
        check(&scaled, "", "deploy another image with `portico deploy web --image IMAGE`", &scaled);
        check(
            r#""image":"web:1","restarts":1"#,
            &stable(r#""image":"web:1""#),
            "back to what was healthy last, image web:1",
            r#""image":"web:1""#,
        );
    }

    #[test]
    fn a_canary_is_decided_on_before_and_one_of_then_is_not_tried_again() {
        let tried = r#""image":"web:1","canary":{"image":"web:2","percent":10}"#;
        let stable = |fields: &str| format!(r#","stable":{{"name":"web",{fields}}}"#);
        check(
            tried,
            &stable(r#""image":"web:1""#),
            "decide on it first: `portico promote web` or `portico abort web`",
            tried,
        );
        check(r#""image":"web:3""#, &stable(tried), "image web:3 -> web:1", r#""image":"web:1""#);
        check(
            r#""image":"web:1""#,
            &stable(tried),
            "there is nothing to take web back to",
            r#""image":"web:1""#,
        );
    }
}
