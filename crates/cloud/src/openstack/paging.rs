//! Whole lists, however many pages the service makes of them.

use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::Error;
use super::http::{Client, Response};
use super::request::Request;

/// How a service leads from one page to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging<'a> {
    /// The page says where the next one is: `{"ports_links": [{"rel": "next", "href": …}]}` of Neutron, Nova and
    /// Octavia, or `{"next": …}` of Glance. A page that says nothing is the last one.
    Links,
    /// The next page begins after the last item of this one; an empty page ends the list. For services that write no
    /// links.
    Marker {
        /// The field of an item that is its marker: `id`.
        field: &'a str,
        /// Items a page.
        limit: u32,
    },
}

impl Client {
    /// Collects the whole list below `key`.
    ///
    /// Only the query of a link is followed, never its host: services behind a proxy often write an address that works
    /// for themselves alone, and the token belongs to the endpoint of the catalog.
    ///
    /// # Errors
    /// What [`Client::send`] brings; [`Error::Reply`] where the pages lead in a circle.
    pub async fn list<T: DeserializeOwned>(
        &self,
        mut request: Request,
        key: &str,
        paging: Paging<'_>,
    ) -> Result<Vec<T>, Error> {
        let filters = request.query.clone();
        if let Paging::Marker { limit, .. } = paging {
            request.query.push(("limit".to_owned(), limit.to_string()));
        }
        let mut items = Vec::new();
        loop {
            let response = self.send(&request).await?;
            let mut page: Value = response.json()?;
            let found = page.get_mut(key).map(Value::take);
            let Some(Value::Array(found)) = found else {
                return Err(response.not_understood(format!("it has no list `{key}`")));
            };
            let next = match paging {
                Paging::Links => next_query(&page, key),
                Paging::Marker { field, limit } => next_marker(&found, field).map(|marker| {
                    let mut query = filters.clone();
                    query.extend([("limit".to_owned(), limit.to_string()), ("marker".to_owned(), marker)]);
                    query
                }),
            };
            let empty = found.is_empty();
            for item in found {
                items.push(response.read(item)?);
            }
            match next {
                // Some services link from their last full page to one that is empty.
                Some(query) if !empty => request.query = distinct(query, &request, &response)?,
                _ => return Ok(items),
            }
        }
    }
}

/// A page that leads to itself would be read for ever.
fn distinct(
    query: Vec<(String, String)>,
    request: &Request,
    response: &Response,
) -> Result<Vec<(String, String)>, Error> {
    if query == request.query {
        return Err(response.not_understood("its next page is itself"));
    }
    Ok(query)
}

fn next_query(page: &Value, key: &str) -> Option<Vec<(String, String)>> {
    let links = page.get(format!("{key}_links")).and_then(Value::as_array);
    let linked = links.into_iter().flatten().find(|link| link.get("rel").and_then(Value::as_str) == Some("next"));
    let href = linked.and_then(|link| link.get("href")).or_else(|| page.get("next"))?.as_str()?;
    // Glance's links have no host.
    let base = Url::parse("http://localhost/").ok()?;
    let url = base.join(href).ok()?;
    Some(url.query_pairs().map(|(name, text)| (name.into_owned(), text.into_owned())).collect())
}

fn next_marker(items: &[Value], field: &str) -> Option<String> {
    items.last()?.get(field)?.as_str().map(str::to_owned)
}
