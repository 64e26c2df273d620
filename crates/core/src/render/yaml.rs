//! Writes YAML that a reader of YAML 1.1 (`PyYAML`, libyaml) understands as it was meant, and that a person can read: what
//! machines are handed, and what `pontoon render` shows of it.
//!
//! A scalar is plain only where no version of YAML sees anything but a string in it; every other one is quoted as in
//! JSON. Text of several lines becomes a literal block, so that files inside a cloud-config stay legible.

use serde_json::Value;

/// `value` as a block of YAML that ends with a newline. Mappings keep their order.
pub fn document(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(_) | Value::Array(_) => block(value, 0, &mut text),
        _ => text = scalar(value) + "\n",
    }
    text
}

fn block(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                out.push_str(&" ".repeat(indent));
                out.push_str(&string(key));
                out.push(':');
                entry(value, indent, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let start = out.len();
                match item {
                    Value::Object(map) if !map.is_empty() => {
                        block(item, indent + 2, out);
                        // The first key of a mapping stands on the line of its dash.
                        out.replace_range(start..start + indent + 2, &(" ".repeat(indent) + "- "));
                    }
                    _ => {
                        out.push_str(&" ".repeat(indent));
                        out.push('-');
                        entry(item, indent, out);
                    }
                }
            }
        }
        _ => {
            out.push_str(&" ".repeat(indent));
            out.push_str(&scalar(value));
            out.push('\n');
        }
    }
}

/// What follows a `key:` or a `-` at `indent`, to the end of its last line.
fn entry(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            block(value, indent + 2, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            block(value, indent + 2, out);
        }
        Value::String(text) if reads_back_as_literal(text) => {
            out.push_str(if text.ends_with('\n') { " |\n" } else { " |-\n" });
            for line in text.lines() {
                if !line.is_empty() {
                    out.push_str(&" ".repeat(indent + 2));
                    out.push_str(line);
                }
                out.push('\n');
            }
        }
        _ => {
            out.push(' ');
            out.push_str(&scalar(value));
            out.push('\n');
        }
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => string(text),
        other => other.to_string(),
    }
}

fn string(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// Letters, digits, `_ . / -`, with a letter or `/` first, and no word that some version of YAML takes for a boolean or
/// a null. Numbers, times and addresses begin with a digit or hold a `:` and are therefore quoted.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-'))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

/// A double-quoted scalar in ASCII: `PyYAML` refuses most control characters even inside quotes.
fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        '\t' => "\\t".to_owned(),
        ' '..='~' => c.to_string(),
        c => format!("\\U{:08x}", u32::from(c)),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

/// A literal block has several lines or one with its end, keeps one newline at its end or none, finds its indentation in
/// its first line, and has no escapes.
fn reads_back_as_literal(text: &str) -> bool {
    text.contains('\n')
        && !text.ends_with("\n\n")
        && !text.starts_with([' ', '\n'])
        && text.chars().all(|c| c == '\n' || matches!(c, ' '..='~') || is_letter(c))
}

/// Letters and digits of other scripts, as far as every `PyYAML` takes them for printable: older ones stop at U+FFFD.
fn is_letter(c: char) -> bool {
    c.is_alphanumeric() && ('\u{a0}'..='\u{fffd}').contains(&c)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_yaml_would_take_for_something_else_is_quoted() {
        for text in [
            "on",
            "No",
            "y",
            "0644",
            "1e3",
            "52:54:00:12:34:56",
            "12:30:45",
            "192.168.0.0/24",
            "~",
            "",
            "-",
            "a: b",
            "a #b",
        ] {
            assert_eq!(string(text), format!("\"{text}\""));
        }
        for text in ["/etc/hosts", "root", "br0", "ssh-ed25519.pub"] {
            assert_eq!(string(text), text);
        }
    }

    #[test]
    fn files_inside_a_document_stay_legible() {
        let value = json!({"files": [{"path": "/a", "content": "one\n\n  two\n"}], "none": [], "deep": {"list": ["b", 1, true]}});
        let expected = "files:\n  - path: /a\n    content: |\n      one\n\n        two\nnone: []\ndeep:\n  list:\n    - b\n    - 1\n    - true\n";
        assert_eq!(document(&value), expected);
    }

    fn values() -> impl Strategy<Value = Value> {
        let text = prop_oneof![".*", "[ -~\n\t]{0,40}", "( {0,3}[a-z:#-]{0,5}\n){0,5}"];
        let leaf = prop_oneof![
            text.prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[ -~]{0,8}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_document_reads_back_as_it_was(value in values()) {
            let text = document(&value);
            let read: Value = serde_saphyr::from_str(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
            prop_assert_eq!(read, value, "{}", text);
        }
    }
}
