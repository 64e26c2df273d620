//! Asking a cloud what a first stack can stand on. Lists only, all at once where none needs another.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use futures_util::try_join;
use pontoon_cloud::openstack::compute::{Flavor, Keypair};
use pontoon_cloud::openstack::image::Image;
use pontoon_cloud::openstack::network::{Network, Port, Router, Subnet};
use pontoon_cloud::openstack::{Client, Error};
use pontoon_core::address::AddressRange;

use super::facts::{Balances, CloudFacts, NetworkFact};
use crate::exit::Failure;

/// What the project has there; the best of each kind first.
pub(super) async fn facts(client: &Client) -> Result<CloudFacts, Failure> {
    let lists = Lists::ask(client)
        .await
        .map_err(|error| Failure::new("cannot look at the cloud").caused_by(&error).hint(error.hint()))?;
    let routed = lists.routed_to();
    let networks = lists.networks(&routed);
    let facts = CloudFacts {
        external: lists.external_names(&networks, &routed),
        networks: networks.into_iter().map(|(_, fact)| fact).collect(),
        images: images(&lists.images),
        flavors: flavors(lists.flavors),
        keys: keys(lists.keypairs, &own_public_keys()),
        balances: lists.balances,
    };
    needs("network of its own with an IPv4 subnet", facts.networks.is_empty(), || {
        "`openstack network create` and `openstack subnet create` make one; a router joins it to the outside".to_owned()
    })?;
    needs("external network to use", facts.external.is_empty(), || "ask the cloud's operator for one".to_owned())?;
    needs("image", facts.images.is_empty(), || "`openstack image create` uploads one".to_owned())?;
    needs("flavor", facts.flavors.is_empty(), || "ask the cloud's operator for one".to_owned())?;
    needs("key pair", facts.keys.is_empty(), || {
        "`openstack keypair create --public-key ~/.ssh/id_ed25519.pub NAME` makes one".to_owned()
    })?;
    Ok(facts)
}

fn needs(what: &str, is_missing: bool, hint: impl FnOnce() -> String) -> Result<(), Failure> {
    if is_missing { Err(Failure::new(format!("the project has no {what}")).hint(hint())) } else { Ok(()) }
}

/// The vendors' lists.
struct Lists {
    own: Vec<Network>,
    external: Vec<Network>,
    subnets: Vec<Subnet>,
    ports: Vec<Port>,
    routers: Vec<Router>,
    images: Vec<Image>,
    flavors: Vec<Flavor>,
    keypairs: Vec<Keypair>,
    balances: Balances,
}

impl Lists {
    async fn ask(client: &Client) -> Result<Self, Error> {
        let project = client.project_id().await?.unwrap_or_default();
        let own = [("project_id", project.as_str())];
        let balances = async {
            match client.load_balancer_versions().await {
                Ok(_) => Ok(Balances::Yes),
                Err(Error::NoEndpoint { .. }) => Ok(Balances::No),
                Err(error) => Err(error),
            }
        };
        let (own, external, routers, images, flavors, keypairs, balances) = try_join!(
            client.networks(&own),
            client.networks(&[("router:external", "true")]),
            client.routers(&[]),
            client.images(&[("status", "active")]),
            client.flavors(),
            client.keypairs(),
            balances,
        )?;
        let own: Vec<Network> = own.into_iter().filter(|one| !one.external && one.project_id == project).collect();
        let filters: Vec<(&str, &str)> = own.iter().map(|one| ("network_id", one.id.as_str())).collect();
        let (subnets, ports) = if filters.is_empty() {
            (Vec::new(), Vec::new())
        } else {
            try_join!(client.subnets(&filters), client.ports(&filters))?
        };
        Ok(Self { own, external, subnets, ports, routers, images, flavors, keypairs, balances })
    }

    /// External networks by the id of the network that a router joins to them.
    fn routed_to(&self) -> BTreeMap<&str, &str> {
        let gateway_of = |router: &str| {
            let router = self.routers.iter().find(|one| one.id == router)?;
            router.external_gateway_info.as_ref().map(|gateway| gateway.network_id.as_str())
        };
        // `network:router_interface`, and with other endings where routers are distributed or highly available.
        let joins = self.ports.iter().filter(|port| port.device_owner.contains("router"));
        joins.filter_map(|port| Some((port.network_id.as_str(), gateway_of(&port.device_id)?))).collect()
    }

    /// Those that a file can name, with their ids: one of its name, with an IPv4 subnet. Routed ones first.
    fn networks(&self, routed: &BTreeMap<&str, &str>) -> Vec<(&str, NetworkFact)> {
        let named_alone = |name: &str| self.own.iter().filter(|one| one.name == name).count() == 1;
        let mut found: Vec<(&str, NetworkFact)> = self
            .own
            .iter()
            .filter(|network| !network.name.is_empty() && named_alone(&network.name))
            .filter_map(|network| {
                let subnet = self.subnets.iter().find(|one| one.network_id == network.id && one.ip_version == 4)?;
                Some((network.id.as_str(), self.network(network, subnet)?))
            })
            .collect();
        found.sort_by_key(|(id, _)| !routed.contains_key(id));
        found
    }

    fn network(&self, network: &Network, subnet: &Subnet) -> Option<NetworkFact> {
        let pool = |start: &str, end: &str| AddressRange::new(start.parse().ok()?, end.parse().ok()?);
        let held = self.ports.iter().flat_map(|port| &port.fixed_ips).filter(|held| held.subnet_id == subnet.id);
        Some(NetworkFact {
            name: network.name.clone(),
            subnet: subnet.cidr.parse().ok()?,
            gateway: subnet.gateway_ip.as_ref().and_then(|address| address.parse().ok()),
            pools: subnet.allocation_pools.iter().filter_map(|one| pool(&one.start, &one.end)).collect(),
            taken: held.filter_map(|held| held.ip_address.parse().ok()).collect(),
        })
    }

    /// The one that the chosen network is joined to first: a floating IP of any other leads nowhere.
    fn external_names(&self, networks: &[(&str, NetworkFact)], routed: &BTreeMap<&str, &str>) -> Vec<String> {
        let joined = networks.first().and_then(|(id, _)| routed.get(id));
        let mut external: Vec<&Network> = self.external.iter().collect();
        external.sort_by_key(|one| Some(&one.id.as_str()) != joined);
        external.into_iter().map(|one| one.name.clone()).collect()
    }
}

/// What can become a host is an image with cloud-init and apt; the newest that Pontoon is tested with come first.
const GOOD_IMAGES: [&[&str]; 5] =
    [&["ubuntu", "24.04"], &["noble"], &["debian", "13"], &["debian", "12"], &["ubuntu", "22.04"]];

/// Names that stand for one image each, the best first.
fn images(images: &[Image]) -> Vec<String> {
    let alone = |name: &str| images.iter().filter(|one| one.name == name).count() == 1;
    let mut names: Vec<&str> =
        images.iter().map(|one| one.name.as_str()).filter(|name| !name.is_empty() && alone(name)).collect();
    names.sort_by_key(|name| {
        let name = name.to_lowercase();
        let good = GOOD_IMAGES.iter().position(|words| words.iter().all(|word| name.contains(word)));
        good.unwrap_or(GOOD_IMAGES.len())
    });
    names.into_iter().map(str::to_owned).collect()
}

/// A host with some containers wants two processors, 2 GB and a disk; the smallest that has them comes first, and then
/// the others from small to large.
fn flavors(mut flavors: Vec<Flavor>) -> Vec<String> {
    let is_enough = |flavor: &Flavor| flavor.vcpus >= 2 && flavor.ram >= 2000 && flavor.disk >= 20;
    flavors.sort_by_key(|flavor| (!is_enough(flavor), flavor.ram, flavor.vcpus, flavor.disk));
    flavors.into_iter().map(|flavor| flavor.name).collect()
}

/// Key pairs whose private half lies on this machine first.
fn keys(mut pairs: Vec<Keypair>, own: &BTreeSet<String>) -> Vec<String> {
    pairs.retain(|pair| pair.kind.is_empty() || pair.kind == "ssh");
    pairs.sort_by_key(|pair| !own.contains(&without_comment(&pair.public_key)));
    pairs.into_iter().map(|pair| pair.name).collect()
}

/// The public halves of the usual files.
fn own_public_keys() -> BTreeSet<String> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let paths = ["id_ed25519", "id_ecdsa", "id_rsa"].map(|name| format!(".ssh/{name}.pub"));
    let texts = home.iter().flat_map(|home| paths.iter().map(|path| home.join(path)));
    texts.filter_map(|path| std::fs::read_to_string(path).ok()).map(|text| without_comment(&text)).collect()
}

/// Algorithm and key of a line of `authorized_keys`.
fn without_comment(line: &str) -> String {
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_pontoon_is_tested_with_is_taken_and_one_of_two_alike_never() {
        let image = |name: &str| Image { name: name.to_owned(), ..Image::default() };
        let names = ["cirros", "debian-12-generic", "twice", "Ubuntu 24.04 LTS", "twice"].map(image);
        assert_eq!(images(&names), ["Ubuntu 24.04 LTS", "debian-12-generic", "cirros"]);
    }

    #[test]
    fn the_smallest_flavor_that_is_enough_is_taken() {
        let flavor =
            |name: &str, vcpus, ram, disk| Flavor { name: name.to_owned(), vcpus, ram, disk, ..Flavor::default() };
        let list = vec![flavor("huge", 64, 262_144, 500), flavor("tiny", 1, 512, 1), flavor("small", 2, 4096, 40)];
        assert_eq!(flavors(list), ["small", "huge", "tiny"]);
    }

    #[test]
    fn a_key_pair_of_this_machine_comes_first() {
        let pair =
            |name: &str, key: &str| Keypair { name: name.to_owned(), public_key: key.to_owned(), ..Keypair::default() };
        let pairs = vec![pair("theirs", "ssh-ed25519 AAAA x"), pair("mine", "ssh-ed25519 BBBB me@there")];
        assert_eq!(keys(pairs, &BTreeSet::from(["ssh-ed25519 BBBB".to_owned()])), ["mine", "theirs"]);
    }
}
