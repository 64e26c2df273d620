//! TLS: an authority of one's own, a wrong one, and none.
//!
//! The certificates beside the fake cloud are for 127.0.0.1 and for nothing but these tests.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use pontoon_cloud::openstack::config::{Sources, cloud_config};
use pontoon_cloud::openstack::{Client, CloudConfig, Error, Options};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;

#[tokio::test]
async fn a_cloud_whose_authority_is_named_by_cacert_is_trusted() {
    let client = Client::new(cloud(&serve(), &[("OS_CACERT", &file("ca.pem"))]), Options::default()).unwrap();
    assert_eq!(client.ports(&[]).await.unwrap()[0].id, "p");
}

#[tokio::test]
async fn another_authority_is_refused_at_once_with_a_hint() {
    let client = Client::new(cloud(&serve(), &[("OS_CACERT", &file("another-ca.pem"))]), Options::default()).unwrap();
    let error = client.ports(&[]).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("`cacert`"), "{error:?}");
    assert_eq!(client.requests(), 1, "a certificate does not get better by asking again");
}

#[tokio::test]
async fn insecure_asks_for_no_certificate() {
    let client = Client::new(cloud(&serve(), &[("OS_INSECURE", "true")]), Options::default()).unwrap();
    assert_eq!(client.ports(&[]).await.unwrap()[0].id, "p");
}

#[test]
fn a_certificate_file_that_is_missing_or_empty_is_named() {
    for path in ["/nowhere/ca.pem", "/dev/null"] {
        let error = Client::new(cloud("https://127.0.0.1", &[("OS_CACERT", path)]), Options::default()).err().unwrap();
        assert_eq!(error.to_string(), format!("cannot prepare TLS with `{path}`"));
    }
}

fn cloud(url: &str, more: &[(&str, &str)]) -> CloudConfig {
    let variables = [("OS_AUTH_URL", url), ("OS_USERNAME", "u"), ("OS_PASSWORD", "p"), ("OS_PROJECT_ID", "p")];
    let environment = variables.iter().chain(more).map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    cloud_config(&Sources { environment: environment.collect(), ..Sources::default() }, None).unwrap()
}

fn file(name: &str) -> String {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/openstack_fake/tls");
    directory.join(name).to_string_lossy().into_owned()
}

/// Answers the two requests of a client: the login, and a list of ports.
fn serve() -> String {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file("server.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(certificates, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let own = url.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that refuses the certificate ends the connection early, which is its right.
            let _ = answer(stream.unwrap(), &config, &own);
        }
    });
    url
}

fn answer(mut stream: TcpStream, config: &Arc<rustls::ServerConfig>, url: &str) -> std::io::Result<()> {
    let mut connection = rustls::ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
    let mut tls = rustls::Stream::new(&mut connection, &mut stream);
    let mut request = [0; 4096];
    let read = tls.read(&mut request)?;
    let login = request[..read].starts_with(b"POST");
    let endpoint = json!({ "interface": "public", "region_id": "r", "url": url });
    let body = if login {
        json!({ "token": { "catalog": [{ "type": "network", "endpoints": [endpoint] }] } })
    } else {
        json!({ "ports": [{ "id": "p" }] })
    };
    let body = body.to_string();
    let length = body.len();
    let head =
        format!("HTTP/1.1 200 OK\r\nX-Subject-Token: t\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    tls.write_all(head.as_bytes())?;
    tls.write_all(body.as_bytes())?;
    tls.flush()?;
    if login {
        // The body of the login may still be on its way; closing on it would reset the connection.
        let _ = tls.read(&mut request);
    }
    Ok(())
}
