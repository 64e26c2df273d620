//! The profile of a service on one host: what its containers have in common and what may change in place, plus the
//! user-data that they run on their first boot.

use std::collections::BTreeMap;

use serde_json::json;

use crate::key::Key;
use crate::spec::model::Service;

use super::container::CloudInitKeys;
use super::{ANNOUNCE_CONFIG, KEY_CONFIG};

/// A profile as an engine keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileConfig {
    /// Its name: the service's.
    pub name: String,
    /// For people.
    pub description: String,
    /// Its configuration keys.
    pub config: BTreeMap<String, String>,
    /// Its devices; none, the bridge comes with the profile `default` and the address with the container.
    pub devices: BTreeMap<String, BTreeMap<String, String>>,
}

/// The profile of `service`. `key` is named `HOST/SERVICE`, and its last part is the profile's name.
pub fn profile(key: &Key, service: &Service) -> ProfileConfig {
    let name = key.name.rsplit_once('/').map_or(key.name.as_str(), |(_, name)| name);
    let mut config =
        BTreeMap::from([(KEY_CONFIG.to_owned(), key.to_string()), (ANNOUNCE_CONFIG.to_owned(), announcement(service))]);
    if let Some(user_data) = &service.user_data {
        config.insert(CloudInitKeys::of(&service.image).user_data().to_owned(), user_data.clone());
    }
    ProfileConfig {
        name: name.to_owned(),
        description: format!("Service {name} of the stack {}", key.stack),
        config,
        devices: BTreeMap::new(),
    }
}

/// Capabilities and monitoring points as one line of JSON, for whoever on the host speaks for the service.
fn announcement(service: &Service) -> String {
    json!({
        "capabilities": service.announce.capabilities,
        "monitor": service.announce.monitor,
        "check": service.announce.check,
        "port": service.port,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::Value;

    use super::*;
    use crate::key::Kind;
    use crate::spec::model::{Announce, Check, ContainerImage, Limits, MonitoringPoint};

    fn service(alias: &str) -> Service {
        Service {
            image: ContainerImage::Simplestreams { server: "https://example.org".into(), alias: alias.into() },
            replicas: 1,
            address: None,
            port: Some(8080),
            user_data: Some("#cloud-config\npackages: [hugo, git]\n".into()),
            hosts: "lxd".into(),
            limits: Limits::default(),
            announce: Announce {
                capabilities: vec!["blog".into()],
                monitor: vec![MonitoringPoint::Http("/".into())],
                check: Check::default(),
            },
        }
    }

    #[test]
    fn a_profile_carries_the_key_and_the_user_data_as_the_author_wrote_it() {
        let key = Key::new("blog", Kind::Profile, "lxd0/hugo");
        let profile = profile(&key, &service("24.04"));
        assert_eq!(profile.name, "hugo");
        assert_eq!(profile.config["user.pontoon.key"], "pontoon:blog:profile/lxd0/hugo");
        assert_eq!(profile.config["cloud-init.user-data"], "#cloud-config\npackages: [hugo, git]\n");
        assert_eq!(profile.devices, BTreeMap::new());
    }

    #[test]
    fn an_image_that_knows_only_the_older_keys_gets_the_older_keys() {
        let key = Key::new("blog", Kind::Profile, "lxd0/hugo");
        let profile = profile(&key, &service("20.04"));
        assert!(profile.config.contains_key("user.user-data"));
        assert!(!profile.config.contains_key("cloud-init.user-data"));
    }

    #[test]
    fn what_a_service_announces_can_be_read_back_from_its_profile() {
        let key = Key::new("blog", Kind::Profile, "lxd0/hugo");
        let announced: Value = serde_json::from_str(&profile(&key, &service("24.04")).config[ANNOUNCE_CONFIG]).unwrap();
        let check = json!({"interval": 5, "timeout": 2, "rise": 2, "fall": 3});
        let expected = json!({"capabilities": ["blog"], "monitor": [{"http": "/"}], "check": check, "port": 8080});
        assert_eq!(announced, expected);
    }
}
