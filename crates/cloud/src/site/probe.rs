//! Questions that tell how far packets come, and change nothing.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST};
use hyper_util::rt::TokioIo;
use pontoon_core::path::{Answer, Looked, Question};
use tokio::time::timeout;

use super::{Site, SiteError, chain};
use crate::ssh::BoxIo;

/// How long an answer may take. Whoever is there answers in milliseconds; a packet that is dropped is answered never.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

impl Site {
    /// Asks what `question` says, all of it side by side.
    pub async fn probe(&self, question: &Question) -> Looked {
        let neighbour = async {
            let host = question.neighbour.as_ref()?;
            Some((host.clone(), self.ask_from(host, question).await))
        };
        let (addresses, own_host, neighbour) =
            tokio::join!(self.addresses_of(question), self.ask_from(&question.host, question), neighbour);
        Looked { addresses: addresses.map_err(|error| chain(&error)), own_host, neighbour }
    }

    /// The addresses of a container as its engine sees them.
    async fn addresses_of(&self, question: &Question) -> Result<Vec<Ipv4Addr>, SiteError> {
        let engine = self.hosts.any_engine(&question.host).await?;
        let state = engine.instance_state(&question.container).await?;
        let addresses = state.network.values().flat_map(|interface| &interface.addresses);
        let addresses = addresses.filter_map(|one| one.address.parse().ok());
        Ok(addresses.filter(|address: &Ipv4Addr| !address.is_loopback()).collect())
    }

    /// What a host gets from a container.
    async fn ask_from(&self, host: &str, question: &Question) -> Answer {
        let session = match self.hosts.session(host).await {
            Ok(session) => session,
            Err(error) => return Answer::Unasked(chain(&error)),
        };
        let Question { address, port, path, .. } = question;
        let Some(port) = port else {
            return match self.hosts.run(host, &format!("ping -c1 -W3 {address}"), &[]).await {
                Ok(_) => Answer::Open,
                Err(SiteError::Command { .. }) => Answer::Silence("no echo came back".to_owned()),
                Err(error) => Answer::Unasked(chain(&error)),
            };
        };
        let asked = async {
            let stream = session.direct_tcpip(&address.to_string(), *port).await.map_err(|error| chain(&error))?;
            match path {
                Some(path) => status(stream, *address, path).await.map(Answer::Http),
                None => Ok(Answer::Open),
            }
        };
        match timeout(ANSWER_LIMIT, asked).await {
            Ok(answer) => answer.unwrap_or_else(Answer::Silence),
            Err(_) => Answer::Silence(format!("nothing came within {} s", ANSWER_LIMIT.as_secs())),
        }
    }
}

/// What an HTTP server says to a question for a path, or why it says nothing.
async fn status(stream: BoxIo, address: Ipv4Addr, path: &str) -> Result<u16, String> {
    let request = Request::get(path).header(HOST, address.to_string()).header(CONNECTION, "close");
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| chain(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| chain(&error))?;
    // It ends by itself: the server closes it after the answer, and it is dropped where nobody waits for one any more.
    tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(|error| chain(&error))?;
    Ok(answer.status().as_u16())
}
