//! Whom a query is for.

use regex_lite::RegexBuilder;

use super::member::Tags;
use crate::wire::serf::Filter;

/// How much memory an expression may take: it comes from the network and is compiled for each query.
const EXPRESSION_SIZE_MAX: usize = 64 * 1024;

/// Whether a query with these filters is for the member `name` with `tags`: all of them must hold. An expression that is
/// none, or a kind of filter that nobody knows, holds for nobody.
pub(super) fn is_for(filters: &[Filter], name: &str, tags: &Tags) -> bool {
    filters.iter().all(|filter| match filter {
        Filter::Names(names) => names.iter().any(|candidate| &**candidate == name),
        Filter::Tag { tag, expression } => matches(expression, tags.get(tag).map_or("", String::as_str)),
        Filter::Unknown(_) => false,
    })
}

/// Whether `expression` is one that every member can compile.
pub(super) fn is_expression(expression: &str) -> bool {
    compile(expression).is_ok()
}

/// An expression may match anywhere. Like Go's, these know the classes `\d`, `\w` and `\s` of ASCII only.
fn matches(expression: &str, text: &str) -> bool {
    compile(expression).is_ok_and(|expression| expression.is_match(text))
}

fn compile(expression: &str) -> Result<regex_lite::Regex, regex_lite::Error> {
    RegexBuilder::new(expression).size_limit(EXPRESSION_SIZE_MAX).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(all: &[(&str, &str)]) -> Tags {
        all.iter().map(|(tag, value)| ((*tag).to_owned(), (*value).to_owned())).collect()
    }

    fn tag(tag: &str, expression: &str) -> Filter {
        Filter::Tag { tag: tag.to_owned(), expression: expression.to_owned() }
    }

    #[test]
    fn all_filters_must_hold() {
        let web = tags(&[("role", "web-1"), ("zone", "a")]);
        let check = |filters: &[Filter]| is_for(filters, "p1", &web);
        assert!(check(&[]));
        assert!(check(&[Filter::Names(vec!["p0".into(), "p1".into()])]));
        assert!(!check(&[Filter::Names(vec!["p0".into()])]));
        assert!(check(&[tag("role", "web"), tag("zone", "^a$")]));
        assert!(!check(&[tag("role", "web"), tag("zone", "b")]));
    }

    #[test]
    fn a_tag_that_is_not_there_is_empty() {
        assert!(is_for(&[tag("role", "^$")], "p1", &tags(&[])));
        assert!(!is_for(&[tag("role", ".")], "p1", &tags(&[])));
    }

    #[test]
    fn an_expression_that_is_none_or_too_large_holds_for_nobody() {
        assert!(!is_for(&[tag("role", "(")], "p1", &tags(&[("role", "(")])));
        assert!(!is_for(&[tag("role", "((a{0,1000}){0,1000}){0,1000}")], "p1", &tags(&[("role", "a")])));
    }
}
