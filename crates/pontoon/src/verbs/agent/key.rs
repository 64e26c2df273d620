//! `pontoon agent key`: the ring's key, for whoever else may join.
//!
//! It is on the stack's hosts and nowhere else, so one of them is asked.

use pontoon_core::key::Kind;
use pontoon_core::observed::HostView;
use pontoon_core::render::{AGENT_KEYRING, RING_PORT};
use serde_json::json;

use super::super::stack::{self, Use};
use crate::cli::agent::Key;
use crate::exit::{Exit, Failure};
use crate::show::{self, Output, Reader};

pub(super) async fn run(arguments: &Key, output: &Output) -> Result<Exit, Failure> {
    let target = &arguments.target;
    let opened = stack::open(&target.directory, &target.options, Use::Visit, None, output).await?;
    let (site, stack) = (&opened.connected.site, &opened.file.loaded.stack);
    let seen = Box::pin(site.observe(stack)).await.map_err(|error| {
        Failure::new(format!("cannot look at stack `{}`", stack.name)).caused_by(&error).hint(error.hint())
    })?;
    let has_key = |view: &HostView| matches!(view, HostView::Ready(inside) if inside.agent.ring_key.is_some());
    let Some(host) = seen.hosts.iter().find(|(_, view)| has_key(view)).map(|(host, _)| host) else {
        return Err(Failure::new(format!("no host of stack `{}` that answers has a key of the ring", stack.name))
            .hint("`pontoon up` gives hosts their agents".to_owned()));
    };
    let keyring = site.hosts.run(host, &format!("sudo cat {AGENT_KEYRING}"), &[]).await;
    let keyring = keyring.map_err(|error| {
        Failure::new(format!("cannot read the ring's key on host `{host}`")).caused_by(&error).hint(error.hint())
    })?;
    let keys: Vec<String> = serde_json::from_str(&keyring).unwrap_or_default();
    let Some(key) = keys.first() else {
        return Err(Failure::new(format!("`{AGENT_KEYRING}` on host `{host}` is no keyring"))
            .hint("`pontoon up` gives it that of the other hosts, if it is removed".to_owned()));
    };
    let members: Vec<String> = seen
        .ports
        .iter()
        .filter(|port| {
            port.key.as_ref().is_some_and(|key| key.kind == Kind::Port && seen.hosts.contains_key(&key.name))
        })
        .filter_map(|port| port.addresses.first())
        .map(|address| format!("{address}:{RING_PORT}"))
        .collect();
    match output.reader {
        Reader::Program => show::print_json(
            &json!({"event": "key", "stack": stack.name, "host": host, "key": key, "members": members}),
        ),
        Reader::Person => {
            show::print(&format!("{key}\n"));
            let join: Vec<String> = members.iter().map(|member| format!("-join={member}")).collect();
            output.remark(&format!(
                "members of the ring: {}\nserf agent -encrypt=KEY {}\nwho comes from another network than the stack's needs `agent.ring_from` in the file",
                members.join(", "),
                join.join(" "),
            ));
        }
    }
    Ok(Exit::Done)
}
