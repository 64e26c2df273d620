//! Whole lists: links of four services, markers, and lists that would never end.

#![allow(clippy::unwrap_used, clippy::panic)]

mod openstack_fake;

use openstack_fake::{Fake, Reply, Seen};
use pontoon_cloud::openstack::{Error, Paging, Request, Service};
use serde_json::{Value, json};

#[tokio::test]
async fn neutrons_links_are_followed_even_where_they_name_a_host_of_their_own() {
    let fake = Fake::start(|seen, _| {
        if seen.path.contains("marker=b") {
            return Reply::json(
                200,
                &json!({ "ports": [{ "id": "c" }], "ports_links": [{ "rel": "previous", "href": "x" }] }),
            );
        }
        let next = "http://inside.example:9696/v2.0/ports?network_id=n1&marker=b";
        Reply::json(
            200,
            &json!({ "ports": [{ "id": "a" }, { "id": "b" }], "ports_links": [{ "rel": "next", "href": next }] }),
        )
    })
    .await;
    let ports = fake.client().ports(&[("network_id", "n1")]).await.unwrap();
    assert_eq!(ports.iter().map(|port| port.id.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    let paths: Vec<String> = fake.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/network/v2.0/ports?network_id=n1", "/network/v2.0/ports?network_id=n1&marker=b"]);
}

#[tokio::test]
async fn glances_relative_next_and_novas_and_octavias_links_are_followed() {
    let fake = Fake::start(|seen, _| {
        let last = seen.path.contains("marker=");
        let link = |href: &str| if last { Value::Null } else { json!([{ "rel": "next", "href": href }]) };
        let path = seen.path.as_str();
        Reply::json(200, &match path {
            _ if path.starts_with("/image/v2/images") && last => json!({ "images": [{ "id": "2" }] }),
            _ if path.starts_with("/image/v2/images") => {
                json!({ "images": [{ "id": "1" }], "next": "/v2/images?name=Ubuntu%2024.04&marker=1" })
            }
            _ if path.starts_with("/lb") => {
                json!({ "pools": [{ "id": "1" }], "pools_links": link("http://x/v2/lbaas/pools?marker=1") })
            }
            _ => json!({ "servers": [{ "id": "1", "image": "" }], "servers_links": link("http://x/servers/detail?marker=1") }),
        })
    })
    .await;
    let client = fake.client();
    assert_eq!(client.images_named("Ubuntu 24.04").await.unwrap().len(), 2);
    assert_eq!(client.pools(&[]).await.unwrap().len(), 2);
    assert_eq!(client.servers(&[]).await.unwrap().len(), 2);
    assert!(fake.seen().iter().any(|seen| seen.path == "/image/v2/images?name=Ubuntu%2024.04&marker=1"));
}

#[tokio::test]
async fn markers_lead_on_until_a_page_is_empty() {
    let fake = Fake::start(|seen, _| {
        let page = match seen.path.rsplit_once("marker=").map(|(_, marker)| marker) {
            None => json!([{ "id": "a" }, { "id": "b" }]),
            Some("b") => json!([{ "id": "c" }]),
            Some(_) => json!([]),
        };
        Reply::json(200, &json!({ "things": page }))
    })
    .await;
    let request = Request::get(Service::Network, "/things").query(&[("shared", "true")]);
    let paging = Paging::Marker { field: "id", limit: 2 };
    let things: Vec<Value> = fake.client().list(request, "things", paging).await.unwrap();
    assert_eq!(things, [json!({ "id": "a" }), json!({ "id": "b" }), json!({ "id": "c" })]);
    assert_eq!(fake.seen()[1].path, "/network/v2.0/things?shared=true&limit=2&marker=b");
}

#[tokio::test]
async fn a_page_that_leads_to_itself_is_an_error_and_not_an_endless_list() {
    let circle = |_: &Seen, _| {
        let links = json!([{ "rel": "next", "href": "http://x/v2.0/ports?marker=a" }]);
        Reply::json(200, &json!({ "ports": [{ "id": "a" }], "ports_links": links }))
    };
    let fake = Fake::start(circle).await;
    let error = fake.client().ports(&[]).await.unwrap_err();
    assert!(matches!(error, Error::Reply { .. }), "{error:?}");
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn a_reply_without_the_list_is_an_error_and_not_an_empty_list() {
    let fake = Fake::start(|_, _| Reply::json(200, &json!({ "detail": "hello" }))).await;
    assert!(fake.client().ports(&[]).await.is_err());
}
