//! What a service answered, and the five forms in which services say no.

use http::HeaderMap;
use serde_json::{Value, json};

/// A whole reply.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The request, for messages: `GET http://…`.
    pub request: String,
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as JSON; null where it was empty, a string where it was no JSON.
    pub body: Value,
}

impl Answer {
    /// The body of a reply of this status.
    #[track_caller]
    pub fn done(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.request, self.body);
        self.body
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Neutron refused in exactly these words.
    #[track_caller]
    pub fn neutron_error(&self, status: u16, kind: &str, message: &str) {
        self.says(status, &json!({ "NeutronError": { "type": kind, "message": message, "detail": "" } }));
    }

    /// Neutron's policies forbid what this rule is about. How the rules around it are nested is not part of the contract.
    #[track_caller]
    pub fn neutron_policy(&self, rule: &str) {
        let error = &self.body["NeutronError"];
        let message = error["message"].as_str().unwrap_or_default();
        let said = message.contains(&format!("rule:{rule}")) && message.ends_with("is disallowed by policy");
        assert!(self.status == 403 && error["type"] == "PolicyNotAuthorized" && said, "{}", self.whole());
    }

    /// Nova refused with this fault in exactly these words.
    #[track_caller]
    pub fn nova_fault(&self, status: u16, fault: &str, message: &str) {
        self.says(status, &json!({ fault: { "code": status, "message": message } }));
    }

    /// Nova refused with this fault, and its words begin like this.
    #[track_caller]
    pub fn nova_fault_like(&self, status: u16, fault: &str, beginning: &str) {
        let said = self.body[fault]["message"].as_str().is_some_and(|message| message.starts_with(beginning));
        assert!(self.status == status && self.body[fault]["code"] == status && said, "{}", self.whole());
    }

    /// The schema of Nova's request refused this field for this reason. Between the two it repeats the value, in the
    /// notation of its own language.
    #[track_caller]
    pub fn nova_schema(&self, field: &str, reason: &str) {
        let beginning = format!("Invalid input for field/attribute {field}. Value: ");
        let message = self.body["badRequest"]["message"].as_str().unwrap_or_default();
        let said = message.starts_with(&beginning) && message.contains(reason);
        assert!(self.status == 400 && self.body["badRequest"]["code"] == 400 && said, "{}", self.whole());
    }

    /// Octavia refused in exactly these words.
    #[track_caller]
    pub fn octavia_fault(&self, status: u16, message: &str) {
        let party = if status < 500 { "Client" } else { "Server" };
        self.says(status, &json!({ "faultcode": party, "faultstring": message, "debuginfo": null }));
    }

    /// Keystone refused, or the middleware that asks it for the other services.
    #[track_caller]
    pub fn keystone_error(&self, status: u16, title: &str, message: &str) {
        self.says(status, &json!({ "error": { "code": status, "title": title, "message": message } }));
    }

    /// The status and the whole body.
    #[track_caller]
    pub fn says(&self, status: u16, body: &Value) {
        assert!(self.status == status && self.body == *body, "wanted {status} {body}\n{}", self.whole());
    }

    fn whole(&self) -> String {
        format!("{} was answered with {} {}", self.request, self.status, self.body)
    }
}
