//! The values of a step for programs, in the words of the services' own requests.
//!
//! Resources of the stack are named by key, others by id. The field `action` says which request it is; what may be long
//! or secret (user-data, configuration documents) is left out.

use pontoon_core::observed::{Admits, Pair};
use pontoon_core::plan::{
    Action, BalancerParts, Claim, KeySource, ListenerParts, MemberParts, MonitorParts, PoolParts, Then, Write,
};
use pontoon_core::spec::model::ContainerImage;
use serde_json::{Map, Value, json};

/// What a step does exactly.
pub(crate) fn details(action: &Action) -> Value {
    match action {
        Action::NarrowPools { subnet_id, pools, before } => json!({
            "action": "narrow-pools", "subnet_id": subnet_id, "pools": texts(pools),
            "tag": before.as_ref().map(|before| &before.tag),
        }),
        Action::RestorePools { subnet_id, before } => {
            json!({"action": "restore-pools", "subnet_id": subnet_id, "pools": texts(&before.pools), "tag": before.tag})
        }
        Action::CreateSecurityGroup { name } => json!({"action": "create-security-group", "name": name}),
        Action::CreateRules { group, admits } => {
            json!({"action": "create-rules", "security_group": group, "rules": admits.iter().map(rule).collect::<Vec<_>>()})
        }
        Action::DeleteRule { id } => json!({"action": "delete-rule", "id": id}),
        Action::CreateServerGroup { name } => json!({"action": "create-server-group", "name": name}),
        Action::Reserve { network_id, subnet_id, addresses } => {
            let addresses: Vec<Value> =
                addresses.iter().map(|(key, address)| json!({"key": key, "ip_address": address})).collect();
            json!({"action": "reserve", "network_id": network_id, "subnet_id": subnet_id, "addresses": addresses})
        }
        Action::CreatePort { name, network_id, subnet_id, mac, security_groups, port_security, pairs: list } => json!({
            "action": "create-port", "name": name, "network_id": network_id, "subnet_id": subnet_id, "mac_address": mac,
            "security_groups": security_groups, "port_security_enabled": port_security, "allowed_address_pairs": pairs(list),
        }),
        Action::SetPairs { port, pairs: list, revision } => json!({
            "action": "set-pairs", "port": port, "allowed_address_pairs": pairs(list), "revision_number": revision,
        }),
        Action::SetPortSecurity { port, security_groups, port_security } => json!({
            "action": "set-port-security", "port": port, "security_groups": security_groups,
            "port_security_enabled": port_security,
        }),
        Action::CreateServer {
            name,
            image_id,
            flavor_id,
            key_name,
            port,
            user_data,
            user_data_hash,
            host_key,
            group,
            availability_zone,
        } => json!({
            "action": "create-server", "name": name, "image_id": image_id, "flavor_id": flavor_id, "key_name": key_name,
            "port": port, "user_data_bytes": user_data.len(), "user_data_hash": user_data_hash, "host_key": host_key,
            "server_group": group, "availability_zone": availability_zone,
        }),
        Action::StartServer { id } => json!({"action": "start-server", "id": id}),
        Action::CreateFloatingIp { external_id, port } => {
            json!({"action": "create-floating-ip", "floating_network_id": external_id, "port": port})
        }
        Action::MoveFloatingIp { id, port, claim } => {
            json!({"action": "move-floating-ip", "id": id, "port": port, "adopt": *claim == Claim::Key})
        }
        Action::ReleaseFloatingIp { id } => json!({"action": "release-floating-ip", "id": id}),
        Action::AwaitHost { host, engine } => json!({"action": "await-host", "host": host, "engine": engine}),
        Action::PutProfile { host, name, profile, write, .. } => json!({
            "action": "put-profile", "host": host, "name": name, "exists": *write == Write::Part,
            "config_keys": profile.config.keys().collect::<Vec<_>>(),
        }),
        Action::DeleteProfile { host, name } => json!({"action": "delete-profile", "host": host, "name": name}),
        Action::ImportImage { host, image: from } => {
            json!({"action": "import-image", "host": host, "image": image(from)})
        }
        Action::PutDhcpHost { host, name, line } => {
            json!({"action": "put-dhcp-host", "host": host, "name": name, "line": line.trim()})
        }
        Action::RemoveDhcpHost { host, name } => json!({"action": "remove-dhcp-host", "host": host, "name": name}),
        Action::PutAgent { host, program, files, key, others, then } => json!({
            "action": "put-agent", "host": host, "program": program,
            "files": files.iter().map(|file| &file.path).collect::<Vec<_>>(),
            "ring_key": key.as_ref().map(|key| match key {
                KeySource::Drawn => json!("drawn"),
                KeySource::Host(host) => json!({"of": host}),
            }),
            "others": others, "restart": *then == Then::Restart,
        }),
        Action::RemoveAgent { host } => json!({"action": "remove-agent", "host": host}),
        Action::CreateContainer { host, name, image: from, config } => {
            let limits: Map<String, Value> = config
                .config
                .iter()
                .filter(|(key, _)| key.starts_with("limits."))
                .map(|(key, value)| (key.clone(), json!(value)))
                .collect();
            json!({
                "action": "create-container", "host": host, "name": name, "image": image(from),
                "profiles": config.profiles, "devices": config.devices, "limits": limits, "generation": config.generation,
            })
        }
        Action::ConfigureContainer { host, name, config } => {
            json!({"action": "configure-container", "host": host, "name": name, "config": config})
        }
        Action::StartContainer { host, name } => json!({"action": "start-container", "host": host, "name": name}),
        Action::AwaitContainer { host, name, address, port, generation } => json!({
            "action": "await-container", "host": host, "name": name, "address": address, "port": port,
            "generation": generation,
        }),
        Action::DeleteContainer { host, name } => json!({"action": "delete-container", "host": host, "name": name}),
        Action::CreateBalancer { parts, write } => {
            let mut value = balancer(parts);
            if let Some(fields) = value.as_object_mut() {
                if *write == Write::Part {
                    fields
                        .retain(|name, _| !matches!(name.as_str(), "listener" | "pool" | "members" | "healthmonitor"));
                }
                fields.shift_insert(0, "action".to_owned(), json!("create-balancer"));
            }
            value
        }
        Action::AwaitBalancer { balancer } => json!({"action": "await-balancer", "balancer": balancer}),
        Action::CreateListener { balancer, pool, parts } => {
            json!({"action": "create-listener", "balancer": balancer, "pool": pool, "listener": listener(parts)})
        }
        Action::ChangeListener { balancer, id, allowed_cidrs, pool } => json!({
            "action": "change-listener", "balancer": balancer, "id": id, "allowed_cidrs": allowed_cidrs, "pool": pool,
        }),
        Action::DeleteListener { balancer, id } => json!({"action": "delete-listener", "balancer": balancer, "id": id}),
        Action::CreatePool { balancer, parts } => {
            json!({"action": "create-pool", "balancer": balancer, "pool": pool(parts)})
        }
        Action::ChangePool { balancer, id, algorithm } => {
            json!({"action": "change-pool", "balancer": balancer, "id": id, "lb_algorithm": algorithm})
        }
        Action::DeletePool { balancer, id } => json!({"action": "delete-pool", "balancer": balancer, "id": id}),
        Action::SetMembers { balancer, pool, members } => json!({
            "action": "set-members", "balancer": balancer, "pool": pool,
            "members": members.iter().map(member).collect::<Vec<_>>(),
        }),
        Action::AwaitMember { balancer, pool, name, address, port } => json!({
            "action": "await-member", "balancer": balancer, "pool": pool, "name": name, "address": address,
            "protocol_port": port,
        }),
        Action::CreateMonitor { balancer, pool, parts } => {
            json!({"action": "create-monitor", "balancer": balancer, "pool": pool, "healthmonitor": monitor(parts)})
        }
        Action::ChangeMonitor { balancer, id, path } => {
            json!({"action": "change-monitor", "balancer": balancer, "id": id, "url_path": path})
        }
        Action::DeleteMonitor { balancer, id } => json!({"action": "delete-monitor", "balancer": balancer, "id": id}),
        Action::SetVipSecurityGroups { balancer, groups } => {
            json!({"action": "set-vip-security-groups", "balancer": balancer, "security_groups": groups})
        }
        Action::DeleteBalancer { id } => json!({"action": "delete-balancer", "id": id}),
        Action::DeleteFloatingIp { id } => json!({"action": "delete-floating-ip", "id": id}),
        Action::DeleteServer { id } => json!({"action": "delete-server", "id": id}),
        Action::DeletePort { id } => json!({"action": "delete-port", "id": id}),
        Action::DeleteSecurityGroup { id } => json!({"action": "delete-security-group", "id": id}),
        Action::DeleteServerGroup { id } => json!({"action": "delete-server-group", "id": id}),
    }
}

/// A load balancer with its children, in Octavia's words.
pub(crate) fn balancer(parts: &BalancerParts) -> Value {
    json!({
        "name": parts.name,
        "provider": parts.provider,
        "vip_subnet_id": parts.subnet_id,
        "vip_address": parts.address,
        "vip_security_groups": parts.security_groups,
        "listener": listener(&parts.listener),
        "pool": pool(&parts.pool),
        "members": parts.members.iter().map(member).collect::<Vec<_>>(),
        "healthmonitor": monitor(&parts.monitor),
    })
}

fn listener(parts: &ListenerParts) -> Value {
    json!({
        "name": parts.name, "protocol": parts.protocol, "protocol_port": parts.port, "allowed_cidrs": parts.allowed_cidrs,
    })
}

fn pool(parts: &PoolParts) -> Value {
    json!({"name": parts.name, "protocol": parts.protocol, "lb_algorithm": parts.algorithm})
}

fn member(parts: &MemberParts) -> Value {
    json!({"name": parts.name, "address": parts.address, "protocol_port": parts.port, "subnet_id": parts.subnet_id})
}

fn monitor(parts: &MonitorParts) -> Value {
    json!({"name": parts.name, "type": parts.kind, "url_path": parts.path})
}

fn rule(admits: &Admits) -> Value {
    match admits {
        Admits::TcpFrom(port, from) => json!({"protocol": "tcp", "port": port, "remote_ip_prefix": from}),
        Admits::UdpFrom(port, from) => json!({"protocol": "udp", "port": port, "remote_ip_prefix": from}),
        Admits::TcpFromGroup(port) => json!({"protocol": "tcp", "port": port, "remote_group": "itself"}),
        Admits::Other(what) => json!({"other": what}),
    }
}

fn pairs(pairs: &[Pair]) -> Vec<Value> {
    pairs.iter().map(|pair| json!({"ip_address": pair.address, "mac_address": pair.mac})).collect()
}

fn image(image: &ContainerImage) -> Value {
    match image {
        ContainerImage::Simplestreams { server, alias } => json!({"server": server, "alias": alias}),
        ContainerImage::File { path, fingerprint } => json!({"path": path, "fingerprint": fingerprint}),
    }
}

fn texts<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}
