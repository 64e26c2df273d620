//! One entry below `clouds:`, as written: texts, before anything is understood.
//!
//! Every scalar is kept as the text that stands in the file. A password `0123` and a project id of thirty-two digits
//! are not numbers, whatever YAML thinks of them.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The settings of one cloud.
#[derive(Clone, Default)]
pub(super) struct Entry {
    /// Settings beside `auth`, with `_` for `-`.
    pub(super) settings: BTreeMap<String, String>,
    /// What stands below `auth`.
    pub(super) auth: BTreeMap<String, String>,
    /// What stands below `regions`, in its order.
    pub(super) regions: Vec<Region>,
}

/// One of the `regions` of a cloud, with settings that hold there only.
#[derive(Clone, Default)]
pub(super) struct Region {
    pub(super) name: String,
    pub(super) values: Entry,
}

impl Entry {
    /// Lays `over` on top: what it sets wins, what it does not set stays.
    pub(super) fn merge(&mut self, over: &Self) {
        self.settings.extend(over.settings.clone());
        self.auth.extend(over.auth.clone());
        if !over.regions.is_empty() {
            self.regions.clone_from(&over.regions);
        }
    }

    /// Settings by name; the value is a text.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }
}

/// The settings that are read. Everything else in an entry may have any shape and is passed over.
fn is_read(name: &str) -> bool {
    const READ: &[&str] = &[
        "profile",
        "cloud",
        "auth_type",
        "auth_plugin",
        "auth_url",
        "region_name",
        "interface",
        "endpoint_type",
        "verify",
        "insecure",
        "cacert",
        "cert",
        "key",
        "identity_api_version",
        "default_domain",
        "api_timeout",
        "username",
        "user_id",
        "password",
        "project_id",
        "project_name",
        "tenant_id",
        "tenant_name",
        "domain_id",
        "domain_name",
        "user_domain_id",
        "user_domain_name",
        "project_domain_id",
        "project_domain_name",
        "default_domain_id",
        "default_domain_name",
        "token",
        "auth_token",
        "system_scope",
        "application_credential_id",
        "application_credential_name",
        "application_credential_secret",
    ];
    const ENDINGS: &[&str] = &["_endpoint_override", "_interface", "_endpoint_type"];
    READ.contains(&name) || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the settings of a cloud")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        let mut entry = Entry::default();
        while let Some(key) = map.next_key::<String>()? {
            let name = key.replace('-', "_");
            match name.as_str() {
                "auth" => {
                    let auth: Option<BTreeMap<String, Option<String>>> = map.next_value()?;
                    let set = auth.unwrap_or_default().into_iter();
                    entry.auth = set.filter_map(|(key, text)| Some((key.replace('-', "_"), text?))).collect();
                }
                "regions" => entry.regions = map.next_value::<Option<Vec<Region>>>()?.unwrap_or_default(),
                "region_name" => {
                    // Older files list several regions here, with commas or as a list; the first one is the default.
                    let names = map.next_value::<RegionNames>()?.0;
                    if let Some(first) = names.first() {
                        entry.settings.insert(name, first.clone());
                    }
                    if names.len() > 1 {
                        let plain = |name: String| Region { name, ..Region::default() };
                        entry.regions = names.into_iter().map(plain).collect();
                    }
                }
                known if is_read(known) => {
                    if let Some(text) = map.next_value::<Option<String>>()? {
                        entry.settings.insert(name, text);
                    }
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(entry)
    }
}

impl<'de> Deserialize<'de> for Region {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RegionVisitor)
    }
}

struct RegionVisitor;

impl<'de> Visitor<'de> for RegionVisitor {
    type Value = Region;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a region's name, or its `name` and `values`")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Region, E> {
        Ok(Region { name: name.to_owned(), values: Entry::default() })
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Region, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Region, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Region, A::Error> {
        let mut region = Region::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "name" => region.name = map.next_value()?,
                "values" => region.values = map.next_value::<Option<Entry>>()?.unwrap_or_default(),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(region)
    }
}

/// One region's name, several with commas between, or a list of them.
struct RegionNames(Vec<String>);

impl<'de> Deserialize<'de> for RegionNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RegionNamesVisitor)
    }
}

struct RegionNamesVisitor;

impl<'de> Visitor<'de> for RegionNamesVisitor {
    type Value = RegionNames;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a region")
    }

    fn visit_str<E: serde::de::Error>(self, names: &str) -> Result<RegionNames, E> {
        Ok(RegionNames(names.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<RegionNames, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<RegionNames, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<RegionNames, E> {
        Ok(RegionNames(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<RegionNames, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = list.next_element::<String>()? {
            names.push(name);
        }
        Ok(RegionNames(names))
    }
}
