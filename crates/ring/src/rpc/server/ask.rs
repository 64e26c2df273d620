//! Requests that have one answer, put to the member in its own words.

use std::collections::BTreeMap;

use super::{Config, filter};
use crate::driver::{Handle, resolve};
use crate::rpc::Body;
use crate::rpc::reply::{self, Expected, Keys, Member};
use crate::rpc::request::{Query, Request, Secret};
use crate::serf::{self, Acks, Coalesce, KeyChange, Prune, Question, Replay};
use crate::swim::Persistence;
use crate::wire::keyring::Key;
use crate::wire::tags::Tags;

/// The port of members where an address names none.
const MEMBER_PORT: u16 = 7946;

/// What there is to answer, and what went wrong all the same, empty where nothing did. An error where there is nothing.
pub(super) async fn answer(config: &Config, request: Request) -> Result<(Option<Body>, String), String> {
    let member = &config.member;
    let done = |()| (None, String::new());
    let words = |error: crate::driver::Error| error.to_string();
    match request {
        Request::Members => Ok((Some(Body::Members(members(member).await?)), String::new())),
        Request::MembersFiltered { tags, status, name } => {
            let chosen = filter::members(members(member).await?, &tags, &status, &name)?;
            Ok((Some(Body::Members(chosen)), String::new()))
        }
        Request::Event { name, payload, coalesce } => {
            let coalesce = if coalesce { Coalesce::Allowed } else { Coalesce::Forbidden };
            member.user_event(&name, payload, coalesce).await.map(done).map_err(words)
        }
        Request::ForceLeave { name, prune } => {
            let prune = if prune { Prune::Yes } else { Prune::No };
            member.force_leave(&name, prune).await.map(done).map_err(words)
        }
        Request::Join { existing, replay } => join(member, &existing, replay).await,
        Request::InstallKey(key) => change_keys(member, key, KeyChange::Install).await,
        Request::UseKey(key) => change_keys(member, key, KeyChange::Use).await,
        Request::RemoveKey(key) => change_keys(member, key, KeyChange::Remove).await,
        Request::ListKeys => keys(member, KeyChange::List).await,
        Request::Tags { set, delete } => member.set_tags(set, delete).await.map(done).map_err(words),
        Request::Respond { id, payload } => member.respond(serf::QueryId(id), payload).await.map(done).map_err(words),
        Request::Stats => Ok((Some(Body::Stats(stats(config).await?)), String::new())),
        Request::GetCoordinate { name } => {
            let coordinate = member.coordinate(&name).await.map_err(words)?;
            Ok((Some(Body::Coordinate(coordinate)), String::new()))
        }
        // The session has taken these.
        Request::Handshake { .. }
        | Request::Auth(_)
        | Request::Stream { .. }
        | Request::Monitor { .. }
        | Request::Stop { .. }
        | Request::Leave
        | Request::Query(_) => Err(crate::rpc::UNSUPPORTED_COMMAND.to_owned()),
    }
}

/// The body of an answer that tells nothing, for clients wait for one.
pub(super) fn empty(expected: Expected) -> Option<Body> {
    match expected {
        Expected::Members => Some(Body::Members(Vec::new())),
        Expected::Joined => Some(Body::Joined(0)),
        Expected::Keys => Some(Body::Keys(Keys::default())),
        Expected::Stats => Some(Body::Stats(BTreeMap::new())),
        Expected::Coordinate => Some(Body::Coordinate(None)),
        Expected::Nothing | Expected::Event | Expected::Answer | Expected::Log => None,
    }
}

/// A client's query as the member asks it.
pub(super) fn question(query: Query) -> Question {
    Question {
        name: query.name,
        payload: query.payload,
        names: query.names.iter().map(|name| name.as_str().into()).collect(),
        tags: query.tags,
        acks: if query.ack { Acks::Wanted } else { Acks::NotWanted },
        relay_factor: query.relay_factor,
        timeout: (!query.timeout.is_zero()).then_some(query.timeout),
    }
}

/// An event as clients are told of it.
pub fn event(event: &serf::Event) -> reply::Event {
    match event {
        serf::Event::Members { change, members } => {
            reply::Event::Members { kind: change.as_str().to_owned(), members: members.iter().map(told).collect() }
        }
        serf::Event::User(event) => reply::Event::User {
            time: event.time,
            name: event.name.clone(),
            payload: event.payload.clone(),
            coalesce: event.coalesce == Coalesce::Allowed,
        },
        serf::Event::Query(query) => reply::Event::Query {
            id: query.id.0,
            time: query.time,
            name: query.name.clone(),
            payload: query.payload.clone(),
        },
    }
}

async fn members(member: &Handle) -> Result<Vec<Member>, String> {
    let members = member.members().await.map_err(|error| error.to_string())?;
    Ok(members.iter().map(told).collect())
}

fn told(member: &serf::Member) -> Member {
    Member {
        name: member.name.clone(),
        address: member.address,
        tags: (*member.tags).clone(),
        status: member.status.as_str().to_owned(),
        versions: member.versions,
    }
}

/// How many were reached is told whatever went wrong; that something did only where nobody was.
async fn join(member: &Handle, existing: &[String], replay: bool) -> Result<(Option<Body>, String), String> {
    let (mut seeds, mut errors) = (Vec::new(), Vec::new());
    for text in existing {
        match resolve(text, MEMBER_PORT).await {
            Ok(found) => seeds.extend(found),
            Err(error) => errors.push(format!("Failed to resolve {text}: {error}")),
        }
    }
    let replay = if replay { Replay::Yes } else { Replay::No };
    let joined = member.join(seeds, Persistence::Once, replay).await.map_err(|error| error.to_string())?;
    errors.extend(joined.failed.iter().map(|(seed, failure)| format!("Failed to join {seed}: {failure}")));
    let reached = joined.reached.len() as u64;
    let error = if reached == 0 { errors.join("; ") } else { String::new() };
    Ok((Some(Body::Joined(reached)), error))
}

async fn change_keys(
    member: &Handle,
    key: Secret,
    change: fn(Key) -> KeyChange,
) -> Result<(Option<Body>, String), String> {
    let key = Key::from_base64(&key.0).map_err(|error| error.to_string())?;
    keys(member, change(key)).await
}

async fn keys(member: &Handle, change: KeyChange) -> Result<(Option<Body>, String), String> {
    let report = member.change_keys(change, 0).await.map_err(|error| error.to_string())?;
    let error = if report.errors > 0 {
        format!("{}/{} nodes reported failure", report.errors, report.members)
    } else if report.responses != report.members {
        format!("{}/{} nodes reported success", report.responses, report.members)
    } else {
        String::new()
    };
    let keys = Keys {
        messages: report.messages.iter().map(|(name, message)| (name.to_string(), message.clone())).collect(),
        keys: report.keys.into_iter().map(|(key, members)| (key, members as u64)).collect(),
        members: report.members as u64,
        errors: report.errors as u64,
        responses: report.responses as u64,
    };
    Ok((Some(Body::Keys(keys)), error))
}

/// The subjects and names of Serf's own agent.
async fn stats(config: &Config) -> Result<BTreeMap<String, Tags>, String> {
    let stats = config.member.stats().await.map_err(|error| error.to_string())?;
    let name = config.member.name();
    let own = config.member.members().await.map_err(|error| error.to_string())?;
    let tags = own.iter().find(|member| member.name == *name).map(|member| (*member.tags).clone());
    let serf: [(&str, String); 12] = [
        ("members", stats.members.to_string()),
        ("failed", stats.failed.to_string()),
        ("left", stats.left.to_string()),
        ("health_score", stats.health_score.to_string()),
        ("member_time", stats.member_time.to_string()),
        ("event_time", stats.event_time.to_string()),
        ("query_time", stats.query_time.to_string()),
        ("intent_queue", stats.intent_queue.to_string()),
        ("event_queue", stats.event_queue.to_string()),
        ("query_queue", stats.query_queue.to_string()),
        ("encrypted", stats.is_encrypted.to_string()),
        ("coordinate_resets", stats.coordinate_resets.to_string()),
    ];
    Ok(BTreeMap::from([
        ("agent".to_owned(), Tags::from([("name".to_owned(), name.to_string())])),
        ("event_handlers".to_owned(), Tags::new()),
        ("runtime".to_owned(), config.runtime.iter().cloned().collect()),
        ("serf".to_owned(), serf.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ("tags".to_owned(), tags.unwrap_or_default()),
    ]))
}
