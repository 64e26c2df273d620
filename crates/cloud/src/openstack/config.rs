//! Which cloud, and how to log in: read the way the standard clients read it.
//!
//! The rules are those of openstacksdk (`openstack/config/loader.py`): the first `clouds.yaml` found, `secure.yaml`
//! merged over it, a `profile` of `clouds-public.yaml` under it, and the `OS_*` variables as a cloud of their own
//! named `envvars`. `OS_CLOUD` chooses.
//!
//! [`cloud_config`] is a pure function of [`Sources`]; only [`Sources::read`] touches files. Nothing here speaks to a
//! cloud.
//!
//! Three places where the standard clients differ among themselves, and what is done here:
//! - `OS_REGION_NAME` chooses the region of a cloud of the file too (the command-line client does, the bare SDK does not).
//! - A user or project without a domain lives in `OS_DEFAULT_DOMAIN` / `default_domain`, else in the domain with the id
//!   `default` (the command-line client does).
//! - The profiles that are shipped inside openstacksdk are not known here; a profile must be in `clouds-public.yaml`.

mod entry;
mod resolve;
mod secret;
mod sources;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub use resolve::{cloud_config, cloud_names};
pub use secret::Secret;
pub use sources::{SourceFile, Sources};

/// One cloud, resolved: everything that is needed to log in and to find the services.
#[derive(Clone, Debug)]
pub struct CloudConfig {
    /// The name in `clouds.yaml`, or `envvars`.
    pub name: String,
    /// Where Keystone is, as written; with or without `/v3`.
    pub auth_url: String,
    /// Who logs in.
    pub identity: Identity,
    /// What the token is for. None for application credentials, which carry their own scope.
    pub scope: Option<Scope>,
    /// The region whose endpoints are used; None takes whatever the catalog has.
    pub region: Option<String>,
    /// Which of a service's endpoints is used.
    pub interface: Interface,
    /// `<service>_interface` entries, by service type with `_` for `-`.
    pub service_interfaces: BTreeMap<String, Interface>,
    /// `<service>_endpoint_override` entries, by service type with `_` for `-`.
    pub endpoint_overrides: BTreeMap<String, String>,
    /// How the servers' certificates are checked.
    pub tls: Tls,
    /// `api_timeout`: how long one request may take.
    pub timeout: Option<Duration>,
}

/// Who logs in, by the `auth_type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// `password`, `v3password`.
    Password {
        /// The user and its domain.
        user: Named,
        /// The password.
        password: Secret,
    },
    /// `v3applicationcredential`.
    ApplicationCredential {
        /// By id, or by name together with its user.
        credential: CredentialName,
        /// The secret that was shown once, when the credential was made.
        secret: Secret,
    },
    /// `token`, `v3token`: a token that somebody else got.
    Token {
        /// That token.
        token: Secret,
    },
}

/// How an application credential is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialName {
    /// An id is unique in the cloud.
    Id(String),
    /// A name is unique for its user only.
    Name {
        /// The credential's name.
        name: String,
        /// The user who made it.
        user: Named,
    },
}

/// A user or project: by its id, or by its name within a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// By id.
    Id(String),
    /// By name and domain.
    Name {
        /// The name.
        name: String,
        /// The domain in which the name is unique.
        domain: Domain,
    },
}

/// A Keystone domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Domain {
    /// By id.
    Id(String),
    /// By name.
    Name(String),
}

/// What a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One project: what every service but Keystone wants.
    Project(Named),
    /// One domain.
    Domain(Domain),
    /// The whole system.
    System,
}

/// Which of a service's endpoints is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interface {
    /// `public`, the default.
    #[default]
    Public,
    /// `internal`.
    Internal,
    /// `admin`.
    Admin,
}

impl Interface {
    /// The word of the catalog.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        }
    }

    /// Reads `public` as well as the older `publicURL`.
    fn parse(text: &str) -> Option<Self> {
        match text.trim().trim_end_matches("URL") {
            "public" => Some(Self::Public),
            "internal" => Some(Self::Internal),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}

/// How the servers' certificates are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// False accepts any certificate (`verify: false`, `insecure: true`).
    pub verify: bool,
    /// A PEM file whose authorities are trusted *in place of* the system's.
    pub ca_file: Option<PathBuf>,
    /// A PEM file with the client's own certificate.
    pub client_certificate: Option<PathBuf>,
    /// A PEM file with its key, where that is not in the same file.
    pub client_key: Option<PathBuf>,
}

/// Why there is no usable cloud.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file is there and cannot be read.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("`{}` is not a list of clouds: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the parser said, with line and column.
        message: String,
    },
    /// The cloud that was asked for is nowhere.
    #[error("there is no cloud `{cloud}` in {place}")]
    UnknownCloud {
        /// The name that was asked for.
        cloud: String,
        /// The file that was read, or where one was looked for.
        place: String,
        /// The clouds that exist.
        known: Vec<String>,
    },
    /// Several clouds, and none is chosen.
    #[error("{place} has several clouds and none is chosen")]
    NoneChosen {
        /// The file that was read.
        place: String,
        /// The clouds that exist.
        known: Vec<String>,
    },
    /// No file and no variables.
    #[error("no cloud is configured")]
    NothingConfigured {
        /// Where a file was looked for.
        searched: Vec<PathBuf>,
    },
    /// A cloud of the file has the name of the one that the variables make.
    #[error("{place} has a cloud `{cloud}`, which is also the name of the cloud made of the OS_* variables")]
    NameTaken {
        /// The file.
        place: String,
        /// The name.
        cloud: String,
    },
    /// A setting is missing.
    #[error("cloud `{cloud}` in {place} has no `{setting}`")]
    Missing {
        /// The cloud.
        cloud: String,
        /// The file or the variables it came from.
        place: String,
        /// The setting, as written in the file.
        setting: &'static str,
        /// What to do.
        hint: String,
    },
    /// A setting has a value that is not known here. The value is never a secret.
    #[error("cloud `{cloud}` in {place}: `{setting}` is `{value}`, expected {expected}")]
    Invalid {
        /// The cloud.
        cloud: String,
        /// The file or the variables it came from.
        place: String,
        /// The setting.
        setting: &'static str,
        /// What is written.
        value: String,
        /// What would be understood.
        expected: String,
    },
}

impl ConfigError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { path, .. } => Some(format!("check who may read `{}`", path.display())),
            Self::Malformed { .. } => Some("a file has `clouds:` and below it one entry per cloud".to_owned()),
            Self::UnknownCloud { known, .. } if known.is_empty() => {
                Some("put a clouds.yaml into the current directory or ~/.config/openstack".to_owned())
            }
            Self::UnknownCloud { known, .. } => Some(format!("clouds that exist: {}", known.join(", "))),
            Self::NoneChosen { known, .. } => {
                Some(format!("name one, or set OS_CLOUD; clouds that exist: {}", known.join(", ")))
            }
            Self::NothingConfigured { searched } => {
                let places: Vec<String> = searched.iter().map(|path| path.display().to_string()).collect();
                Some(format!("set OS_CLOUD or the OS_* variables, or write one of {}", places.join(", ")))
            }
            Self::NameTaken { .. } => {
                Some("rename the cloud, or set OS_CLOUD_NAME to another name for the variables".to_owned())
            }
            Self::Missing { hint, .. } => Some(hint.clone()),
            Self::Invalid { .. } => None,
        }
    }
}
