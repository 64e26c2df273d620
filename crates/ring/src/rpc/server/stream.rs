//! What a client listens to, until it stops, goes, or there is no more.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::ask;
use super::filter::EventFilter;
use super::log::{Level, Lines};
use crate::driver::{Answers, Notice, Subscription};
use crate::rpc::reply::{self, Answer};
use crate::rpc::{Body, Reply};
use crate::serf;

/// Tells the events that the filter lets through.
pub(super) async fn events(sequence: u64, mut events: Subscription, filter: EventFilter, replies: mpsc::Sender<Bytes>) {
    while let Some(notice) = events.next().await {
        match notice {
            Notice::Event(event) if filter.wants(&event) => {
                if !tell(sequence, Body::Event(ask::event(&event)), &replies).await {
                    return;
                }
            }
            Notice::Event(_) => {}
            // The protocol has no word for it.
            Notice::Missed(missed) => tracing::warn!(missed, "a client reads too slowly and has lost events"),
        }
    }
}

/// Tells the lines of the log.
pub(super) async fn log(sequence: u64, mut lines: Lines, level: Level, replies: mpsc::Sender<Bytes>) {
    while let Some(line) = lines.next(level).await {
        if !tell(sequence, Body::Log(line), &replies).await {
            return;
        }
    }
}

/// Tells what comes back to a query, and at the end that it is over.
pub(super) async fn answers(sequence: u64, mut answers: Answers, replies: mpsc::Sender<Bytes>) {
    while let Some(answer) = answers.next().await {
        let answer = match answer {
            serf::Answer::Ack { from } => Answer::Ack { from: from.to_string() },
            serf::Answer::Response { from, payload } => Answer::Response { from: from.to_string(), payload },
        };
        if !tell(sequence, Body::Answer(answer), &replies).await {
            return;
        }
    }
    tell(sequence, Body::Answer(Answer::Done), &replies).await;
}

/// `false` where the client has gone.
async fn tell(sequence: u64, body: Body, replies: &mpsc::Sender<Bytes>) -> bool {
    let reply = Reply { sequence, error: String::new(), body: Some(body) };
    replies.send(reply::encode(&reply)).await.is_ok()
}
