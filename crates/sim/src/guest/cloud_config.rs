//! What a `#cloud-config` document declares, for a machine or for a container.
//!
//! Only declarations are read: users, keys, files, packages, the engine's preseed. Commands (`runcmd`, `bootcmd`) are kept
//! as text for others to scan; nothing is ever run. It knows nothing of the machine that the document is for.
//! The keys are those of cloud-init's module reference.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

/// The users that distribution images make when the document does not say otherwise. Which image it is cannot be seen
/// from the document, so each of them is let in.
const DEFAULT_USERS: [&str; 2] = ["ubuntu", "debian"];

/// Everything that a document declares and that the simulation cares for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared {
    /// Who may log in, by name.
    pub(crate) users: BTreeMap<String, User>,
    /// A given ed25519 host key, in OpenSSH's private format (`ssh_keys: ed25519_private`).
    pub(crate) host_key: Option<String>,
    /// `write_files`, in order.
    pub(crate) files: Vec<WrittenFile>,
    /// `packages`; a pinned version is dropped.
    pub(crate) packages: Vec<String>,
    /// `bootcmd`, then `runcmd`: each entry as one line.
    pub(crate) commands: Vec<String>,
    /// `hostname`, or `fqdn` up to its first dot.
    pub(crate) hostname: Option<String>,
    /// Whether some script adds a user to a group whose name it holds in a variable: which user cannot be read.
    pub(crate) adds_members_by_variable: bool,
    /// The `lxd` key as it stands.
    pub(crate) lxd: Option<Value>,
    /// The whole document, for questions that need no structure.
    pub(crate) text: String,
    /// Why the document could not be used at all.
    pub(crate) broken: Option<String>,
    /// Why a part of it was passed over.
    pub(crate) warnings: Vec<String>,
}

/// A login.
#[derive(Clone, Debug, Default)]
pub(crate) struct User {
    /// Lines of `authorized_keys`.
    pub(crate) keys: Vec<String>,
    /// Whether `sudo` lets this user through without a password.
    pub(crate) sudo: bool,
    /// Groups beside the user's own.
    pub(crate) groups: Vec<String>,
}

/// One entry of `write_files`.
#[derive(Clone, Debug)]
pub(crate) struct WrittenFile {
    /// Absolute path.
    pub(crate) path: String,
    /// Decoded content.
    pub(crate) content: Vec<u8>,
    /// Permission bits; cloud-init's default is 0644.
    pub(crate) mode: u32,
    /// Whether the content is added to what is there.
    pub(crate) append: bool,
}

impl Declared {
    /// Reads a document. A broken one is not an error here: it is what cloud-init will report.
    ///
    /// `key` is the public key that the metadata service hands to the image's default user.
    pub(crate) fn read(document: Option<&str>, key: Option<&str>) -> Declared {
        let text = document.unwrap_or_default().to_owned();
        let mut declared = Declared { text, ..Declared::default() };
        let values = match declared.parse() {
            Ok(values) => values,
            Err(broken) => {
                declared.broken = Some(broken);
                Value::Null
            }
        };
        declared.files = list(&values, "write_files").filter_map(written_file).collect();
        declared.packages = list(&values, "packages").filter_map(package).collect();
        declared.commands = list(&values, "bootcmd").chain(list(&values, "runcmd")).map(command_line).collect();
        declared.host_key = values.pointer("/ssh_keys/ed25519_private").and_then(Value::as_str).map(str::to_owned);
        declared.hostname = string(&values, "hostname")
            .or_else(|| string(&values, "fqdn"))
            .map(|name| name.split('.').next().unwrap_or_default().to_owned());
        declared.lxd = values.get("lxd").filter(|value| value.is_object()).cloned();
        declared.users = users(&values, key);
        declared.add_groups(&values);
        declared
    }

    /// The text of every file and command, for questions like "is Incus initialised anywhere".
    pub(crate) fn mentions(&self, words: &str) -> bool {
        self.text.contains(words)
            || self.commands.iter().any(|command| command.contains(words))
            || self.files.iter().any(|file| String::from_utf8_lossy(&file.content).contains(words))
    }

    fn parse(&mut self) -> Result<Value, String> {
        let first = self.text.lines().next().unwrap_or_default().trim_end();
        if self.text.trim().is_empty() || first.starts_with("#!") {
            return Ok(Value::Null);
        }
        let other_kinds = ["#cloud-boothook", "#include", "#part-handler", "## template:", "Content-Type: multipart"];
        if other_kinds.iter().any(|kind| first.starts_with(kind)) {
            return Ok(Value::Null);
        }
        if first != "#cloud-config" {
            self.warnings.push(format!(
                "Unhandled non-multipart (text/x-not-multipart) userdata: 'b'{}'...'",
                first.chars().take(40).collect::<String>()
            ));
            return Ok(Value::Null);
        }
        let value = yaml(&self.text)
            .map_err(|error| format!("Failed loading yaml blob. Invalid format: {}", one_line(&error)))?;
        match value {
            Value::Object(_) | Value::Null => Ok(value),
            _ => Err("Failed loading yaml blob. Yaml load allows (<class 'dict'>,) root types".to_owned()),
        }
    }

    /// Commands and the lines of written files.
    fn lines_of_shell(&self) -> Vec<String> {
        let of_files = self.files.iter().map(|file| String::from_utf8_lossy(&file.content).into_owned());
        let texts = self.commands.iter().cloned().chain(of_files);
        texts.flat_map(|text| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()).collect()
    }

    /// Group membership that is given beside the users: the `groups` key, and commands that add a user to a group.
    fn add_groups(&mut self, values: &Value) {
        let mut memberships: Vec<(String, String)> = Vec::new();
        for entry in list(values, "groups") {
            for (group, members) in entry.as_object().into_iter().flatten() {
                memberships.extend(words(members).into_iter().map(|user| (user, group.clone())));
            }
        }
        for line in self.lines_of_shell() {
            let line = line.split(['|', '&', ';']).next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            let (groups, user) = match words.as_slice() {
                ["usermod", "-aG" | "-Ga", groups, user] | ["usermod", "-a", "-G", groups, user] => (*groups, *user),
                ["adduser", user, group] | ["gpasswd", "-a", user, group] => (*group, *user),
                _ => continue,
            };
            if user.contains('$') {
                self.adds_members_by_variable = true;
            }
            memberships.extend(groups.split(',').map(|group| (user.to_owned(), group.to_owned())));
        }
        for (user, group) in memberships {
            if let Some(user) = self.users.get_mut(&user) {
                user.groups.push(group);
            }
        }
    }
}

/// Reads YAML (or JSON, which is YAML) as cloud-init would: 1.1 booleans, and `0644` stays text so that it can be octal.
///
/// # Errors
/// The parser's message, of several lines.
pub(crate) fn yaml(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! { leading_zero_numbers_as_strings: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())
}

fn users(values: &Value, key: Option<&str>) -> BTreeMap<String, User> {
    let mut default_keys: Vec<String> = key.map(|key| key.trim().to_owned()).into_iter().collect();
    default_keys.extend(list(values, "ssh_authorized_keys").filter_map(Value::as_str).map(str::to_owned));
    let extra_groups = values.pointer("/system_info/default_user/groups").map(words).unwrap_or_default();
    let mut found = BTreeMap::new();
    let with_default = match values.get("users") {
        None => true,
        Some(_) => list(values, "users").any(|user| {
            user.as_str() == Some("default") || user.get("name").and_then(Value::as_str) == Some("default")
        }),
    };
    if with_default {
        for name in DEFAULT_USERS {
            // Ubuntu's cloud images put their user into the group of LXD's socket, Debian's do not.
            let mut groups = if name == "ubuntu" { vec!["lxd".to_owned()] } else { Vec::new() };
            groups.push("sudo".to_owned());
            groups.extend(extra_groups.clone());
            found.insert(name.to_owned(), User { keys: default_keys.clone(), sudo: true, groups });
        }
    }
    for user in list(values, "users").filter(|user| user.is_object()) {
        let Some(name) = string(user, "name").filter(|name| name != "default") else { continue };
        let keys = user.get("ssh_authorized_keys").or_else(|| user.get("ssh-authorized-keys")).map(lines);
        let sudo = user.get("sudo").is_some_and(|sudo| sudo.to_string().contains("NOPASSWD"));
        let groups = user.get("groups").map(words).unwrap_or_default();
        found.insert(name, User { keys: keys.unwrap_or_default(), sudo, groups });
    }
    found
}

fn written_file(entry: &Value) -> Option<WrittenFile> {
    let path = string(entry, "path")?;
    let content = string(entry, "content").unwrap_or_default();
    let encoding = string(entry, "encoding").unwrap_or_default();
    let content = if matches!(encoding.as_str(), "b64" | "base64") {
        let packed: String = content.split_whitespace().collect();
        BASE64.decode(packed).ok()?
    } else {
        content.into_bytes()
    };
    let mode = entry.get("permissions").and_then(permissions).unwrap_or(0o644);
    let append = entry.get("append").and_then(Value::as_bool).unwrap_or(false);
    Some(WrittenFile { path, content, mode, append })
}

/// Permissions as text are octal, with or without `0o`; as a number they are what the parser made of them.
fn permissions(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => u32::from_str_radix(text.trim_start_matches("0o"), 8).ok(),
        Value::Number(number) => number.as_u64().and_then(|mode| u32::try_from(mode).ok()),
        _ => None,
    }
}

fn package(entry: &Value) -> Option<String> {
    match entry {
        Value::String(name) => Some(name.clone()),
        Value::Array(pinned) => pinned.first().and_then(Value::as_str).map(str::to_owned),
        _ => None,
    }
}

fn command_line(entry: &Value) -> String {
    match entry {
        Value::Array(words) => words.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => plain(other),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn string(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn list<'a>(values: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    values.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// A list, or text separated by commas or spaces.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::Array(entries) => entries.iter().map(plain).collect(),
        other => plain(other).split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect(),
    }
}

/// A list, or one line of text.
fn lines(value: &Value) -> Vec<String> {
    match value {
        Value::Array(entries) => entries.iter().map(plain).collect(),
        other => vec![plain(other)],
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
