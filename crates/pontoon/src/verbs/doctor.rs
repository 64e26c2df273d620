//! `pontoon doctor`: where on the way to a container packets get lost.
//!
//! One look at the cloud, and then questions from this machine, from the container's host and from another one; which,
//! and what follows from the answers, [`path`] says. Nothing is changed and no lease is taken.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt as _};
use pontoon_cloud::site::Site;
use pontoon_core::path::{self, Heard, Path, Visit};
use pontoon_core::plan::Plan;
use pontoon_core::spec::model::Stack;
use serde_json::{Value, json};

use super::stack::{self, Opened, Use};
use crate::cli;
use crate::exit::{Exit, Failure};
use crate::show::{self, Output, Reader};
use crate::visit::Visitor;

/// How many containers are asked at once.
const AT_ONCE: usize = 32;

/// The ways to a stack's containers.
pub(crate) struct Diagnosis<'a> {
    pub(crate) stack: &'a str,
    pub(crate) cloud: &'a str,
    pub(crate) simulated: bool,
    pub(crate) paths: Vec<Path>,
}

impl Diagnosis<'_> {
    /// Whether packets get lost nowhere.
    pub(crate) fn is_well(&self) -> bool {
        self.paths.iter().all(|path| path.culprit().is_none())
    }
}

pub(crate) async fn run(arguments: &cli::Doctor, output: &Output) -> Result<Exit, Failure> {
    let place = &arguments.place;
    let opened = stack::open(&place.directory, &place.options, Use::Visit, None, output).await?;
    let stack = &opened.file.loaded.stack;
    let subject = arguments.subject.as_deref();
    let wanted = |container: &str, service: &str| subject.is_none_or(|name| name == service || name == container);
    let is_known = |name: &&str| {
        stack.services.contains_key(*name) || stack.container_names().any(|(container, _)| container == **name)
    };
    if let Some(name) = subject.filter(|name| !is_known(name)) {
        return Err(unknown(stack, name));
    }
    let diagnosis = diagnosis(&opened, wanted).await?;
    match output.reader {
        Reader::Program => show::print_json(&event(&diagnosis)),
        Reader::Person => show::print(&show::doctor::text(&diagnosis, output.stdout)),
    }
    Ok(if diagnosis.is_well() { Exit::Done } else { Exit::Failed })
}

async fn diagnosis(opened: &Opened, wanted: impl Fn(&str, &str) -> bool) -> Result<Diagnosis<'_>, Failure> {
    let stack = &opened.file.loaded.stack;
    Ok(Diagnosis {
        stack: &stack.name,
        cloud: &opened.cloud,
        simulated: opened.connected.embedded.is_some(),
        paths: paths(&opened.connected.site, stack, wanted).await?,
    })
}

/// Looks, asks, and puts together what is known of the ways to the wanted containers.
pub(crate) async fn paths(
    site: &Site,
    stack: &Stack,
    wanted: impl Fn(&str, &str) -> bool,
) -> Result<Vec<Path>, Failure> {
    let looked = Box::pin(site.observe(stack)).await;
    let seen = looked.map_err(|error| stack::cannot_look(&error))?;
    let plan = Plan::up(stack, &seen);
    let visitor = Visitor::new(site).map_err(|error| Failure::new("cannot ask by HTTP").caused_by(&error))?;

    let published = stack.balancers.iter().filter(|(_, balancer)| {
        stack.container_names().any(|(container, service)| service == balancer.service && wanted(&container, service))
    });
    let visits = stream::iter(published).map(async |(name, balancer)| {
        let at = visitor.finds(name, balancer).await?;
        let answer = visitor.asks(&at, balancer).await;
        Some((name.clone(), Visit { url: at.url, answer }))
    });
    let visitors = visits.buffer_unordered(AT_ONCE).filter_map(async |visit| visit).collect();
    let questions = path::questions(stack, &seen, &plan, &wanted);
    let looks = stream::iter(&questions).map(async |one| (one.container.clone(), Box::pin(site.probe(one)).await));
    let containers = looks.buffer_unordered(AT_ONCE).collect();
    let (visitors, containers): (BTreeMap<_, _>, BTreeMap<_, _>) = tokio::join!(visitors, containers);
    Ok(path::paths(stack, &seen, &plan, &Heard { visitors, containers }, wanted))
}

fn unknown(stack: &Stack, name: &str) -> Failure {
    let services: Vec<&str> = stack.services.keys().map(String::as_str).collect();
    Failure::new(format!("the stack has no service or container `{name}`"))
        .hint(format!("its services are {}", services.join(", ")))
}

fn event(diagnosis: &Diagnosis<'_>) -> Value {
    let path = |path: &Path| {
        // Structs with names for keys always become an object.
        let mut value = serde_json::to_value(path).unwrap_or_default();
        if let Some(fields) = value.as_object_mut() {
            fields.insert("culprit".to_owned(), json!(path.culprit().map(|layer| &layer.name)));
        }
        value
    };
    json!({
        "event": "diagnosis", "stack": diagnosis.stack, "cloud": diagnosis.cloud, "simulated": diagnosis.simulated,
        "well": diagnosis.is_well(), "paths": diagnosis.paths.iter().map(path).collect::<Vec<_>>(),
    })
}
