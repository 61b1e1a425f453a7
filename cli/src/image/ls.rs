//! `portico image ls`: what instances of services run of, or what a registry has.

use std::collections::{BTreeMap, BTreeSet};

use admin::wire::{FactList, InstanceDoc, Named, ServiceDoc};
use clap::Args;
use serde::Serialize;

use super::catalog;
use crate::answer::Answer;
use crate::client::Client;
use crate::failure::Failure;
use crate::frontend::line;
use crate::named::{self, Kind};
use crate::table::Table;

const EXAMPLES: &str = "\
Examples:
  portico image ls
  portico image ls --host node-1
  portico image ls --registry registry.example.com
  portico image ls --registry 127.0.0.1:5000/shop/web

A registry is asked by this command itself, with what `docker login` wrote into config.json of DOCKER_CONFIG [default: ~/.docker].
Over TLS this machine's authorities are trusted, and those in certs.d/HOST:PORT/*.crt there or in /etc/docker. A registry at a loopback
address that has none there is asked without TLS.";

/// List the images that instances run of, or those of a registry
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct LsArgs {
    /// Only what runs on this host
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// What a registry has instead; behind it perhaps the name of one image
    #[arg(long, value_name = "HOST[:PORT][/NAME]", conflicts_with = "host")]
    registry: Option<String>,
}

/// What instances run of.
#[derive(Serialize)]
struct Images {
    images: Vec<Running>,
}

/// What some instances of a service run of.
#[derive(Serialize)]
struct Running {
    service: String,
    /// As the service says it; empty: nobody knows.
    image: String,
    digest: String,
    instances: usize,
    hosts: BTreeSet<String>,
}

/// Runs it.
pub(crate) fn run(args: &LsArgs, client: &Client) -> Result<Answer, Failure> {
    if let Some(registry) = &args.registry {
        return catalog::ls(registry);
    }
    if let Some(host) = &args.host {
        named::one(Kind::Host, host, client)?;
    }
    let (services, instances) =
        (named::all(Kind::Service, None, client)?, named::all(Kind::Instance, None, client)?);
    let deployments: FactList = client.get("/v1/deployments?limit=5000")?;
    let images = Images { images: running(&services, &deployments, &instances, args.host.as_deref()) };
    let text = text(&images.images);
    Answer::new(&images, text)
}

fn running(
    services: &FactList,
    deployments: &FactList,
    instances: &FactList,
    host: Option<&str>,
) -> Vec<Running> {
    let named = named_by_version(services, deployments);
    let mut all: BTreeMap<(String, String, String), Running> = BTreeMap::new();
    for view in instances.facts.views() {
        let Named::Instance(instance) = &view.fact else { continue };
        let Some((digest, version)) = ran(instance) else { continue };
        if host.is_some() && instance.host.as_deref() != host {
            continue;
        }
        let service = instance.service.clone();
        let image = named(&service, version).unwrap_or_default();
        let key = (service.clone(), image.clone(), digest.to_owned());
        let running = all.entry(key).or_insert_with(|| Running {
            service,
            image,
            digest: digest.to_owned(),
            instances: 0,
            hosts: BTreeSet::new(),
        });
        running.instances += 1;
        running.hosts.extend(instance.host.clone());
    }
    all.into_values().collect()
}

/// The digest and the version that an instance runs of; `None`: nobody launched it, or it has no container yet.
fn ran(instance: &InstanceDoc) -> Option<(&str, &str)> {
    instance.run.as_ref().filter(|run| !run.image.is_empty()).map(|run| (&*run.image, &*run.version))
}

/// What the image of a version of a service is called: the service says it of the newest one, its deployment of the one before.
fn named_by_version<'a>(
    services: &'a FactList,
    deployments: &'a FactList,
) -> impl Fn(&str, &str) -> Option<String> + 'a {
    let newest: BTreeMap<&str, &ServiceDoc> = services.facts.views().iter().filter_map(service).collect();
    let tried: BTreeMap<&str, &str> = deployments
        .facts
        .views()
        .iter()
        .filter_map(|view| match &view.fact {
            Named::Deployment(doc) => Some((&*doc.name, &*doc.canary.as_ref()?.version)),
            _ => None,
        })
        .collect();
    let before: BTreeMap<&str, (&str, Option<&ServiceDoc>)> = deployments
        .facts
        .views()
        .iter()
        .filter_map(|view| match &view.fact {
            Named::Deployment(doc) => Some((&*doc.name, (&*doc.version, doc.stable.as_deref()))),
            _ => None,
        })
        .collect();
    move |service, version| {
        if tried.get(service).is_some_and(|tried| *tried == version) {
            return Some(newest.get(service)?.canary.as_ref()?.image.clone());
        }
        let doc = match before.get(service) {
            Some((newest, stable)) if *newest != version => *stable,
            _ => newest.get(service).copied(),
        };
        doc.and_then(|doc| doc.image.clone())
    }
}

fn service(view: &admin::wire::FactView) -> Option<(&str, &ServiceDoc)> {
    match &view.fact {
        Named::Service(doc) => Some((&doc.name, doc)),
        _ => None,
    }
}

fn text(images: &[Running]) -> String {
    if images.is_empty() {
        return line(
            "no instance runs of an image (start one with `portico apply`, and a service with `image`)",
        );
    }
    let mut table = Table::new(&["SERVICE", "IMAGE", "DIGEST", "INSTANCES", "HOSTS"]);
    for Running { service, image, digest, instances, hosts } in images {
        let image = if image.is_empty() { "-" } else { image };
        let hosts = hosts.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        table.row([service, image, digest, &*instances.to_string(), &*hosts]);
    }
    table.text()
}
