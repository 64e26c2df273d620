//! What an agent answers, as it is printed. Its documents are read leniently: they may come from another version.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::show::style::printable;

/// The hosts, a line each.
pub(super) fn members(answer: &Value) -> String {
    let row = |host: &Value| {
        let round_trip = host["round_trip_ms"].as_f64().map(|way| format!("{way:.1} ms"));
        vec![text(&host["host"]), text(&host["address"]), text(&host["state"]), round_trip.unwrap_or_default()]
    };
    columns(&["HOST", "ADDRESS", "STATE", "ROUND TRIP"], list(&answer["members"]).iter().map(row).collect())
}

/// Every container in a catalogue.
pub(super) fn all(answer: &Value) -> Vec<&Value> {
    list(&answer["hosts"]).iter().flat_map(|host| list(&host["containers"])).collect()
}

/// Containers, a line each; why is said of those that are not well.
pub(super) fn containers(containers: &[&Value]) -> String {
    let row = |container: &&Value| {
        let address = match container["port"].as_u64() {
            Some(port) => format!("{}:{port}", text(&container["address"])),
            None => text(&container["address"]),
        };
        let well = container["state"] == "passing";
        vec![
            text(&container["container"]),
            text(&container["service"]),
            text(&container["host"]),
            address,
            text(&container["state"]),
            list(&container["capabilities"]).iter().map(text).collect::<Vec<_>>().join(","),
            if well { String::new() } else { text(&container["output"]) },
        ]
    };
    let heads = ["CONTAINER", "SERVICE", "HOST", "ADDRESS", "STATE", "CAPABILITIES", "WHY"];
    columns(&heads, containers.iter().map(row).collect())
}

/// The services, by name: how many copies there are, and how many of them serve.
pub(super) fn services(containers: &[&Value]) -> Vec<Value> {
    let mut services: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for container in containers {
        let (copies, serving) = services.entry(container["service"].as_str().unwrap_or_default()).or_default();
        *copies += 1;
        *serving += u64::from(container["serves"] == true);
    }
    services
        .into_iter()
        .map(|(service, (copies, serving))| json!({"service": service, "copies": copies, "serving": serving}))
        .collect()
}

/// The same, a line each.
pub(super) fn services_text(services: &[Value]) -> String {
    let row = |service: &Value| {
        vec![text(&service["service"]), format!("{} of {} serve", service["serving"], service["copies"])]
    };
    columns(&["SERVICE", "COPIES"], services.iter().map(row).collect())
}

/// One change, on a line.
pub(super) fn change(change: &Value) -> String {
    let state = |field: &str| if change[field].is_null() { "-".to_owned() } else { text(&change[field]) };
    let what = if change["kind"] == "host" {
        format!("host {}", text(&change["host"]))
    } else {
        format!("{} ({} on {})", text(&change["container"]), text(&change["service"]), text(&change["host"]))
    };
    let why = text(&change["output"]);
    let line = format!("{what}: {} -> {}  {why}", state("was"), state("state"));
    format!("{}\n", line.trim_end())
}

/// A document as an event for programs.
pub(super) fn with_event(event: &str, document: Value) -> Value {
    let mut object = json!({ "event": event });
    if let (Some(fields), Value::Object(document)) = (object.as_object_mut(), document) {
        fields.extend(document);
    }
    object
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// On one line.
fn text(value: &Value) -> String {
    printable(value.as_str().unwrap_or_default()).replace('\n', " ")
}

/// Rows under their heads; nothing where there are none.
fn columns(heads: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let heads = heads.iter().map(|head| (*head).to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(heads).chain(rows).collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let padded = |(column, cell): (usize, &String)| format!("{cell:width$}", width = width(column));
    lines
        .iter()
        .map(|line| {
            let cells: Vec<String> = line.iter().enumerate().map(padded).collect();
            format!("{}\n", cells.join("  ").trim_end())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Value {
        json!({"index": 3, "hosts": [{"host": "lxd0", "containers": [
            {"container": "hugo-0", "service": "hugo", "host": "lxd0", "address": "10.0.0.10", "port": 80, "state": "passing",
             "capabilities": ["blog", "web"], "serves": true, "output": "GET /: 200"},
            {"container": "hugo-1", "service": "hugo", "host": "lxd0", "address": "10.0.0.11", "port": null,
             "state": "critical", "capabilities": [], "serves": false, "output": "refu\u{1b}sed"},
        ]}]})
    }

    #[test]
    fn containers_stand_in_columns_and_say_why_they_are_not_well() {
        let answer = catalogue();
        assert_eq!(
            containers(&all(&answer)),
            "CONTAINER  SERVICE  HOST  ADDRESS       STATE     CAPABILITIES  WHY\n\
             hugo-0     hugo     lxd0  10.0.0.10:80  passing   blog,web\n\
             hugo-1     hugo     lxd0  10.0.0.11     critical                refu\u{fffd}sed\n"
        );
        assert_eq!(services_text(&services(&all(&answer))), "SERVICE  COPIES\nhugo     1 of 2 serve\n");
    }

    #[test]
    fn a_change_is_a_line() {
        let of = |change: Value| super::change(&change);
        assert_eq!(
            of(json!({"kind": "host", "host": "lxd0", "state": "failed", "was": "alive"})),
            "host lxd0: alive -> failed\n"
        );
        assert_eq!(
            of(json!({"kind": "container", "host": "lxd0", "container": "hugo-0", "service": "hugo", "state": null,
                      "was": "passing", "output": ""})),
            "hugo-0 (hugo on lxd0): passing -> -\n"
        );
    }

    #[test]
    fn an_answer_of_something_else_is_an_empty_one() {
        assert_eq!(members(&json!([1])), "");
        assert_eq!(containers(&all(&json!({"hosts": [{"containers": 5}]}))), "");
    }
}
