//! Keystone beyond the login: what a token is.

use super::error::Error;
use super::http::Client;

impl Client {
    /// The id of the project that the token is for, which quotas are asked by.
    pub async fn project_id(&self) -> Result<Option<String>, Error> {
        Ok(self.session().await?.project_id().map(str::to_owned))
    }
}
