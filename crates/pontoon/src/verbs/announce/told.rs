//! All that is said of a container, as people read it.

use serde_json::Value;

use crate::show::style::printable;

/// A line for each kind of thing that is said.
pub(super) fn text(all: &Value) -> String {
    let place = match &all["port"] {
        Value::Null => word(&all["address"]),
        port => format!("{}, port {port}", word(&all["address"])),
    };
    let health = match word(&all["health"]["output"]) {
        output if output.is_empty() => word(&all["health"]["state"]),
        output => format!("{} ({output})", word(&all["health"]["state"])),
    };
    let mut lines = vec![
        (
            "container",
            format!("{} of service {} on {}", word(&all["container"]), word(&all["service"]), word(&all["host"])),
        ),
        ("address", place),
        ("health", health),
    ];
    for (title, field) in [("capabilities", "capabilities"), ("monitor", "monitor"), ("says", "says")] {
        let its_own = listed(&all["said"][field]);
        let mark = |item: String| if its_own.contains(&item) { format!("{item} (its own)") } else { item };
        lines.extend(listed(&all[field]).into_iter().map(|item| (title, mark(item))));
    }
    let mut last = "";
    let line = |(title, text): (&'static str, String)| {
        let shown = if title == last { "" } else { title };
        last = title;
        format!("{shown:12}  {}\n", printable(&text))
    };
    lines.into_iter().map(line).collect()
}

/// The items of a list, or the pairs of an object.
fn listed(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().map(item).collect(),
        Value::Object(pairs) => pairs.iter().map(|(name, text)| format!("{name}={}", word(text))).collect(),
        _ => Vec::new(),
    }
}

/// A word, or a monitoring point: its kind and what is looked at.
fn item(value: &Value) -> String {
    match value.as_object().and_then(|point| point.iter().next()) {
        Some((kind, Value::Array(command))) => {
            format!("{kind} {}", command.iter().map(word).collect::<Vec<_>>().join(" "))
        }
        Some((kind, what)) => format!("{kind} {}", word(what)),
        None => word(value),
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
