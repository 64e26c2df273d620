//! The catalogue among the others: what the ring says goes into it, and what it wants is done.
//!
//! | the catalogue | the ring |
//! |---|---|
//! | `Announce` | a user event `pontoon:catalogue`, which is not coalesced: each one counts |
//! | `Tag` | the member's tag `pontoon`, set before the member is started |
//! | `Host`, `Forgotten` | members that have that tag; others are somebody's agents of Serf |
//! | `Distance` | round trips by the ring's coordinates |
//! | `Ask`, `Asked`, `Answered`, `Send` | connections beside the ring ([`exchange`](super::exchange)) |
//!
//! What the membership says is compared with what the catalogue was told, so a notice that was missed, or came twice,
//! changes nothing: at each survey all of it is read again. A notice that comes while a survey reads counts for more than what
//! that reads of the same member: a host that has just joined is not forgotten because the list is from before.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pontoon_ring::driver::{Error, Handle, Notice, Subscription};
use pontoon_ring::serf::{Change, Coalesce, Event, Member, Prune, Status, Tags, vivaldi};
use pontoon_ring::time::Time;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::exchange::{Asked, Exchange, ExchangeError};
use super::farewell;
use super::own::Ours;
use super::until;
use crate::catalogue::limits::is_label;
use crate::catalogue::wire::Ask;
use crate::catalogue::{Catalogue, Container, HostState, Input, Mark, Name, Output, State, View};
use crate::counts::Counts;
use crate::picture::Picture;

/// What a user event of the catalogue is called.
pub(super) const EVENT: &str = "pontoon:catalogue";
/// The tag by which a member is a host of the stack.
pub(super) const TAG: &str = "pontoon";
/// Hosts whose question is kept until there is something to answer.
const EARLY_MAX: usize = 64;

/// A catalogue that is not among others yet.
pub(super) struct Beginning {
    catalogue: Catalogue,
    has_own: bool,
    began: Instant,
    outputs: Vec<Output>,
}

/// Whom it speaks to.
pub(super) struct Ways {
    pub(super) ring: Handle,
    pub(super) notices: Subscription,
    pub(super) exchange: Exchange,
    /// Where all hosts answer asks.
    pub(super) exchange_port: u16,
    pub(super) ours: watch::Receiver<Ours>,
    pub(super) asked: mpsc::Receiver<Asked>,
    pub(super) views: watch::Sender<Arc<View>>,
    pub(super) known: watch::Sender<Known>,
    pub(super) pictures: watch::Receiver<Arc<Picture>>,
    pub(super) survey: Duration,
    pub(super) counts: Arc<Counts>,
    /// Containers that were not looked at by then are told as they are.
    pub(super) told_by: Instant,
}

/// How much of the stack is in the view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// This host's containers, each with how it is.
    pub(super) own: bool,
    /// There are other hosts, and those that are there have told their parts.
    pub(super) others: bool,
    /// Hosts that have not, as far as they are known.
    pub(super) awaited: Vec<Name>,
}

struct Link {
    catalogue: Catalogue,
    began: Instant,
    ring: Handle,
    exchange: Exchange,
    exchange_port: u16,
    views: watch::Sender<Arc<View>>,
    known: watch::Sender<Known>,
    pictures: watch::Receiver<Arc<Picture>>,
    /// Whether the catalogue has this host's containers. Until it does, nobody is told anything of them: the others go on
    /// with what they were told before the restart.
    has_own: bool,
    /// What the catalogue was told of the members.
    told: BTreeMap<Name, Told>,
    asks: JoinSet<(Name, Result<Bytes, ExchangeError>)>,
    surveys: JoinSet<Result<Survey, Error>>,
    /// Members of which something was heard while a survey reads them: it may have read what they were before.
    heard: BTreeSet<Name>,
    /// The way back to whoever asks right now.
    reply: Option<(Name, oneshot::Sender<Bytes>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    address: IpAddr,
    state: HostState,
    tag: String,
}

/// All members, and the way to each that is there.
struct Survey {
    members: Vec<Member>,
    round_trips: Vec<(Name, Duration)>,
}

/// Questions of other hosts.
struct Questions {
    asked: mpsc::Receiver<Asked>,
    /// The newest of each host that came before there was anything to answer.
    early: BTreeMap<Name, Asked>,
}

enum Happening {
    Notice(Option<Notice>),
    Ours(bool),
    /// The containers were waited for long enough.
    OursDue,
    Asked(Option<Asked>),
    Answered(Name, Result<Bytes, ExchangeError>),
    Surveyed(Survey),
    SurveyDue,
    Time,
}

impl Beginning {
    /// A catalogue of these containers, if all of them were looked at, which has been told of nobody.
    pub(super) fn new(config: crate::catalogue::Config, ours: Ours) -> Self {
        let mut catalogue = Catalogue::new(config, Time::ZERO);
        let has_own = ours.looked;
        catalogue.handle(Time::ZERO, if has_own { Input::Own(ours.containers) } else { Input::Tick });
        let outputs = std::iter::from_fn(|| catalogue.poll()).collect();
        Self { catalogue, has_own, began: Instant::now(), outputs }
    }

    /// When the catalogue's time began.
    pub(super) fn began(&self) -> std::time::Instant {
        self.began.into_std()
    }

    /// What the member has to say of itself from its first moment: without it, others take it for a stranger.
    pub(super) fn tags(&self) -> Tags {
        let tag = self.outputs.iter().find_map(|output| match output {
            Output::Tag(bytes) => Some(text(bytes)),
            _ => None,
        });
        tag.into_iter().map(|tag| (TAG.to_owned(), tag)).collect()
    }

    /// Goes on until the member has ended.
    pub(super) async fn run(self, ways: Ways) {
        let Ways { ring, mut notices, exchange, exchange_port, mut ours, .. } = ways;
        let Ways { asked, views, known, pictures, survey, counts, told_by, .. } = ways;
        let mut link = Link {
            catalogue: self.catalogue,
            began: self.began,
            ring,
            exchange,
            exchange_port,
            views,
            known,
            pictures,
            has_own: self.has_own,
            told: BTreeMap::new(),
            asks: JoinSet::new(),
            surveys: JoinSet::new(),
            heard: BTreeSet::new(),
            reply: None,
        };
        for output in self.outputs {
            // The tag is there since the beginning.
            if !matches!(output, Output::Tag(_)) {
                link.perform(output).await;
            }
        }
        let mut due = interval(survey);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watched = true;
        let mut questions = Questions { asked, early: BTreeMap::new() };
        loop {
            let has_own = link.has_own;
            let wake = link.catalogue.wake_at().map(|at| link.began + at.elapsed());
            let happening = tokio::select! {
                notice = notices.next() => Happening::Notice(notice),
                changed = ours.changed(), if watched => Happening::Ours(changed.is_ok()),
                question = questions.next(has_own) => Happening::Asked(question),
                () = sleep_until(told_by), if !has_own => Happening::OursDue,
                happening = link.next_end() => happening,
                _ = due.tick() => Happening::SurveyDue,
                () = until(wake) => Happening::Time,
            };
            match happening {
                Happening::Notice(None) | Happening::Asked(None) => return,
                Happening::Notice(Some(notice)) => link.notice(&notice),
                Happening::Ours(true) => {
                    let ours = ours.borrow_and_update().clone();
                    link.ours(ours);
                }
                Happening::Ours(false) => watched = false,
                Happening::OursDue => {
                    let ours = ours.borrow_and_update().clone();
                    tracing::warn!(
                        unknown = unlooked(&ours),
                        "not all containers are looked at yet; they are told without"
                    );
                    link.has_own = true;
                    link.ours(ours);
                }
                Happening::Asked(Some(Asked { host, ask, reply })) => {
                    link.reply = Some((host.clone(), reply));
                    link.handle(Input::Asked { host, ask });
                }
                Happening::Answered(host, Ok(bytes)) => {
                    tracing::trace!(%host, bytes = bytes.len(), "answered");
                    link.handle(Input::Answered { host, bytes });
                }
                Happening::Answered(host, Err(error)) => {
                    // The catalogue asks again when its own time for it is over.
                    tracing::debug!(%host, error = &error as &dyn std::error::Error, "not answered");
                }
                Happening::Surveyed(mut survey) => {
                    survey.members.retain(|member| !link.heard.contains(&member.name));
                    link.say_farewell(&survey.members).await;
                    link.surveyed(survey);
                }
                Happening::SurveyDue => link.survey(),
                Happening::Time => link.handle(Input::Tick),
            }
            while let Some(output) = link.catalogue.poll() {
                link.perform(output).await;
            }
            counts.set_catalogue(link.catalogue.counters());
            // Whoever asked and was not answered asks too often.
            link.reply = None;
            link.tell_known();
        }
    }
}

impl Link {
    fn now(&self) -> Time {
        Time::after(self.began.elapsed())
    }

    fn handle(&mut self, input: Input) {
        let now = self.now();
        self.catalogue.handle(now, input);
    }

    /// Hands on this host's containers, from when each was looked at once.
    fn ours(&mut self, ours: Ours) {
        self.has_own |= ours.looked;
        if self.has_own {
            self.handle(Input::Own(ours.containers));
        }
    }

    /// Says how much is known, when there is a view that has it.
    fn tell_known(&self) {
        if !self.catalogue.is_published() {
            return;
        }
        let awaited = self.awaited();
        let others = awaited.is_empty() && self.catalogue.has_others();
        let known = Known { own: self.has_own, others, awaited };
        self.known.send_if_modified(|told| {
            let different = *told != known;
            *told = known;
            different
        });
    }

    /// Hosts that are there and have not told their part, and those that the picture names and nobody has heard of: who is
    /// restarted at this moment may know only some, and be known to none.
    fn awaited(&self) -> Vec<Name> {
        let picture = self.pictures.borrow();
        let is_new = |host: &&Name| ***host != **self.ring.name() && !self.told.contains_key(*host);
        self.catalogue.untold().chain(picture.hosts.keys().filter(is_new)).cloned().collect()
    }

    /// The next end of something that was begun here.
    async fn next_end(&mut self) -> Happening {
        loop {
            tokio::select! {
                Some(Ok((host, answer))) = self.asks.join_next() => return Happening::Answered(host, answer),
                Some(Ok(Ok(survey))) = self.surveys.join_next() => return Happening::Surveyed(survey),
                else => pending().await,
            }
        }
    }

    fn notice(&mut self, notice: &Notice) {
        if let Notice::Event(event) = notice
            && let Event::Members { members, .. } = &**event
        {
            self.heard.extend(members.iter().map(|member| member.name.clone()));
        }
        match notice {
            Notice::Missed(count) => {
                tracing::warn!(count, "events of the ring came too fast; all members are read again");
                self.survey();
            }
            Notice::Event(event) => match &**event {
                Event::Members { change: Change::Reaped, members } => {
                    for member in members {
                        self.forget(&member.name);
                    }
                }
                Event::Members { change, members } => {
                    for member in members {
                        tracing::info!(member = %member.name, address = %member.address, "{change}");
                        self.member(member);
                    }
                }
                Event::User(said) if said.name == EVENT => self.handle(Input::Announced(said.payload.clone())),
                Event::User(_) | Event::Query(_) => {}
            },
        }
    }

    /// Tells the catalogue what is new of a member.
    fn member(&mut self, member: &Member) {
        if member.name == *self.ring.name() {
            return;
        }
        let name = member.name.clone();
        let Some(tag) = member.tags.get(TAG).filter(|_| is_label(&name)) else {
            self.forget(&name);
            return;
        };
        let now = Told { address: member.address.ip(), state: state(member.status), tag: tag.clone() };
        let before = self.told.insert(name.clone(), now.clone());
        if before.as_ref() == Some(&now) {
            return;
        }
        let moved = before.is_none_or(|before| (before.address, before.state) != (now.address, now.state));
        if moved {
            self.handle(Input::Host { name: name.clone(), address: now.address, state: now.state });
        }
        // One that is back may say what is known already, and then it is not asked.
        self.handle(Input::Tagged { host: name, bytes: now.tag.into_bytes().into() });
    }

    fn forget(&mut self, name: &str) {
        if let Some((name, _)) = self.told.remove_entry(name) {
            self.handle(Input::Forgotten(name));
        }
    }

    /// Reads all members, beside whatever else happens.
    fn survey(&mut self) {
        if self.surveys.is_empty() {
            self.heard.clear();
            self.surveys.spawn(survey(self.ring.clone()));
        }
    }

    async fn say_farewell(&self, members: &[Member]) {
        let picture = Arc::clone(&self.pictures.borrow());
        for name in farewell::due(members, &picture, self.ring.name()) {
            tracing::info!(host = %name, "the stack has it no more: it is forgotten");
            if let Err(error) = self.ring.force_leave(&name, Prune::Yes).await {
                tracing::warn!(%error, host = %name, "cannot have it forgotten; the next survey tries again");
            }
        }
    }

    fn surveyed(&mut self, survey: Survey) {
        for name in gone(self.told.keys(), &survey.members, &self.heard) {
            self.forget(&name);
        }
        for member in &survey.members {
            self.member(member);
        }
        for (name, round_trip) in survey.round_trips {
            self.handle(Input::Distance { name, round_trip });
        }
    }

    async fn perform(&mut self, output: Output) {
        match output {
            Output::Announce(bytes) => {
                if let Err(error) = self.ring.user_event(EVENT, bytes, Coalesce::Forbidden).await {
                    tracing::warn!(%error, "cannot announce a change; the others learn it by the tag");
                }
            }
            Output::Tag(bytes) => {
                let tags = Tags::from([(TAG.to_owned(), text(&bytes))]);
                if let Err(error) = self.ring.set_tags(tags, Vec::new()).await {
                    tracing::warn!(%error, "cannot change the tag; the others learn changes by announcements");
                }
            }
            Output::Ask { host, id, since } => self.ask(host, id, since),
            Output::Send { host, bytes } => {
                if let Some((_, reply)) = self.reply.take_if(|(asker, _)| *asker == host) {
                    // It may have gone.
                    let _ = reply.send(bytes);
                }
            }
            Output::Publish(view) => {
                self.views.send_replace(view);
            }
        }
    }

    fn ask(&mut self, host: Name, id: u32, since: Option<Mark>) {
        let Some(told) = self.told.get(&host) else { return };
        let at = SocketAddr::new(told.address, self.exchange_port);
        tracing::trace!(%host, %at, ?since, "asked");
        let exchange = self.exchange.clone();
        let config = self.catalogue.config();
        let (own, limit) = (config.address, config.pace.ask_timeout);
        self.asks.spawn(async move {
            let answer = exchange.ask(own, host.clone(), at, Ask::new(id, since), limit).await;
            (host, answer)
        });
    }
}

impl Questions {
    /// The next one that can be answered; nothing when there are no more.
    async fn next(&mut self, answerable: bool) -> Option<Asked> {
        if answerable && let Some((_, question)) = self.early.pop_first() {
            return Some(question);
        }
        loop {
            let question = self.asked.recv().await?;
            if answerable {
                return Some(question);
            }
            // Who asks again has given up the question before.
            if self.early.len() < EARLY_MAX {
                self.early.insert(question.host.clone(), question);
            }
        }
    }
}

/// Names of containers of which nothing is known.
fn unlooked(ours: &Ours) -> String {
    let is_unknown = |container: &Container| container.health.state == State::Unknown;
    let names = ours.containers.iter().filter(|(_, container)| is_unknown(container)).map(|(name, _)| &**name);
    names.collect::<Vec<_>>().join(", ")
}

async fn survey(ring: Handle) -> Result<Survey, Error> {
    let members = ring.members().await?;
    let mut round_trips = Vec::new();
    if let Some(here) = ring.coordinate(ring.name()).await? {
        for member in members.iter().filter(|member| member.status.is_there() && member.name != *ring.name()) {
            let there = ring.coordinate(&member.name).await?;
            let round_trip = there.and_then(|there| vivaldi::round_trip(&here, &there));
            round_trips.extend(round_trip.map(|round_trip| (member.name.clone(), round_trip)));
        }
    }
    Ok(Survey { members, round_trips })
}

/// Those of the known members that the ring has no more.
fn gone<'a>(known: impl Iterator<Item = &'a Name>, members: &[Member], heard: &BTreeSet<Name>) -> Vec<Name> {
    let is_there = |name: &Name| members.iter().any(|member| member.name == *name);
    known.filter(|name| !heard.contains(*name) && !is_there(name)).cloned().collect()
}

/// One that leaves is still there for a moment, but nobody should be sent to it any more.
const fn state(status: Status) -> HostState {
    match status {
        Status::Alive => HostState::Alive,
        Status::Failed => HostState::Failed,
        Status::Leaving | Status::Left => HostState::Left,
    }
}

/// The bytes of a tag: JSON, which is text.
fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use pontoon_ring::wire::message::Versions;

    use super::*;

    fn names(names: &[&str]) -> Vec<Name> {
        names.iter().map(|name| (*name).into()).collect()
    }

    #[test]
    fn a_member_that_joins_while_the_members_are_read_is_not_forgotten() {
        let read = Member {
            name: "lxd0".into(),
            address: "127.0.0.1:7946".parse().unwrap(),
            tags: Tags::new().into(),
            status: Status::Alive,
            versions: Versions::default(),
        };
        let known = names(&["lxd0", "lxd1", "lxd2"]);
        assert_eq!(gone(known.iter(), &[read], &names(&["lxd2"]).into_iter().collect()), names(&["lxd1"]));
    }
}
