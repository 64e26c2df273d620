//! Keystone's objects: projects, users, tokens and application credentials of the one domain `default`.

use super::{Caller, Refusal, World, new_id};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A project (tenant).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Project {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Unique in the domain.
    pub name: String,
}

/// A user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct User {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Unique in the domain.
    pub name: String,
    /// In clear: the cloud is simulated and says so.
    pub password: String,
    /// The project of the user's role assignment.
    pub project_id: String,
}

/// An issued token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Token {
    /// The value of `X-Auth-Token`.
    pub id: String,
    /// Whose it is.
    pub user_id: String,
    /// What it is scoped to.
    pub project_id: String,
    /// How its bearer proved who they are: `password`, `token`, `application_credential`.
    pub methods: Vec<String>,
    /// To the second.
    pub issued_at: Timestamp,
    /// To the second.
    pub expires_at: Timestamp,
}

/// An application credential.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApplicationCredential {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Unique for its user.
    pub name: String,
    /// Shown once, at creation.
    pub secret: String,
    /// Whose it is.
    pub user_id: String,
    /// What it is scoped to.
    pub project_id: String,
    /// Free text.
    pub description: String,
}

const TOKEN_LIFE_HOURS: i64 = 12;

impl World {
    /// Issues a token for `user_id` in `project_id`.
    pub fn issue_token(&mut self, user_id: &str, project_id: &str, methods: Vec<String>) -> Token {
        let now = super::whole_seconds(self.now);
        let token = Token {
            id: format!("gAAAA{}{}", hex_id(), hex_id()),
            user_id: user_id.to_owned(),
            project_id: project_id.to_owned(),
            methods,
            issued_at: now,
            expires_at: now.checked_add(SignedDuration::from_hours(TOKEN_LIFE_HOURS)).unwrap_or(now),
        };
        self.tokens.retain(|_, old| old.expires_at > now);
        self.tokens.insert(token.id.clone(), token.clone());
        token
    }

    /// Who bears this token, unless it is unknown or has expired.
    pub fn caller(&self, token: &str) -> Option<Caller> {
        let token = self.tokens.get(token).filter(|token| token.expires_at > self.now)?;
        Some(Caller { user_id: token.user_id.clone(), project_id: token.project_id.clone() })
    }

    /// The user of this name (or id) and password.
    pub fn user_by_password(&self, name_or_id: &str, password: &str) -> Result<&User, Refusal> {
        self.users
            .values()
            .find(|user| (user.name == name_or_id || user.id == name_or_id) && user.password == password)
            .ok_or_else(unauthorized)
    }
}

/// Keystone never says which part of the credentials was wrong.
pub fn unauthorized() -> Refusal {
    Refusal::new(401, "Unauthorized", "The request you have made requires authentication.")
}

/// A new id in Keystone's form.
pub fn hex_id() -> String {
    new_id().replace('-', "")
}
