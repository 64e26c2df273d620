//! Websockets over dialled streams, one stream each.

use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::LxdError;
use super::client::Client;
use crate::ssh::BoxIo;

pub(super) type WebSocket = WebSocketStream<BoxIo>;

impl Client {
    /// Opens the websocket at `path`. Opening has no effect that could be lost, except that an exec's command starts
    /// when its last one is open.
    pub(super) async fn websocket(&self, path: &str) -> Result<WebSocket, LxdError> {
        let doing = format!("GET {path}");
        let stream = self
            .transport
            .dial()
            .dial()
            .await
            .map_err(|source| LxdError::Connect { endpoint: self.endpoint(), source })?;
        let request = format!("ws://lxd{path}")
            .into_client_request()
            .map_err(|error| LxdError::Request { doing: doing.clone(), reason: error.to_string() })?;
        match client_async_with_config(request, stream, Some(WebSocketConfig::default())).await {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::Error::Http(response)) => Err(LxdError::Refused {
                endpoint: self.endpoint(),
                method: "GET".to_owned(),
                path: path.to_owned(),
                code: response.status().as_u16(),
                message: response
                    .body()
                    .as_deref()
                    .map(|body| String::from_utf8_lossy(body).chars().take(500).collect())
                    .unwrap_or_default(),
            }),
            Err(error) => Err(LxdError::Lost { endpoint: self.endpoint(), doing, reason: error.to_string() }),
        }
    }
}
