//! The HTTP client underneath: TLS, time-outs, connections.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Certificate, ClientBuilder, Identity, Url, redirect};

use super::super::config::{CloudConfig, Tls};
use super::super::error::Error;
use super::Options;

/// Apache, in front of most of the services, closes a connection that was idle for 5 s (`KeepAliveTimeout`). Ours goes
/// first: a POST that meets a closing connection has an unknown result.
const IDLE_CONNECTION_SECONDS: u64 = 4;

pub(super) fn build(config: &CloudConfig, options: &Options) -> Result<reqwest::Client, Error> {
    // Fails only where the process already has a provider, and then that one is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let failed = |source: reqwest::Error| Error::Tls { file: None, source: source.into() };
    match builder(config, options)?.build() {
        Ok(client) => Ok(client),
        // A machine without CA certificates can still speak to a cloud without TLS.
        Err(_) if config.auth_url.starts_with("http://") => {
            builder(config, options)?.tls_certs_only(Vec::new()).build().map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

fn builder(config: &CloudConfig, options: &Options) -> Result<ClientBuilder, Error> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("pontoon/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .connect_timeout(options.connect_timeout)
        .timeout(config.timeout.unwrap_or(options.request_timeout))
        .pool_idle_timeout(Duration::from_secs(IDLE_CONNECTION_SECONDS));
    if is_loopback(&config.auth_url) {
        // No proxy can reach this machine's own addresses.
        builder = builder.no_proxy();
    }
    with_tls(builder, &config.tls)
}

fn with_tls(mut builder: ClientBuilder, tls: &Tls) -> Result<ClientBuilder, Error> {
    if !tls.verify {
        builder = builder.tls_danger_accept_invalid_certs(true);
    } else if let Some(path) = &tls.ca_file {
        let authorities = Certificate::from_pem_bundle(&read(path)?).map_err(|error| unusable(path, error))?;
        if authorities.is_empty() {
            return Err(unusable(path, "it holds no certificate"));
        }
        builder = builder.tls_certs_only(authorities);
    }
    if let Some(path) = &tls.client_certificate {
        let mut pem = read(path)?;
        if let Some(key) = &tls.client_key {
            pem.push(b'\n');
            pem.extend(read(key)?);
        }
        builder = builder.identity(Identity::from_pem(&pem).map_err(|error| unusable(path, error))?);
    }
    Ok(builder)
}

fn read(path: &PathBuf) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| unusable(path, error))
}

fn unusable(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Tls { file: Some(path.to_path_buf()), source: source.into() }
}

fn is_loopback(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default();
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
