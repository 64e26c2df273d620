//! Keystone beyond the login: what a token is.

use super::auth::TokenDetails;
use super::error::Error;
use super::http::Client;

impl Client {
    /// What Keystone said about the current token: project, user, roles, catalog. Costs no request once logged in.
    pub async fn token_details(&self) -> Result<TokenDetails, Error> {
        Ok(self.session().await?.details().clone())
    }

    /// The id of the project that the token is for, which quotas are asked by.
    pub async fn project_id(&self) -> Result<Option<String>, Error> {
        Ok(self.session().await?.project_id().map(str::to_owned))
    }
}
