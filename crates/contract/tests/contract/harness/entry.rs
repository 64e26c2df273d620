//! An entry of clouds.yaml: where a cloud is and who we are there.
//!
//! The forms that a contract needs: a password or an application credential. It is a second reader of that file beside
//! Pontoon's own on purpose, and a small one.

use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One cloud.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Entry {
    pub(crate) auth: Auth,
    pub(crate) region_name: Option<String>,
    pub(crate) interface: Option<String>,
}

/// Who we are, in the words of clouds.yaml.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Auth {
    #[serde(rename = "auth_url")]
    pub(crate) keystone: String,
    username: Option<String>,
    password: Option<String>,
    user_domain_name: Option<String>,
    project_name: Option<String>,
    project_domain_name: Option<String>,
    application_credential_id: Option<String>,
    application_credential_secret: Option<String>,
}

#[derive(Deserialize)]
struct Clouds {
    clouds: BTreeMap<String, Entry>,
}

impl Entry {
    /// The entry of this name in the text of a clouds.yaml.
    pub(crate) fn read(text: &str, name: &str) -> Self {
        let mut clouds: Clouds = serde_saphyr::from_str(text).expect("a clouds.yaml");
        clouds.clouds.remove(name).unwrap_or_else(|| panic!("clouds.yaml has no cloud `{name}`"))
    }

    /// The entry of this name in the clouds.yaml that OpenStack's clients would take.
    pub(crate) fn find(name: &str) -> Self {
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let places = [
            std::env::var_os("OS_CLIENT_CONFIG_FILE").map(PathBuf::from).unwrap_or_default(),
            PathBuf::from("clouds.yaml"),
            home.join(".config/openstack/clouds.yaml"),
            PathBuf::from("/etc/openstack/clouds.yaml"),
        ];
        let text = places.iter().find_map(|place| std::fs::read_to_string(place).ok());
        Self::read(&text.unwrap_or_else(|| panic!("no clouds.yaml in {places:?}")), name)
    }

    /// The root of Keystone's API, with its version.
    pub(crate) fn keystone(&self) -> String {
        let root = self.auth.keystone.trim_end_matches('/');
        if root.ends_with("/v3") { root.to_owned() } else { format!("{root}/v3") }
    }
}

impl Auth {
    /// The body of the request for a token, with another password where one is given.
    pub(crate) fn request(&self, password: Option<&str>) -> Value {
        if let (Some(id), Some(secret)) = (&self.application_credential_id, &self.application_credential_secret) {
            let secret = password.unwrap_or(secret);
            let credential = json!({ "id": id, "secret": secret });
            return json!({ "auth": { "identity": { "methods": ["application_credential"], "application_credential": credential } } });
        }
        let domain = |name: &Option<String>| json!({ "name": name.as_deref().unwrap_or("Default") });
        let user = json!({ "name": self.username, "domain": domain(&self.user_domain_name),
                           "password": password.or(self.password.as_deref()) });
        let project = json!({ "name": self.project_name, "domain": domain(&self.project_domain_name) });
        json!({ "auth": { "identity": { "methods": ["password"], "password": { "user": user } }, "scope": { "project": project } } })
    }
}
