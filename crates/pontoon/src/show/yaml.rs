//! Writes JSON values as YAML for people: the documents of `render`, whose texts should be legible as they are.

use serde_json::Value;

/// `value` as YAML that ends with a newline. Texts of several lines become literal blocks.
pub(crate) fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out
}

fn write(value: &Value, indent: usize, out: &mut String) {
    let margin = " ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, value) in map {
                *out += &format!("{margin}{}:", scalar(&Value::from(name.as_str())));
                entry(value, indent, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let start = out.len();
                if item.as_object().is_some_and(|map| !map.is_empty()) {
                    write(item, indent + 2, out);
                    // The first field of a table stands on the line of its dash.
                    out.replace_range(start..start + indent + 2, &format!("{margin}- "));
                } else {
                    *out += &format!("{margin}-");
                    entry(item, indent, out);
                }
            }
        }
        _ => *out += &format!("{margin}{}\n", scalar(value)),
    }
}

/// What follows a name or a dash, to the end of its last line.
fn entry(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::String(text) if is_block(text) => {
            let keep = if text.ends_with('\n') { "|" } else { "|-" };
            *out += &format!(" {keep}\n");
            let margin = " ".repeat(indent + 2);
            for line in text.lines() {
                *out += &if line.is_empty() { "\n".to_owned() } else { format!("{margin}{line}\n") };
            }
        }
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            write(value, indent + 2, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            write(value, indent + 2, out);
        }
        _ => *out += &format!(" {}\n", scalar(value)),
    }
}

/// Whether a literal block says exactly this text: a first line without indentation, at most one newline at the end,
/// and nothing in it that YAML would not take as it is.
fn is_block(text: &str) -> bool {
    text.trim_end_matches('\n').contains('\n')
        && !text.starts_with([' ', '\n'])
        && !text.ends_with("\n\n")
        && text.chars().all(|c| c == '\n' || !c.is_control())
}

/// A text that no reader of YAML takes for anything else stands as it is; all others as JSON, which YAML includes.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        other => other.to_string(),
    }
}

fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 12] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf", "e"];
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        && !WORDS.contains(&text.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_of_several_lines_stay_legible() {
        let value =
            json!({"config": {"user-data": "#cloud-config\n\npackages: [hugo]\n"}, "profiles": ["default", "hugo"]});
        assert_eq!(
            text(&value),
            "config:\n  user-data: |\n    #cloud-config\n\n    packages: [hugo]\nprofiles:\n  - default\n  - hugo\n"
        );
    }

    #[test]
    fn what_another_reader_would_take_for_something_else_is_quoted() {
        let value = json!([{"mac": "00:16:3e:91:2c:9c", "on": "yes"}, "0644", "", " two\nlines", 7, null, {}, []]);
        assert_eq!(
            text(&value),
            "- mac: \"00:16:3e:91:2c:9c\"\n  \"on\": \"yes\"\n- \"0644\"\n- \"\"\n- \" two\\nlines\"\n- 7\n- null\n- {}\n- []\n"
        );
    }
}
