#![allow(clippy::unwrap_used)]

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::fault::refusal;
use super::response::Response;
use super::retry::retry_after;

#[test]
fn every_services_own_words_are_found() {
    let cases = [
        (
            "keystone",
            r#"{"error":{"code":403,"title":"Forbidden","message":"no right"}}"#,
            Some("Forbidden"),
            "no right",
        ),
        ("nova", r#"{"badRequest":{"code":400,"message":"no flavor"}}"#, Some("badRequest"), "no flavor"),
        (
            "neutron",
            r#"{"NeutronError":{"type":"OverQuota","message":"Quota exceeded","detail":""}}"#,
            Some("OverQuota"),
            "Quota exceeded",
        ),
        ("neutron of old", r#"{"NeutronError":"just a text"}"#, Some("NeutronError"), "just a text"),
        (
            "octavia",
            r#"{"faultcode":"Client","faultstring":"immutable","debuginfo":null}"#,
            Some("Client"),
            "immutable",
        ),
        (
            "glance",
            "<html><head><title>x</title></head><body><h1>403</h1>no <b>image</b></body></html>",
            None,
            "403 no image",
        ),
        ("a gateway", "upstream is away\n", None, "upstream is away"),
        ("nobody", "", None, "conflict"),
    ];
    for (service, body, kind, message) in cases {
        let found = refusal(&response(body), None);
        assert_eq!((found.kind.as_deref(), found.message.as_str()), (kind, message), "{service}");
    }
}

#[test]
fn a_refusal_tells_method_address_status_and_request_id() {
    let text = refusal(&response(r#"{"conflictingRequest":{"message":"busy"}}"#), None).to_string();
    assert_eq!(text, "POST `http://h/ports` answered 409 Conflict: busy (request `req-1`)");
}

#[test]
fn retry_after_is_read_in_seconds_and_as_a_date() {
    let now = "2026-11-22T08:00:00Z".parse().unwrap();
    let read = |text: &'static str| {
        let headers = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static(text))]);
        retry_after(&headers, now)
    };
    assert_eq!(read("7"), Some(Duration::from_secs(7)));
    assert_eq!(read("Sun, 22 Nov 2026 08:00:30 GMT"), Some(Duration::from_secs(30)));
    assert_eq!(read("Sun, 22 Nov 2026 07:00:00 GMT"), Some(Duration::ZERO));
    assert_eq!(read("soon"), None);
    assert_eq!(retry_after(&HeaderMap::new(), now), None);
}

#[test]
fn null_counts_as_absent_wherever_it_stands() {
    let port: crate::openstack::network::Port =
        response(r#"{"port":{"id":"p","name":null,"fixed_ips":[{"ip_address":null}],"later":{"x":null},"tags":null}}"#)
            .below("port")
            .unwrap();
    assert_eq!((port.id.as_str(), port.name.as_str(), port.fixed_ips.len()), ("p", "", 1));
}

fn response(body: &str) -> Response {
    Response {
        method: Method::POST,
        url: "http://h/ports".to_owned(),
        status: StatusCode::CONFLICT,
        headers: HeaderMap::from_iter([(
            header::HeaderName::from_static("x-openstack-request-id"),
            HeaderValue::from_static("req-1"),
        )]),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}
