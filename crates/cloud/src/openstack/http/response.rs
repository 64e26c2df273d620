//! A service's yes, and how it is read.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::error::Error;

/// A service's yes.
#[derive(Clone, Debug)]
pub struct Response {
    /// The method that it answers.
    pub method: Method,
    /// The whole address that it answers.
    pub url: String,
    /// The status; a success.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Bytes,
}

impl Response {
    /// Reads the body as `T`. A field that is `null` counts as absent: services differ by release in which of the two
    /// they write, and no field means something else by it.
    ///
    /// # Errors
    /// [`Error::Reply`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let body: Value = serde_json::from_slice(&self.body).map_err(|source| self.not_understood(source))?;
        self.read(body)
    }

    /// Reads what stands below `key`: most APIs wrap their resource, as in `{"port": {…}}`.
    ///
    /// # Errors
    /// [`Error::Reply`].
    pub fn below<T: DeserializeOwned>(&self, key: &str) -> Result<T, Error> {
        let mut body: Value = serde_json::from_slice(&self.body).map_err(|source| self.not_understood(source))?;
        let value = body.get_mut(key).map(Value::take);
        self.read(value.ok_or_else(|| self.not_understood(format!("it has no `{key}`")))?)
    }

    pub(in super::super) fn read<T: DeserializeOwned>(&self, mut value: Value) -> Result<T, Error> {
        remove_nulls(&mut value);
        serde_json::from_value(value).map_err(|source| self.not_understood(source))
    }

    pub(in super::super) fn not_understood(
        &self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Error {
        Error::Reply {
            method: self.method.clone(),
            url: self.url.clone(),
            request_id: request_id(&self.headers),
            source: source.into(),
        }
    }
}

/// `x-openstack-request-id` is the common name; Nova of old had its own.
pub(super) fn request_id(headers: &HeaderMap) -> Option<String> {
    let names = ["x-openstack-request-id", "x-compute-request-id"];
    let found = names.iter().find_map(|name| headers.get(*name))?;
    found.to_str().ok().map(str::to_owned)
}

fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(remove_nulls);
        }
        Value::Array(items) => {
            items.retain(|item| !item.is_null());
            items.iter_mut().for_each(remove_nulls);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
