//! What of the agent lies on a host: hashes, and whether it runs. One question, whatever there is.

use pontoon_core::observed::Agent;
use pontoon_core::render;
use sha2::{Digest, Sha256};

use super::super::{Site, SiteError};

/// What stands between two answers.
const RULE: &str = "--";

impl Site {
    pub(super) async fn agent_on(&self, host: &str) -> Result<Agent, SiteError> {
        let (_, answer) = self.hosts.try_run(host, &question(), &[]).await?;
        Ok(read(&answer))
    }
}

fn question() -> String {
    format!(
        "sudo sha256sum {program} {settings} {unit} {picture} {unfinished} 2>/dev/null; echo {RULE}; \
         sudo cat {keyring} 2>/dev/null; echo {RULE}; systemctl is-active {service}",
        program = render::AGENT_PROGRAM,
        settings = render::AGENT_SETTINGS,
        unit = render::AGENT_UNIT,
        picture = render::AGENT_PICTURE,
        unfinished = render::AGENT_UNFINISHED,
        keyring = render::AGENT_KEYRING,
        service = render::AGENT_SERVICE,
    )
}

fn read(answer: &str) -> Agent {
    let mut agent = Agent::NONE;
    let mut lines = answer.lines();
    for line in lines.by_ref().take_while(|line| *line != RULE) {
        let Some((hash, path)) = line.split_once(char::is_whitespace) else { continue };
        let hash = Some(hash.to_owned());
        match path.trim() {
            render::AGENT_PROGRAM => agent.program = hash,
            render::AGENT_SETTINGS => agent.settings = hash,
            render::AGENT_UNIT => agent.unit = hash,
            render::AGENT_PICTURE => agent.picture = hash,
            // That it is there is all that it says.
            render::AGENT_UNFINISHED => agent.unfinished = true,
            _ => {}
        }
    }
    let keyring: String = lines.by_ref().take_while(|line| *line != RULE).collect();
    agent.ring_key = (!keyring.trim().is_empty()).then(|| fingerprint(&keyring));
    agent.running = lines.next().is_some_and(|state| state.trim() == "active");
    agent
}

/// A hash of the key that seals, so that the same key is known again and nothing of it is told. A file that is no keyring
/// has one as well: it is no other host's.
fn fingerprint(keyring: &str) -> String {
    let keys: Vec<String> = serde_json::from_str(keyring).unwrap_or_default();
    let key = keys.first().map_or(keyring, String::as_str);
    let hash = format!("{:x}", Sha256::digest(key));
    hash.chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_told_from_what_is_not() {
        let text = format!(
            "aa  {}\nbb  {}\n--\n[\"first\",\n \"second\"]\n--\nactive\n",
            render::AGENT_PROGRAM,
            render::AGENT_UNIT
        );
        let agent = read(&text);
        assert_eq!((agent.program.as_deref(), agent.unit.as_deref()), (Some("aa"), Some("bb")));
        assert_eq!((agent.settings, agent.picture), (None, None));
        assert_eq!(agent.ring_key, Some(fingerprint("[\"first\"]")), "the first key is the one that seals");
        assert!(agent.running && !agent.unfinished);
    }

    #[test]
    fn what_a_run_did_not_bring_to_its_end_is_known() {
        let agent = read(&format!("aa  {}\n--\n--\nactive\n", render::AGENT_UNFINISHED));
        assert!(agent.running && agent.unfinished);
    }

    #[test]
    fn a_host_without_an_agent_has_none() {
        assert_eq!(read("--\n--\ninactive\n"), Agent::NONE);
    }
}
