//! The proof: every balancer and all that belongs to it is ACTIVE and ONLINE, and it answered through its floating IP.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use pontoon_cloud::openstack::load_balancer::LoadBalancerStatus;
use pontoon_cloud::site::{self, SiteError};
use pontoon_core::key::{Key, Kind};
use pontoon_core::path::Answer;
use pontoon_core::spec::model::{Balancer, Stack};

use super::{Engine, PROOF_LIMIT, chain};
use crate::event::{Endpoint, Event};
use crate::visit::Visitor;

/// Silences in a row from a balancer that does not admit everybody, until it is taken that this machine is not admitted.
const SILENCES: u32 = 5;

/// Why there is no proof.
pub(super) enum Unproven {
    /// The user stopped.
    Stopped,
    /// It does not work, for this reason; and what to do.
    Because(String, Option<String>),
}

/// Proves every balancer of the stack and says where it answered.
pub(super) async fn prove(engine: &Engine<'_>, stack: &Stack) -> Result<Vec<Endpoint>, Unproven> {
    let proofs = stack.balancers.iter().map(|(name, balancer)| prove_balancer(engine, stack, name, balancer));
    let proven = futures_util::future::try_join_all(proofs).await?;
    Ok(proven.into_iter().flatten().collect())
}

async fn prove_balancer(
    engine: &Engine<'_>,
    stack: &Stack,
    name: &str,
    balancer: &Balancer,
) -> Result<Option<Endpoint>, Unproven> {
    let id = engine.site.known(&Key::new(&stack.name, Kind::Balancer, name)).map(|known| known.id).unwrap_or_default();
    let empty = stack.services.get(&balancer.service).is_none_or(|service| service.replicas == 0);
    until(engine, &format!("balancer `{name}` to be ONLINE"), async || {
        let tree = engine.site.openstack.load_balancer_statuses(&id).await.map_err(SiteError::from)?;
        Ok(offline(&tree, empty))
    })
    .await?;

    let visitor = Visitor::new(&engine.site)
        .map_err(|error| Unproven::Because(format!("cannot ask by HTTP: {}", chain(&error)), None))?;
    let Some(published) = visitor.finds(name, balancer).await else { return Ok(None) };
    let endpoint = Endpoint { balancer: name.to_owned(), url: published.url.clone() };
    if !empty {
        let admits_all = balancer.allow.iter().any(|from| from.prefix_len() == 0);
        let silences = AtomicU32::new(0);
        until(engine, &format!("balancer `{name}` to answer at {}", endpoint.url), async || {
            match visitor.asks(&published, balancer).await {
                // The balancer has nobody to ask. Any other answer got through all layers.
                Answer::Http(status @ 500..) => Ok(Some(format!("it answered {status}"))),
                Answer::Http(_) | Answer::Open => Ok(None),
                Answer::Silence(_) if !admits_all && silences.fetch_add(1, Ordering::Relaxed) + 1 >= SILENCES => {
                    let text = format!(
                        "balancer `{name}` is ONLINE and gives this machine no answer at {}, which its `allow` may not admit",
                        endpoint.url
                    );
                    engine.sink.event(&Event::Note { text: &text });
                    Ok(None)
                }
                Answer::Silence(reason) | Answer::Unasked(reason) => Ok(Some(reason)),
            }
        })
        .await?;
    }
    Ok(Some(endpoint))
}

/// Looks until `look` finds nothing wrong any more.
async fn until(
    engine: &Engine<'_>,
    what: &str,
    look: impl AsyncFn() -> Result<Option<String>, SiteError>,
) -> Result<(), Unproven> {
    let begun = Instant::now();
    let waiting = |what: String| engine.sink.event(&Event::Proving { what: &what, elapsed: begun.elapsed() });
    let once = async |state: &mut String| {
        *state = match look().await {
            Ok(None) => return Ok(Some(())),
            Ok(Some(wrong)) => wrong,
            // A service that stumbles is asked again, as everywhere else.
            Err(error) if error.is_unknown() => chain(&error),
            Err(error) => return Err(error),
        };
        Ok(None)
    };
    let waited = tokio::select! {
        waited = site::until(what, PROOF_LIMIT, once, &waiting) => waited,
        () = engine.stop.cancelled() => return Err(Unproven::Stopped),
    };
    waited.map_err(|error| match error {
        SiteError::Deadline { last, .. } => {
            let reason = format!("waited {} s for {what}; last seen: {last}", PROOF_LIMIT.as_secs());
            let hint = "everything was made as planned, so look at the service itself: `pontoon logs SERVICE`";
            Unproven::Because(reason, Some(hint.to_owned()))
        }
        error => Unproven::Because(format!("waiting for {what}: {}", chain(&error)), error.hint()),
    })
}

/// What of a balancer is not ACTIVE and ONLINE. Members of a pool without a monitor say NO_MONITOR for good; an empty
/// pool has nothing to be online with.
fn offline(tree: &LoadBalancerStatus, empty: bool) -> Option<String> {
    let settled = |what: &str, provisioning: &str, operating: &str| {
        let works = matches!(operating, "ONLINE" | "NO_MONITOR") || empty;
        (provisioning != "ACTIVE" || !works).then(|| format!("{what} is {provisioning} and {operating}"))
    };
    let pools = tree.listeners.iter().flat_map(|listener| &listener.pools).chain(&tree.pools);
    let members = pools.clone().flat_map(|pool| &pool.members);
    // The innermost first: it is the cause of the others.
    members
        .map(|one| settled(&format!("member `{}`", one.name), &one.provisioning_status, &one.operating_status))
        .chain(
            pools.map(|one| settled(&format!("pool `{}`", one.name), &one.provisioning_status, &one.operating_status)),
        )
        .chain(
            tree.listeners.iter().map(|one| settled("the listener", &one.provisioning_status, &one.operating_status)),
        )
        .chain([settled("the load balancer", &tree.provisioning_status, &tree.operating_status)])
        .flatten()
        .next()
}
