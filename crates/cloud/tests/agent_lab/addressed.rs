//! Containers that get their addresses in other ways than from dnsmasq, beside the others on their host.

use pontoon_cloud::lxd::StateAction;

use crate::asking::until;
use crate::lab::{LIMIT, Stack, Wanted};
use crate::town::{HOSTS, STACK, address_of, in_town};

/// Lines of the file's `network`, and what a stack of one such container is called.
const WAYS: [(&str, &str); 4] = [
    ("told", "  addressing: dnsmasq\n"),
    ("static", "  addressing: network-config\n"),
    ("lxc", "  addressing: raw-lxc\n"),
    ("routed", "  attach: pair-ip\n"),
];

#[test]
fn a_container_finds_the_services_of_its_hosts_stack_and_the_world_however_it_gets_its_address() {
    in_town(async |town| {
        for (name, network) in WAYS {
            let wanted = Wanted {
                name,
                host: HOSTS[0],
                address: "192.168.0.150",
                network,
                user_data: "#cloud-config\nruncmd: [[\"true\"]]\n",
                ..Wanted::default()
            };
            let stack = Stack::new(&town.lab, &wanted).await;
            stack.up().await;
            // One on the same host and one on another, by the host's dnsmasq and its agent.
            for service in ["web", "blog"] {
                finds(&stack, &format!("{service}.service.{STACK}.internal"), &address_of(service).to_string()).await;
            }
            let reverse = format!("blog-0.container.{STACK}.internal");
            finds(&stack, &address_of("blog").to_string(), &reverse).await;
            // What is no name of the stack's is the name servers' of the network to answer.
            finds(&stack, "outside.example", "192.0.2.7").await;
            finds(&stack, &format!("nobody.service.{STACK}.internal"), "").await;

            let engine = stack.engine().await;
            engine.set_instance_state(&stack.container(), StateAction::ForceStop, LIMIT).await.unwrap();
            engine.delete_instance(&stack.container(), LIMIT).await.unwrap();
        }
    });
}

/// Waits until a container's own resolver makes this of a name or an address: the other one of the two, or nothing.
async fn finds(stack: &Stack, asked: &str, wanted: &str) {
    let container = stack.container();
    until(&format!("{container} to find `{wanted}` for {asked}"), async || {
        let output = stack.try_in(HOSTS[0], &container, &["getent", "hosts", asked]).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let found = text.split_whitespace().find(|word| *word != asked).unwrap_or_default();
        if found == wanted { Ok(()) } else { Err(format!("getent ended with {}: {text}", output.code)) }
    })
    .await;
}
