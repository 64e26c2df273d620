//! From texts to one [`CloudConfig`]. Pure.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;
use serde::Deserialize;

use super::entry::Entry;
use super::{
    CloudConfig, ConfigError, CredentialName, Domain, Identity, Interface, Named, Scope, Secret, SourceFile, Sources,
    Tls,
};

/// Resolves `cloud`, or the one that `OS_CLOUD`, the variables or a file with a single cloud choose.
///
/// # Errors
/// Every error names the file and the cloud; see [`ConfigError::hint`].
pub fn cloud_config(sources: &Sources, cloud: Option<&str>) -> Result<CloudConfig, ConfigError> {
    let clouds = Clouds::gather(sources)?;
    let name = clouds.choose(sources, cloud)?;
    let place = clouds.place_of(&name);
    let own = clouds.entries.get(&name).cloned().unwrap_or_default();
    let mut entry = profile_of(sources, &own)?.unwrap_or_default();
    entry.merge(&own);
    let region = choose_region(sources, &mut entry, &name, &place)?;
    Resolver { entry: &entry, name: &name, place: &place, sources }.resolve(region)
}

/// The clouds that could be asked for, in the order of the file.
///
/// # Errors
/// Only where a file is not a list of clouds.
pub fn cloud_names(sources: &Sources) -> Result<Vec<String>, ConfigError> {
    Ok(Clouds::gather(sources)?.names())
}

/// All clouds of the files and of the variables.
struct Clouds {
    entries: IndexMap<String, Entry>,
    file: Option<PathBuf>,
    /// The name of the cloud that the variables make, where they make one.
    from_variables: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CloudsFile {
    clouds: Option<IndexMap<String, Option<Entry>>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
struct PublicFile {
    public_clouds: Option<IndexMap<String, Option<Entry>>>,
}

impl Clouds {
    fn gather(sources: &Sources) -> Result<Self, ConfigError> {
        let mut entries: IndexMap<String, Entry> = IndexMap::new();
        for file in [&sources.clouds, &sources.secure].into_iter().flatten() {
            let parsed: CloudsFile = parse(file)?;
            for (name, entry) in parsed.clouds.unwrap_or_default() {
                entries.entry(name).or_default().merge(&entry.unwrap_or_default());
            }
        }
        let file = sources.clouds.as_ref().or(sources.secure.as_ref()).map(|file| file.path.clone());
        let mut clouds = Self { entries, file, from_variables: None };
        if let Some(entry) = entry_of_variables(sources) {
            let name = sources.variable("OS_CLOUD_NAME").unwrap_or("envvars").to_owned();
            if clouds.entries.contains_key(&name) {
                return Err(ConfigError::NameTaken { place: clouds.place(), cloud: name });
            }
            clouds.entries.insert(name.clone(), entry);
            clouds.from_variables = Some(name);
        }
        Ok(clouds)
    }

    fn choose(&self, sources: &Sources, asked: Option<&str>) -> Result<String, ConfigError> {
        let chosen = asked.or_else(|| sources.variable("OS_CLOUD")).or(self.from_variables.as_deref());
        if let Some(cloud) = chosen {
            if self.entries.contains_key(cloud) {
                return Ok(cloud.to_owned());
            }
            return Err(ConfigError::UnknownCloud {
                cloud: cloud.to_owned(),
                place: self.place(),
                known: self.names(),
            });
        }
        match (self.entries.len(), self.entries.first()) {
            (1, Some((name, _))) => Ok(name.clone()),
            (0, _) => Err(ConfigError::NothingConfigured { searched: sources.searched.clone() }),
            _ => Err(ConfigError::NoneChosen { place: self.place(), known: self.names() }),
        }
    }

    fn names(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    fn place(&self) -> String {
        self.file.as_ref().map_or_else(|| "any clouds.yaml".to_owned(), |path| format!("`{}`", path.display()))
    }

    fn place_of(&self, cloud: &str) -> String {
        if self.from_variables.as_deref() == Some(cloud) { "the OS_* variables".to_owned() } else { self.place() }
    }
}

fn parse<T: for<'de> Deserialize<'de> + Default>(file: &SourceFile) -> Result<T, ConfigError> {
    if file.text.trim().is_empty() {
        return Ok(T::default());
    }
    // Only the first line of the parser's message: the following ones quote the file, which holds secrets.
    serde_saphyr::from_str(&file.text).map_err(|error| {
        let message = error.without_snippet().to_string();
        let message = message.lines().next().unwrap_or_default().to_owned();
        ConfigError::Malformed { path: file.path.clone(), message }
    })
}

/// The cloud made of the `OS_*` variables; none where they only select one.
fn entry_of_variables(sources: &Sources) -> Option<Entry> {
    const SELECTORS: &[&str] = &[
        "OS_CLOUD",
        "OS_REGION_NAME",
        "OS_CLIENT_CONFIG_FILE",
        "OS_CLIENT_SECURE_FILE",
        "OS_CLIENT_VENDOR_FILE",
        "OS_CLOUD_NAME",
        "OS_DEFAULT_DOMAIN",
    ];
    const FOREIGN: &[&str] = &["OS_TEST", "OS_STD", "OS_LOG"];
    let mut entry = Entry::default();
    let mut makes_a_cloud = false;
    for (name, text) in &sources.environment {
        let Some(setting) = name.strip_prefix("OS_") else { continue };
        if FOREIGN.iter().any(|foreign| name.starts_with(foreign)) || text.is_empty() {
            continue;
        }
        makes_a_cloud |= !SELECTORS.contains(&name.as_str());
        if name != "OS_CLOUD" {
            entry.settings.insert(setting.to_lowercase(), text.clone());
        }
    }
    makes_a_cloud.then_some(entry)
}

fn profile_of(sources: &Sources, own: &Entry) -> Result<Option<Entry>, ConfigError> {
    let Some(profile) = own.get("profile").or_else(|| own.get("cloud")) else { return Ok(None) };
    let Some(file) = &sources.public else { return Ok(None) };
    let parsed: PublicFile = parse(file)?;
    Ok(parsed.public_clouds.unwrap_or_default().swap_remove(profile).map(Option::unwrap_or_default))
}

/// Chooses the region and lays its own settings over the cloud's.
fn choose_region(
    sources: &Sources,
    entry: &mut Entry,
    cloud: &str,
    place: &str,
) -> Result<Option<String>, ConfigError> {
    let asked = sources.variable("OS_REGION_NAME").map(str::to_owned);
    let regions = std::mem::take(&mut entry.regions);
    let wanted = asked.or_else(|| entry.get("region_name").map(str::to_owned));
    let Some(first) = regions.first() else { return Ok(wanted) };
    let Some(wanted) = wanted else {
        entry.merge(&first.values);
        return Ok(Some(first.name.clone()));
    };
    let Some(region) = regions.iter().find(|region| region.name == wanted) else {
        let names: Vec<&str> = regions.iter().map(|region| region.name.as_str()).collect();
        return Err(ConfigError::Invalid {
            cloud: cloud.to_owned(),
            place: place.to_owned(),
            setting: "region_name",
            value: wanted,
            expected: format!("one of {}", names.join(", ")),
        });
    };
    entry.merge(&region.values);
    Ok(Some(region.name.clone()))
}

/// The last step, with what its messages need.
struct Resolver<'a> {
    entry: &'a Entry,
    name: &'a str,
    place: &'a str,
    sources: &'a Sources,
}

impl Resolver<'_> {
    fn resolve(&self, region: Option<String>) -> Result<CloudConfig, ConfigError> {
        let auth_url = self.auth("auth_url").ok_or_else(|| self.missing_auth_url())?.to_owned();
        if let Some(version) = self.entry.get("identity_api_version").filter(|version| !version.starts_with('3')) {
            return Err(self.invalid("identity_api_version", version, "3: Keystone's version 2 is gone"));
        }
        let identity = self.identity()?;
        let scope = match identity {
            Identity::ApplicationCredential { .. } => None,
            Identity::Password { .. } | Identity::Token { .. } => self.scope(),
        };
        Ok(CloudConfig {
            name: self.name.to_owned(),
            auth_url,
            identity,
            scope,
            region,
            interface: self.interface()?,
            service_interfaces: self.per_service("_interface", "_endpoint_type", Interface::parse),
            endpoint_overrides: self
                .per_service("_endpoint_override", "_endpoint_override", |url| Some(url.to_owned())),
            tls: self.tls(),
            timeout: self.entry.get("api_timeout").and_then(seconds),
        })
    }

    /// A setting of `auth`, or of the cloud itself, which wins: that is where variables and regions put theirs.
    fn auth(&self, name: &str) -> Option<&str> {
        self.entry.get(name).or_else(|| self.entry.auth.get(name).map(String::as_str)).filter(|text| !text.is_empty())
    }

    fn identity(&self) -> Result<Identity, ConfigError> {
        let written = self.entry.get("auth_type").or_else(|| self.entry.get("auth_plugin"));
        let token = self.auth("token").or_else(|| self.auth("auth_token"));
        match written.unwrap_or("password") {
            // A token wins over the default kind, as it does in the standard clients.
            "password" | "v3password" if token.is_some() && self.auth("password").is_none() => self.token(token),
            "password" | "v3password" => {
                let user = self.user()?;
                let password = self.auth("password").ok_or_else(|| {
                    self.missing("auth.password", "write it into secure.yaml beside clouds.yaml, or set OS_PASSWORD")
                })?;
                Ok(Identity::Password { user, password: Secret::new(password) })
            }
            "token" | "v3token" => self.token(token),
            "v3applicationcredential" => self.application_credential(),
            other => Err(self.invalid("auth_type", other, "`password`, `v3applicationcredential` or `token`")),
        }
    }

    fn token(&self, token: Option<&str>) -> Result<Identity, ConfigError> {
        let token = token.ok_or_else(|| self.missing("auth.token", "set OS_TOKEN, or use another auth_type"))?;
        Ok(Identity::Token { token: Secret::new(token) })
    }

    fn application_credential(&self) -> Result<Identity, ConfigError> {
        let secret = self.auth("application_credential_secret").ok_or_else(|| {
            self.missing("auth.application_credential_secret", "it was shown once, when the credential was created")
        })?;
        let credential = match (self.auth("application_credential_id"), self.auth("application_credential_name")) {
            (Some(id), _) => CredentialName::Id(id.to_owned()),
            (None, Some(name)) => CredentialName::Name { name: name.to_owned(), user: self.user()? },
            (None, None) => {
                return Err(self.missing("auth.application_credential_id", "give its id, or its name and user"));
            }
        };
        Ok(Identity::ApplicationCredential { credential, secret: Secret::new(secret) })
    }

    fn user(&self) -> Result<Named, ConfigError> {
        self.named("user_id", "username", "user_domain")
            .ok_or_else(|| self.missing("auth.username", "add username (or user_id) below `auth:`, or set OS_USERNAME"))
    }

    fn scope(&self) -> Option<Scope> {
        let project = self.named("project_id", "project_name", "project_domain");
        let project = project.or_else(|| self.named("tenant_id", "tenant_name", "project_domain"));
        if let Some(project) = project {
            return Some(Scope::Project(project));
        }
        if self.auth("system_scope").is_some() {
            return Some(Scope::System);
        }
        let domain = self.auth("domain_id").map(|id| Domain::Id(id.to_owned()));
        domain.or_else(|| self.auth("domain_name").map(|name| Domain::Name(name.to_owned()))).map(Scope::Domain)
    }

    fn named(&self, id: &str, name: &str, domain: &str) -> Option<Named> {
        if let Some(id) = self.auth(id) {
            return Some(Named::Id(id.to_owned()));
        }
        let name = self.auth(name)?.to_owned();
        Some(Named::Name { name, domain: self.domain(domain) })
    }

    /// The domain of a user or project: its own setting, one for both, the default domain.
    fn domain(&self, of: &str) -> Domain {
        for prefix in [of, "domain", "default_domain"] {
            if let Some(id) = self.auth(&format!("{prefix}_id")) {
                return Domain::Id(id.to_owned());
            }
            if let Some(name) = self.auth(&format!("{prefix}_name")) {
                return Domain::Name(name.to_owned());
            }
        }
        let default = self.entry.get("default_domain").or_else(|| self.sources.variable("OS_DEFAULT_DOMAIN"));
        Domain::Id(default.unwrap_or("default").to_owned())
    }

    fn interface(&self) -> Result<Interface, ConfigError> {
        let Some(text) = self.entry.get("interface").or_else(|| self.entry.get("endpoint_type")) else {
            return Ok(Interface::default());
        };
        let expected = "`public`, `internal` or `admin`";
        Interface::parse(text).ok_or_else(|| self.invalid("interface", text, expected))
    }

    /// Settings like `load_balancer_interface`, by service.
    fn per_service<T>(&self, ending: &str, older: &str, read: fn(&str) -> Option<T>) -> BTreeMap<String, T> {
        let settings = self.entry.settings.iter();
        let found = settings.filter_map(|(name, text)| {
            let service = name.strip_suffix(ending).or_else(|| name.strip_suffix(older))?;
            Some((service.to_owned(), read(text)?))
        });
        found.collect()
    }

    fn tls(&self) -> Tls {
        let insecure = self.entry.get("insecure").and_then(boolean).unwrap_or(false);
        let verify = self.entry.get("verify").and_then(boolean).unwrap_or(true);
        let file = |name: &str| self.entry.get(name).map(|path| self.expand_home(path));
        Tls {
            verify: verify && !insecure,
            ca_file: file("cacert"),
            client_certificate: file("cert"),
            client_key: file("key"),
        }
    }

    fn expand_home(&self, path: &str) -> PathBuf {
        match (path.strip_prefix("~/"), self.sources.variable("HOME")) {
            (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
            _ => PathBuf::from(path),
        }
    }

    fn missing_auth_url(&self) -> ConfigError {
        match self.entry.get("profile") {
            Some(profile) => self.missing(
                "auth.auth_url",
                &format!("its profile `{profile}` is in no clouds-public.yaml; write the auth_url into the cloud"),
            ),
            None => self.missing("auth.auth_url", "add auth_url below `auth:`, or set OS_AUTH_URL"),
        }
    }

    fn missing(&self, setting: &'static str, hint: &str) -> ConfigError {
        ConfigError::Missing {
            cloud: self.name.to_owned(),
            place: self.place.to_owned(),
            setting,
            hint: hint.to_owned(),
        }
    }

    fn invalid(&self, setting: &'static str, value: &str, expected: &str) -> ConfigError {
        ConfigError::Invalid {
            cloud: self.name.to_owned(),
            place: self.place.to_owned(),
            setting,
            value: value.to_owned(),
            expected: expected.to_owned(),
        }
    }
}

/// YAML 1.1 and the variables know more words for true and false than YAML 1.2.
fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.trim().parse().ok()?).ok().filter(|timeout| !timeout.is_zero())
}
