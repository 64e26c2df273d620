//! What stands behind the question mark, in Consul's way: a word alone is true, and lengths of time are Go's.

use std::time::Duration;

/// The parameters of a request, in their order.
#[derive(Clone, Debug, Default)]
pub struct Parameters(pub Vec<(String, String)>);

impl Parameters {
    /// The value of a parameter; the last where there are several.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a switch is on: `?passing`, `?passing=1` and `?passing=true`.
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !matches!(value, "0" | "f" | "F" | "false" | "False" | "FALSE"))
    }
}

/// A length of time as Go writes it: `10s`, `5m`, `1m30s`, `120000ms`.
pub fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, after) = rest.split_at(end);
        let number: f64 = number.parse().ok()?;
        let length = after.find(|character: char| character.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(length);
        seconds += number
            * match unit {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = after;
    }
    if text.is_empty() { None } else { Duration::try_from_secs_f64(seconds).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_those_of_go() {
        for (text, milliseconds) in
            [("10s", 10_000), ("5m", 300_000), ("1m30s", 90_000), ("120000ms", 120_000), ("1.5s", 1500), ("0", 0)]
        {
            assert_eq!(duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "10", "s", "-1s", "1x", "1.2.3s", "99999999999999999999999h", "1é"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn a_word_alone_is_on() {
        let on = |value: &str| Parameters(vec![("passing".to_owned(), value.to_owned())]).is_on("passing");
        assert!(on("") && on("1") && on("true"));
        assert!(!on("false") && !on("0"));
        assert!(!Parameters::default().is_on("passing"));
    }
}
