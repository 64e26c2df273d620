//! Which events and which members a client wants to hear of.

use regex_lite::{Regex, RegexBuilder};

use crate::rpc::reply::Member;
use crate::serf::{Change, Event};
use crate::wire::tags::Tags;

/// How much memory an expression of a client may take.
const EXPRESSION_SIZE_MAX: usize = 64 * 1024;

/// Which events a stream tells: some of them, by their words.
#[derive(Clone, Debug)]
pub(super) struct EventFilter(Vec<Wanted>);

#[derive(Clone, Debug)]
enum Wanted {
    All,
    Members(Change),
    /// User events, of this name where there is one.
    User(Option<String>),
    /// Queries, of this name where there is one.
    Query(Option<String>),
}

impl EventFilter {
    /// From words such as `member-join,user:deploy`; `None` where one of them is not known.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = if text.is_empty() { "*" } else { text };
        text.split(',').map(Wanted::parse).collect::<Option<_>>().map(Self)
    }

    pub(super) fn wants(&self, event: &Event) -> bool {
        self.0.iter().any(|wanted| match (wanted, event) {
            (Wanted::All, _) => true,
            (Wanted::Members(wanted), Event::Members { change, .. }) => wanted == change,
            (Wanted::User(wanted), Event::User(event)) => wanted.as_ref().is_none_or(|name| *name == event.name),
            (Wanted::Query(wanted), Event::Query(query)) => wanted.as_ref().is_none_or(|name| *name == query.name),
            _ => false,
        })
    }
}

impl Wanted {
    fn parse(word: &str) -> Option<Self> {
        let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        let changes = [Change::Joined, Change::Left, Change::Failed, Change::Updated, Change::Reaped];
        match word.split_once(':') {
            Some(("user", name)) => Some(Self::User(named(name))),
            Some(("query", name)) => Some(Self::Query(named(name))),
            Some(_) => None,
            None if word == "*" => Some(Self::All),
            None if word == "user" => Some(Self::User(None)),
            None if word == "query" => Some(Self::Query(None)),
            None => changes.into_iter().find(|change| change.as_str() == word).map(Self::Members),
        }
    }
}

/// The members that a client asked for. Each expression is for the whole of what it is compared with; an error where one
/// is none.
pub(super) fn members(all: Vec<Member>, tags: &Tags, status: &str, name: &str) -> Result<Vec<Member>, String> {
    let tags: Vec<(&str, Regex)> =
        tags.iter().map(|(tag, text)| Ok((tag.as_str(), whole(text)?))).collect::<Result<_, String>>()?;
    let some = |text: &str| if text.is_empty() { Ok(None) } else { whole(text).map(Some) };
    let (status, name) = (some(status)?, some(name)?);
    let fits = |expression: &Option<Regex>, text: &str| expression.as_ref().is_none_or(|one| one.is_match(text));
    let is_wanted = |member: &Member| {
        fits(&status, &member.status)
            && fits(&name, &member.name)
            && tags
                .iter()
                .all(|(tag, expression)| expression.is_match(member.tags.get(*tag).map_or("", String::as_str)))
    };
    Ok(all.into_iter().filter(is_wanted).collect())
}

fn whole(expression: &str) -> Result<Regex, String> {
    RegexBuilder::new(&format!("^{expression}$"))
        .size_limit(EXPRESSION_SIZE_MAX)
        .build()
        .map_err(|error| format!("Failed to compile regex: {error}"))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::wire::message::Versions;

    fn member(name: &str, status: &str, role: &str) -> Member {
        Member {
            name: name.into(),
            address: SocketAddr::from(([127, 0, 0, 1], 7946)),
            tags: Tags::from([("role".to_owned(), role.to_owned())]),
            status: status.to_owned(),
            versions: Versions::default(),
        }
    }

    fn names(tags: &[(&str, &str)], status: &str, name: &str) -> Vec<String> {
        let all = vec![member("n1", "alive", "web"), member("n2", "failed", "web"), member("n10", "alive", "db")];
        let tags = tags.iter().map(|(tag, text)| ((*tag).to_owned(), (*text).to_owned())).collect();
        members(all, &tags, status, name).unwrap().into_iter().map(|member| member.name.to_string()).collect()
    }

    #[test]
    fn members_are_chosen_by_whole_words() {
        assert_eq!(names(&[], "", ""), ["n1", "n2", "n10"]);
        assert_eq!(names(&[], "", "n1"), ["n1"]);
        assert_eq!(names(&[], "alive", "n.*"), ["n1", "n10"]);
        assert_eq!(names(&[("role", "w.b")], "alive", ""), ["n1"]);
        assert_eq!(names(&[("zone", "")], "", "n2"), ["n2"], "a tag that is not there is empty");
    }

    #[test]
    fn what_is_no_expression_is_an_error() {
        assert!(members(Vec::new(), &Tags::new(), "(", "").is_err());
    }

    #[test]
    fn a_word_that_is_not_known_is_refused() {
        for text in ["", "*", "user", "user:deploy,query:load", "member-join,member-reap"] {
            assert!(EventFilter::parse(text).is_some(), "{text}");
        }
        for text in ["member", "user,", "member-join:n1"] {
            assert!(EventFilter::parse(text).is_none(), "{text}");
        }
    }
}
