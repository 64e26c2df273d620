//! What the engine client makes of connections that break at the worst moment. Each connection follows a script.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use pontoon_cloud::lxd::{Client, Dial, LxdError, NewProfile};
use pontoon_cloud::ssh::BoxIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// What a connection does with each request that it gets, one after another; then it closes.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    Answer,
    /// Takes the whole request, then closes without a word.
    CloseUnanswered,
    /// Answers half.
    CloseHalfWay,
}

#[derive(Default)]
struct Log {
    connections: usize,
    requests: Vec<String>,
}

#[derive(Clone)]
struct Scripted {
    scripts: Arc<Mutex<VecDeque<Vec<Does>>>>,
    log: Arc<Mutex<Log>>,
}

impl Dial for Scripted {
    fn dial(&self) -> BoxFuture<'_, io::Result<BoxIo>> {
        Box::pin(async {
            let Some(script) = self.scripts.lock().unwrap().pop_front() else {
                return Err(io::ErrorKind::ConnectionRefused.into());
            };
            self.log.lock().unwrap().connections += 1;
            let (ours, theirs) = tokio::io::duplex(64 << 10);
            tokio::spawn(serve(theirs, script, Arc::clone(&self.log)));
            Ok(Box::new(ours) as BoxIo)
        })
    }

    fn endpoint(&self) -> String {
        "lxd0".to_owned()
    }
}

async fn serve(mut stream: DuplexStream, script: Vec<Does>, log: Arc<Mutex<Log>>) {
    const ANSWER: &str = r#"{"type":"sync","metadata":[]}"#;
    for does in script {
        let Some(request) = read_request(&mut stream).await else { return };
        log.lock().unwrap().requests.push(request);
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{ANSWER}", ANSWER.len());
        let sent = match does {
            Does::Answer => answer.as_str(),
            Does::CloseUnanswered => return,
            Does::CloseHalfWay => &answer[..answer.len() - 5],
        };
        stream.write_all(sent.as_bytes()).await.unwrap();
        if does == Does::CloseHalfWay {
            return;
        }
    }
}

/// Reads one request to its end and returns its first line.
async fn read_request(stream: &mut DuplexStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return head.lines().next().map(str::to_owned);
            }
        }
        let mut chunk = [0; 1024];
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&chunk[..read]);
    }
}

fn scripted<const N: usize>(scripts: [&[Does]; N]) -> (Client, Arc<Mutex<Log>>) {
    let scripts = scripts.into_iter().map(<[Does]>::to_vec).collect();
    let dial = Scripted { scripts: Arc::new(Mutex::new(scripts)), log: Arc::default() };
    (Client::new(dial.clone()), dial.log)
}

fn profile() -> NewProfile {
    NewProfile { name: "hugo".to_owned(), ..NewProfile::default() }
}

#[tokio::test]
async fn requests_one_after_another_share_a_connection() {
    let (client, log) = scripted([&[Does::Answer; 3]]);
    for _ in 0..3 {
        client.profiles().await.unwrap();
    }
    assert_eq!(log.lock().unwrap().connections, 1);
}

#[tokio::test]
async fn requests_at_once_have_a_connection_each() {
    let (client, log) = scripted([&[Does::Answer], &[Does::Answer]]);
    let (one, two) = tokio::join!(client.profiles(), client.images());
    one.unwrap();
    two.unwrap();
    assert_eq!(log.lock().unwrap().connections, 2);
}

#[tokio::test]
async fn a_question_on_a_connection_that_broke_is_asked_again() {
    let (client, log) = scripted([&[Does::Answer, Does::CloseUnanswered], &[Does::Answer]]);
    client.profiles().await.unwrap();
    client.profiles().await.unwrap();
    assert_eq!(log.lock().unwrap().requests.len(), 3);
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_unknown_and_not_repeated() {
    for lost in [Does::CloseUnanswered, Does::CloseHalfWay] {
        let (client, log) = scripted([&[Does::Answer, lost], &[Does::Answer]]);
        client.profiles().await.unwrap();
        let error = client.create_profile(&profile()).await.unwrap_err();
        assert!(matches!(error, LxdError::Unknown { .. }), "{error}");
        let requests = log.lock().unwrap().requests.clone();
        assert_eq!(requests, ["GET /1.0/profiles?recursion=1 HTTP/1.1", "POST /1.0/profiles HTTP/1.1"]);
    }
}

#[tokio::test]
async fn a_question_that_is_lost_on_a_fresh_connection_is_an_error_of_its_own() {
    let (client, _) = scripted([&[Does::CloseUnanswered]]);
    let error = client.profiles().await.unwrap_err();
    assert!(matches!(error, LxdError::Lost { .. }), "{error}");
}

#[tokio::test]
async fn a_change_that_never_left_is_not_unknown() {
    let (client, _) = scripted([]);
    let error = client.create_profile(&profile()).await.unwrap_err();
    assert!(matches!(error, LxdError::Connect { .. }), "{error}");
}

#[tokio::test]
async fn a_change_that_meets_a_connection_closed_while_idle_is_sent_once_on_another() {
    let (client, log) = scripted([&[Does::Answer], &[Does::Answer]]);
    client.profiles().await.unwrap();
    client.create_profile(&profile()).await.unwrap();
    let log = log.lock().unwrap();
    assert_eq!(log.requests, ["GET /1.0/profiles?recursion=1 HTTP/1.1", "POST /1.0/profiles HTTP/1.1"]);
    assert_eq!(log.connections, 2);
}
