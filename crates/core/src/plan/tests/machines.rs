//! What lies on the hosts of the toy cloud.

use super::toy::{Applied, Toy, done};
use crate::observed::*;
use crate::plan::agents::hash;
use crate::plan::{Action, KeySource, PROVEN, Then, Write, image_name};
use crate::render;

impl Toy {
    pub(super) fn apply_on_host(&mut self, action: &Action) -> Applied {
        match action {
            Action::PutProfile { host, name, profile, write, .. } => {
                let there = self.host(host)?.inside.profiles.insert(name.clone(), profile.clone()).is_some();
                if there == (*write == Write::Whole) {
                    return Err(format!("profile {name} there: {there}, and written {write:?}"));
                }
            }
            Action::DeleteProfile { host, name } => {
                let machine = self.host(host)?;
                if machine.cards.values().any(|(.., profile)| profile == name) {
                    return Err(format!("profile {name} is in use"));
                }
                machine.inside.profiles.remove(name).ok_or("no profile")?;
            }
            Action::ImportImage { host, image } => {
                if !self.host(host)?.inside.images.insert(image_name(image)) {
                    return Err("the image is there".to_owned());
                }
            }
            Action::PutDhcpHost { host, name, line } => {
                if self.host(host)?.inside.dhcp_hosts.insert(name.clone(), line.clone()).is_some() {
                    return Err("dnsmasq still knows the old line".to_owned());
                }
            }
            Action::RemoveDhcpHost { host, name } => {
                self.host(host)?.inside.dhcp_hosts.remove(name).ok_or("no line")?;
            }
            Action::PutAgent { host, program, files, key, then, .. } => {
                let copied = match key {
                    Some(KeySource::Host(from)) => {
                        Some(self.host(from)?.inside.agent.ring_key.clone().ok_or("no key to copy")?)
                    }
                    Some(KeySource::Drawn) => Some("drawn".to_owned()),
                    None => None,
                };
                let agent = &mut self.host(host)?.inside.agent;
                if *then == Then::Reload && !agent.running {
                    return Err("an agent that does not run cannot be told to read anew".to_owned());
                }
                agent.program = program.clone().or(agent.program.take());
                agent.ring_key = copied.or(agent.ring_key.take());
                for file in files {
                    let place = match file.path.as_str() {
                        render::AGENT_SETTINGS => &mut agent.settings,
                        render::AGENT_UNIT => &mut agent.unit,
                        render::AGENT_PICTURE => &mut agent.picture,
                        other => return Err(format!("{other} is no file of an agent's")),
                    };
                    *place = Some(hash(&file.content));
                }
                if agent.program.is_none()
                    || agent.settings.is_none()
                    || agent.unit.is_none()
                    || agent.ring_key.is_none()
                {
                    return Err("the agent lacks something and does not start".to_owned());
                }
                agent.running = true;
                agent.unfinished = false;
            }
            Action::RemoveAgent { host } => self.host(host)?.inside.agent = Agent::NONE,
            Action::CreateContainer { host, name, image, config } => {
                let machine = self.host(host)?;
                let profile = config.profiles.last().cloned().unwrap_or_default();
                if machine.inside.containers.contains_key(name) || machine.inside.foreign.contains(name) {
                    return Err(format!("container {name} exists"));
                }
                if !machine.inside.profiles.contains_key(&profile)
                    || !machine.inside.images.contains(&image_name(image))
                {
                    return Err(format!("{name}: profile or image missing"));
                }
                let key = config.config[crate::render::KEY_CONFIG].parse().map_err(|_| "no key")?;
                let address = config.generation.split("address=").nth(1).and_then(|rest| rest.split(' ').next());
                let address = address.and_then(|text| text.parse().ok()).ok_or("no address")?;
                let mac = config.devices["eth0"]["hwaddr"].clone();
                machine.cards.insert(name.clone(), (address, mac, profile));
                let container = Container { key, whole: true, running: false, config: config.config.clone() };
                machine.inside.containers.insert(name.clone(), container);
            }
            Action::ConfigureContainer { host, name, config } => {
                let container = self.host(host)?.inside.containers.get_mut(name).ok_or("no container")?;
                container.config.extend(config.clone());
                container.config.retain(|_, value| !value.is_empty());
            }
            Action::StartContainer { host, name } => {
                let (address, mac, _) = self.host(host)?.cards.get(name).cloned().ok_or("no container")?;
                if !self.passes(host, address, &mac) {
                    return Err(format!("{name} starts on {host} before its pair is set"));
                }
                let machine = self.host(host)?;
                let container = machine.inside.containers.get_mut(name).ok_or("no container")?;
                if std::mem::replace(&mut container.running, true) {
                    return Err(format!("{name} runs already"));
                }
            }
            Action::AwaitContainer { host, name, address, generation, .. } => {
                let (own, mac, _) = self.host(host)?.cards.get(name).cloned().ok_or("no container")?;
                if own != *address || !self.passes(host, own, &mac) {
                    return Err(format!("{name} does not answer at {address}"));
                }
                let container = self.host(host)?.inside.containers.get_mut(name).ok_or("no container")?;
                if !container.running {
                    return Err(format!("{name} does not run"));
                }
                container.config.insert(PROVEN.to_owned(), generation.clone());
            }
            Action::DeleteContainer { host, name } => {
                let machine = self.host(host)?;
                machine.cards.remove(name);
                machine.inside.containers.remove(name).ok_or(format!("no container {name}"))?;
            }
            other => return Err(format!("not on a host: {other:?}")),
        }
        done()
    }
}
