//! The sockets, the seats and the routes. What is answered is decided elsewhere.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::{IncomingStream, Listener};
use axum::{Json, Router};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::blocking::{self, Indexed, Numbering, WaitError};
use super::changes::History;
use super::consul::Consul;
use super::own::Teller;
use super::parameters::Parameters;
use super::{misdirected, own, page, prometheus};
use crate::catalogue::{Name, View};
use crate::counts::Counts;
use crate::door::{Door, Seat};
use crate::picture::Picture;
use crate::sockets::Sockets;

/// A pause after an error of a socket, such as too many open files, so that it does not become a busy loop.
const PAUSE: Duration = Duration::from_millis(20);
/// Something is said to listeners this often, so that whoever is gone is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long who wants to wait and finds no place is kept from asking again.
const WITHOUT_A_PLACE: Duration = Duration::from_secs(1);

/// What the server is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The stack's name, Consul's datacenter.
    pub datacenter: String,
    /// The host on which it is.
    pub here: Name,
    /// Who may connect, and how many of them at once.
    pub door: Arc<Door>,
    /// How many may wait for a change at once; fewer than may connect, so that others are still answered.
    pub waiters: Arc<Door>,
    /// Tells this run of the agent from the others, in the ids of changes.
    pub run: u64,
    /// When the catalogue's time began.
    pub began: Instant,
    /// What the stack should look like; an empty one where nobody has drawn it.
    pub pictures: watch::Receiver<Arc<Picture>>,
    /// What the agent has counted.
    pub counts: Arc<Counts>,
    /// Other doors of the agent's, by what is behind them, of which `/metrics` tells how many they refused.
    pub other_doors: BTreeMap<&'static str, Arc<Door>>,
    /// Ends it. Nobody is let in from then on, whoever waits for a change is answered with what there is, and told that the
    /// connection ends.
    pub end: CancellationToken,
}

/// A socket that is bound, and not served yet.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
}

/// Why it cannot listen.
#[derive(Debug, Error)]
#[error("cannot listen for HTTP on `{address}`")]
pub struct BindError {
    /// Where.
    pub address: SocketAddr,
    source: io::Error,
}

impl BindError {
    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        (self.source.kind() == io::ErrorKind::AddrInUse)
            .then(|| format!("`ss -ltnp sport = :{}` shows who has it", self.address.port()))
    }
}

impl Server {
    /// Listens on all of these addresses.
    pub fn bind(addresses: &[SocketAddr], sockets: &mut Sockets) -> Result<Self, BindError> {
        let listen = |&address| sockets.listener(address).map_err(|source| BindError { address, source });
        Ok(Self { listeners: addresses.iter().map(listen).collect::<Result<_, _>>()? })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Lets in and answers until it is to end and the last one is answered. Where the future is dropped before, connections
    /// that are open then end by themselves.
    pub async fn run(self, settings: Settings, views: watch::Receiver<Arc<View>>) {
        let history = History::new(settings.run);
        let mut recording = JoinSet::new();
        recording.spawn(Arc::clone(&history).record(views.clone(), settings.pictures.clone()));
        let mut tasks = JoinSet::new();
        let (door, end) = (Arc::clone(&settings.door), settings.end.clone());
        let numbering = Numbering::new(settings.run, rand::random());
        let router = router(Arc::new(Shared { settings, views, history, numbering }));
        for listener in self.listeners {
            let guarded = Guarded { listener, door: Arc::clone(&door) };
            let service = router.clone().into_make_service_with_connect_info::<Peer>();
            let end = end.clone();
            tasks.spawn(async move {
                // It ends with an error only where accepting does, and the door's never does.
                let _ = axum::serve(guarded, service).with_graceful_shutdown(end.cancelled_owned()).await;
            });
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a task that answers HTTP has ended");
            }
        }
    }
}

/// A socket at which the door decides who comes in.
struct Guarded {
    listener: TcpListener,
    door: Arc<Door>,
}

/// A connection, and the seat that it has for as long as it is there.
struct Seated {
    stream: TcpStream,
    _seat: Seat,
}

/// Who is connected.
#[derive(Clone, Copy)]
struct Peer(IpAddr);

impl Listener for Guarded {
    type Io = Seated;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Seated, SocketAddr) {
        loop {
            match self.listener.accept().await {
                // Whoever gets no seat is hung up on at once.
                Ok((stream, from)) => {
                    if let Some(seat) = self.door.enter(from.ip()) {
                        return (Seated { stream, _seat: seat }, from);
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot accept");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Guarded>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Guarded>) -> Self {
        Self(stream.remote_addr().ip())
    }
}

impl AsyncRead for Seated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Seated {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// What requests are answered from.
struct Shared {
    settings: Settings,
    views: watch::Receiver<Arc<View>>,
    history: Arc<History>,
    numbering: Numbering,
}

impl Shared {
    fn view(&self) -> Arc<View> {
        Arc::clone(&self.views.borrow())
    }

    fn teller(&self) -> Teller<'_> {
        let Settings { datacenter, here, began, .. } = &self.settings;
        Teller { stack: datacenter, here, now: began.elapsed() }
    }
}

type Answering = State<Arc<Shared>>;
type Asked = Query<Vec<(String, String)>>;

fn router(shared: Arc<Shared>) -> Router {
    let ours: Router<Arc<Shared>> = Router::new()
        .route("/", get(async |headers: HeaderMap| page::answer("", &headers)))
        .route("/page/{part}", get(async |Path(part): Path<String>, headers: HeaderMap| page::answer(&part, &headers)))
        .route(
            "/v1/members",
            get(async |State(shared): Answering| Json(own::members(&shared.view(), &shared.teller()))),
        )
        .route("/v1/catalogue", get(catalogue))
        .route(
            "/v1/picture",
            get(async |State(shared): Answering| Json(Arc::clone(&shared.settings.pictures.borrow()))),
        )
        .route("/v1/services/{name}", get(service))
        .route("/v1/health", get(async |State(shared): Answering| Json(own::health(&shared.view()))))
        .route("/v1/changes", get(changes))
        .route("/metrics", get(metrics))
        .route(
            "/v1/prometheus/targets",
            get(async |State(shared): Answering| Json(prometheus::targets(&shared.view()))),
        );
    ours.merge(consul_routes())
        .fallback(async || refusal(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .layer(middleware::from_fn(read_only))
        .layer(middleware::from_fn(directed))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), parting))
        .with_state(shared)
}

/// Consul's paths. Those that block do so with `index`.
fn consul_routes() -> Router<Arc<Shared>> {
    /// A route whose answer is a function of Consul's view, the name in the path and the parameters.
    macro_rules! blocking {
        ($document:expr) => {
            get(
                async |State(shared): Answering,
                       ConnectInfo(Peer(from)): ConnectInfo<Peer>,
                       name: Option<Path<String>>,
                       Query(pairs): Asked| {
                    let name = name.map(|Path(name)| name).unwrap_or_default();
                    let document: fn(&Consul<'_>, &str, &Parameters) -> Value = $document;
                    consul(&shared, from, &name, &Parameters(pairs), document).await
                },
            )
        };
    }
    Router::new()
        .route(
            "/v1/agent/self",
            get(async |State(shared): Answering| Json(at_once(&shared, |consul| consul.agent(&shared.settings.here)))),
        )
        .route(
            "/v1/status/leader",
            get(async |State(shared): Answering| Json(at_once(&shared, |consul| consul.leader(&shared.settings.here)))),
        )
        .route(
            "/v1/catalog/datacenters",
            get(async |State(shared): Answering| Json(json!([shared.settings.datacenter]))),
        )
        .route("/v1/kv/{*key}", get(key_value))
        .route("/v1/catalog/nodes", blocking!(|consul, _, _| consul.nodes()))
        .route("/v1/catalog/services", blocking!(|consul, _, _| consul.services()))
        .route("/v1/catalog/service/{name}", blocking!(|consul, name, asked| consul.service(name, asked)))
        .route("/v1/catalog/node/{name}", blocking!(|consul, name, _| consul.one_node(name)))
        .route("/v1/health/service/{name}", blocking!(|consul, name, asked| consul.health_of_service(name, asked)))
        .route("/v1/health/node/{name}", blocking!(|consul, name, _| consul.health_of_node(name)))
        .route("/v1/health/state/{name}", blocking!(|consul, name, _| consul.checks_in_state(name)))
        .route("/v1/health/checks/{name}", blocking!(|consul, name, asked| consul.checks_of_service(name, asked)))
}

/// Who asks by a name that is not ours is not answered.
async fn directed(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or("?."));
    if host.is_none_or(misdirected::is_ours) {
        return next.run(request).await;
    }
    refusal(
        StatusCode::MISDIRECTED_REQUEST,
        "this agent is asked by its address, by one word, or by a name that ends in `.internal`",
    )
}

/// At the end it is said that this was the last answer, so that nobody asks again on a connection that is about to close.
async fn parting(State(shared): Answering, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    // The views may have ended before: with the ring.
    if shared.settings.end.is_cancelled() || shared.views.has_changed().is_err() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Nothing is written here, at no path.
async fn read_only(request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let mut refused = refusal(StatusCode::METHOD_NOT_ALLOWED, "this can only be read");
    refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    refused
}

/// Whoever has this view already is told so, and no more: it is long, and a page asks for it again and again.
async fn catalogue(State(shared): Answering, headers: HeaderMap) -> Response {
    let view = shared.view();
    let tag = format!("W/\"{}-{}\"", shared.settings.run, view.index);
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known == tag.as_str());
    let tagged = [(header::ETAG, tag)];
    if known {
        return (StatusCode::NOT_MODIFIED, tagged).into_response();
    }
    (tagged, Json(own::catalogue(&view, &shared.teller()))).into_response()
}

async fn service(State(shared): Answering, Path(name): Path<String>) -> Response {
    own::service(&shared.view(), &name).map_or_else(
        || refusal(StatusCode::NOT_FOUND, "there is no such service"),
        |document| Json(document).into_response(),
    )
}

async fn metrics(State(shared): Answering) -> impl IntoResponse {
    let Settings { door, waiters, counts, other_doors, .. } = &shared.settings;
    let mut doors: BTreeMap<&str, &Door> = other_doors.iter().map(|(behind, door)| (*behind, &**door)).collect();
    doors.extend([("http", &**door), (prometheus::WAITING, &**waiters)]);
    let text = prometheus::metrics(&shared.view(), counts, &doors);
    ([(header::CONTENT_TYPE, prometheus::TEXT)], text)
}

async fn changes(
    State(shared): Answering,
    ConnectInfo(Peer(from)): ConnectInfo<Peer>,
    Query(pairs): Asked,
    headers: HeaderMap,
) -> Response {
    let last = match Parameters(pairs).get("last").map(str::parse) {
        None => 0,
        Some(Ok(last)) => last,
        Some(Err(_)) => return refusal(StatusCode::BAD_REQUEST, "`last` is no number"),
    };
    let Some(seat) = shared.settings.waiters.enter(from) else { return too_many() };
    let after = headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default());
    let events = shared.history.listen(after, last, seat);
    Sse::new(events.take_until(shared.settings.end.clone().cancelled_owned()))
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}

fn at_once(shared: &Shared, document: impl Fn(&Consul<'_>) -> Value) -> Value {
    let view = shared.view();
    document(&Consul { datacenter: &shared.settings.datacenter, view: &view })
}

async fn consul(
    shared: &Shared,
    from: IpAddr,
    name: &str,
    parameters: &Parameters,
    document: fn(&Consul<'_>, &str, &Parameters) -> Value,
) -> Result<Response, WaitError> {
    let datacenter = &shared.settings.datacenter;
    if parameters.get("dc").is_some_and(|asked| !asked.is_empty() && asked != datacenter) {
        return Ok((StatusCode::INTERNAL_SERVER_ERROR, "No path to datacenter").into_response());
    }
    if let Some(unknown) = NARROWING.into_iter().find(|name| parameters.get(name).is_some_and(narrows)) {
        // To whoever wants only some of it, all of it would be a wrong answer.
        let refusal = format!("`{unknown}` is not known here: ask by `tag`, `passing`, or choose among all");
        return Ok((StatusCode::BAD_REQUEST, refusal).into_response());
    }
    // No node has anything that could be asked for by `node-meta`.
    let nobody = parameters.get("node-meta").map(|_| View::default());
    let document = |view: &View| {
        let view = nobody.as_ref().unwrap_or(view);
        document(&Consul { datacenter, view }, name, parameters)
    };
    let answer = answer(shared, from, parameters, document).await?;
    Ok((index_headers(answer.index), Json(answer.document)).into_response())
}

/// Parameters of Consul that ask for a part of everything, by what is not known here.
const NARROWING: [&str; 5] = ["filter", "ns", "partition", "peer", "sg"];

/// Everything is in Consul's namespace and partition of this name.
fn narrows(value: &str) -> bool {
    !value.is_empty() && value != "default"
}

/// Nothing is kept here by key, so there is no such key. To say so is better than to refuse: templates have defaults for it,
/// and their clients wait for the key by its index.
async fn key_value(
    State(shared): Answering,
    ConnectInfo(Peer(from)): ConnectInfo<Peer>,
    Query(pairs): Asked,
) -> Result<impl IntoResponse, WaitError> {
    let answer = answer(&shared, from, &Parameters(pairs), |_| Value::Null).await?;
    Ok((StatusCode::NOT_FOUND, index_headers(answer.index)))
}

/// What there is to say, when the client is to have it. Who finds no place to wait gets it a moment later as it is, and
/// asks again: a refusal would leave it with what it had before. So does who waits when the agent ends; a connection that
/// is cut is an error to it, after which it rests.
async fn answer(
    shared: &Shared,
    from: IpAddr,
    parameters: &Parameters,
    document: impl Fn(&View) -> Value,
) -> Result<Indexed, WaitError> {
    let numbering = shared.numbering;
    let Some(wait) = blocking::wait(parameters)? else {
        return Ok(blocking::at_once(&shared.view(), numbering, document));
    };
    let Some(_seat) = shared.settings.waiters.enter(from) else {
        sleep(WITHOUT_A_PLACE).await;
        return Ok(blocking::at_once(&shared.view(), numbering, document));
    };
    let mut views = shared.views.clone();
    tokio::select! {
        answer = blocking::changed(&mut views, wait, numbering, &document) => Ok(answer),
        () = shared.settings.end.cancelled() => Ok(blocking::at_once(&shared.view(), numbering, &document)),
    }
}

impl IntoResponse for WaitError {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, self.to_string()).into_response()
    }
}

/// The headers that Consul's clients look at.
fn index_headers(index: u64) -> [(HeaderName, HeaderValue); 3] {
    [
        (HeaderName::from_static("x-consul-index"), HeaderValue::from(index)),
        (HeaderName::from_static("x-consul-knownleader"), HeaderValue::from_static("true")),
        (HeaderName::from_static("x-consul-lastcontact"), HeaderValue::from_static("0")),
    ]
}

fn too_many() -> Response {
    refusal(StatusCode::TOO_MANY_REQUESTS, "too many wait for a change already")
}

pub(super) fn refusal(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}
