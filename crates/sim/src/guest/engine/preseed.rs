//! The preseed that a machine's user-data hands to the engine: pools, networks, profiles.

use serde_json::Value;

use super::super::cloud_config::{Declared, yaml};
use super::{Backing, Config, Devices, Engine, Profile};

/// Every preseed in the document, in the order in which it takes effect. What `lxd: init` asks for is put in the same form.
pub(super) fn all(declared: &Declared) -> Vec<Value> {
    let of_module = declared.lxd.iter().flat_map(|module| {
        let text = module.get("preseed").and_then(Value::as_str).and_then(|text| yaml(text).ok());
        [module.get("init").map(|_| from_init(module)), text]
    });
    let of_files = declared.files.iter().map(|file| {
        let text = std::str::from_utf8(&file.content).ok()?;
        yaml(text).ok().filter(|value| value.get("storage_pools").is_some() || value.get("profiles").is_some())
    });
    of_module.chain(of_files).flatten().collect()
}

/// `lxd: {init: {storage_backend}, bridge: {mode, name}}` of cloud-init's module.
fn from_init(module: &Value) -> Value {
    let text = |pointer: &str| module.pointer(pointer).and_then(Value::as_str);
    let driver = text("/init/storage_backend").unwrap_or("dir");
    let mut devices = serde_json::json!({ "root": { "type": "disk", "path": "/", "pool": "default" } });
    if let (Some("existing" | "new"), Some(devices)) = (text("/bridge/mode"), devices.as_object_mut()) {
        let parent = text("/bridge/name").unwrap_or("lxdbr0");
        let nic = serde_json::json!({ "type": "nic", "nictype": "bridged", "name": "eth0", "parent": parent });
        devices.insert("eth0".to_owned(), nic);
    }
    serde_json::json!({
        "storage_pools": [{ "name": "default", "driver": driver }],
        "profiles": [{ "name": "default", "devices": devices }],
    })
}

impl Engine {
    /// Applies one preseed; entries without a name are passed over.
    pub(super) fn apply_preseed(&mut self, preseed: &Value) {
        self.config.extend(config(preseed.get("config")));
        for (name, pool) in named(preseed, "storage_pools") {
            self.storage_pools.insert(name, backing(pool, "driver", "dir"));
        }
        for (name, network) in named(preseed, "networks") {
            self.networks.insert(name, backing(network, "type", "bridge"));
        }
        for (name, entry) in named(preseed, "profiles") {
            let profile: &mut Profile = self.profiles.entry(name).or_default();
            profile.config.extend(config(entry.get("config")));
            profile.devices.extend(devices(entry.get("devices")));
            if let Some(description) = entry.get("description").and_then(Value::as_str) {
                description.clone_into(&mut profile.description);
            }
        }
    }
}

/// A mapping of scalars as strings.
pub(super) fn config(value: Option<&Value>) -> Config {
    let entries = value.and_then(Value::as_object).into_iter().flatten();
    entries
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect()
}

/// A mapping of devices.
pub(super) fn devices(value: Option<&Value>) -> Devices {
    let entries = value.and_then(Value::as_object).into_iter().flatten();
    entries.map(|(name, device)| (name.clone(), config(Some(device)))).collect()
}

fn backing(value: &Value, kind: &str, default: &str) -> Backing {
    Backing {
        kind: value.get(kind).and_then(Value::as_str).unwrap_or(default).to_owned(),
        description: value.get("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
        config: config(value.get("config")),
    }
}

fn named<'a>(preseed: &'a Value, key: &str) -> impl Iterator<Item = (String, &'a Value)> + use<'a> {
    let entries = preseed.get(key).and_then(Value::as_array).into_iter().flatten();
    entries.filter_map(|entry| Some((entry.get("name")?.as_str()?.to_owned(), entry)))
}
