//! The page in a real browser: what a person sees, hears, and does with keys alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "page/browser.rs"]
mod browser;
#[path = "page/stack.rs"]
mod stack;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use browser::{Page, Window};
use pontoon_agent::catalogue::{Container, State, View};
use pontoon_agent::door::Door;
use pontoon_agent::http::{Server, Settings};
use pontoon_agent::picture::Picture;
use pontoon_agent::sockets::Sockets;
use serde_json::json;
use stack::Stack;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What somebody says who hopes that it becomes more than text.
const HOSTILE: &str = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>";

/// An agent's HTTP, and the way to it, which can be cut.
struct Running {
    address: String,
    stack: Stack,
    views: watch::Sender<Arc<View>>,
    pictures: watch::Sender<Arc<Picture>>,
    way: watch::Sender<Option<SocketAddr>>,
    listeners: usize,
}

impl Running {
    fn change(&mut self, change: impl FnOnce(&mut Stack)) {
        change(&mut self.stack);
        self.views.send_replace(self.stack.view());
    }

    /// Connections end, and there are no new ones until somebody is led to again.
    fn cut(&self) -> SocketAddr {
        self.way.send_replace(None).unwrap()
    }

    /// Another run of the agent, to which new connections lead.
    fn start(&mut self, run: u64) {
        let server = Server::bind(&["127.0.0.1:0".parse().unwrap()], &mut Sockets::default()).unwrap();
        let address = *server.addresses().first().unwrap();
        let networks = vec!["127.0.0.0/8".parse().unwrap()];
        let settings = Settings {
            datacenter: "blog".to_owned(),
            here: "lxd0".into(),
            door: Door::new(networks.clone(), 32, 32),
            waiters: Door::new(networks, self.listeners, self.listeners),
            run,
            began: Instant::now().checked_sub(Duration::from_secs(250)).unwrap(),
            pictures: self.pictures.subscribe(),
            counts: Arc::default(),
            other_doors: [].into(),
            end: CancellationToken::new(),
        };
        tokio::spawn(server.run(settings, self.views.subscribe()));
        self.way.send_replace(Some(address));
    }
}

/// So many may listen for changes.
async fn serve(mut stack: Stack, listeners: usize) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let (pictures, _) = watch::channel(Arc::new(stack.picture.clone()));
    let (views, _) = watch::channel(stack.view());
    let (way, led) = watch::channel(None);
    tokio::spawn(lead(listener, led));
    let mut running = Running { address, stack, views, pictures, way, listeners };
    running.start(77);
    running
}

/// Leads connections on for as long as there is somewhere to lead them to.
async fn lead(listener: TcpListener, way: watch::Receiver<Option<SocketAddr>>) {
    while let Ok((mut outer, _)) = listener.accept().await {
        let mut way = way.clone();
        tokio::spawn(async move {
            let Some(behind) = *way.borrow_and_update() else { return };
            let through = async {
                if let Ok(mut inner) = TcpStream::connect(behind).await {
                    let _ = copy_bidirectional(&mut outer, &mut inner).await;
                }
            };
            tokio::select! {
                () = through => {}
                _ = way.changed() => {}
            }
        });
    }
}

/// The page of a stack at a fragment; nothing where there is no browser.
async fn shown(stack: Stack, fragment: &str) -> Option<(Running, Page)> {
    let mut page = browser::page().await?;
    let running = serve(stack, 8).await;
    page.open(&format!("{}{fragment}", running.address)).await;
    page.until("document.querySelector('.card')").await;
    Some((running, page))
}

const NODES: &str = ".node.lit .name > :first-child";
/// What is wider than the window.
const SIDEWAYS: &str = "document.documentElement.scrollWidth === document.documentElement.clientWidth ? [] : \
    [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > innerWidth) \
    .map((one) => `${one.tagName}.${one.className} in ${one.closest('[id]')?.id}`)";

/// Nothing is wider than the window, once the graph has been drawn for it.
async fn fits(page: &mut Page, what: &str) {
    let place = "document.querySelector('#paths').clientWidth";
    page.until(&format!("Number(document.querySelector('.lines')?.getAttribute('width') ?? {place}) === {place}"))
        .await;
    assert_eq!(page.is(SIDEWAYS).await, json!([]), "{what}");
}

#[tokio::test]
async fn the_way_to_a_container_is_lit_from_the_internet_to_its_port() {
    let Some((running, mut page)) = shown(Stack::blog(), "#container/lxd1/hugo-1").await else { return };
    page.until("document.querySelector('.node.lit')").await;
    let mut lit = page.text(NODES).await;
    lit.sort();
    assert_eq!(lit, ["185.98.151.139", "Internet", "hugo-1", "lxd1", "web"]);
    assert_eq!(page.text(".node.lit.tall .text").await, ["VIP 192.168.0.200", "2 of 4 serve"]);
    assert_eq!(page.is("document.querySelectorAll('.lines .lit').length").await, 4);
    let way = page.text(".way li").await;
    assert_eq!(way.len(), 5, "{way:?}");
    assert!(
        way[3].contains("192.168.0.11") && way[3].contains("pair-mac") && way[3].contains("00:16:3e:91:"),
        "{way:?}"
    );
    let details = page.text("#details").await.remove(0);
    for said in ["container: passing", "200 OK", "192.168.0.101:8080", "GET /health answers", "version", "1.1.2"] {
        assert!(details.contains(said), "{said}: {details}");
    }
    page.picture("desk-light").await;
    page.window(Window::Desk, "dark").await;
    page.open("about:blank").await;
    page.open(&format!("{}#balancer/web", running.address)).await;
    page.until("document.querySelectorAll('.node.lit').length > 5").await;
    page.picture("desk-dark").await;
    page.close().await;
}

#[tokio::test]
async fn what_the_picture_wants_and_nobody_announces_is_said() {
    let Some((running, mut page)) = shown(Stack::blog(), "").await else { return };
    let attention = page.text("#attention li").await;
    for (name, state, why) in [
        ("lxd2", "critical", "has not answered for 4 min"),
        ("search", "critical", "no member serves"),
        ("api-1", "critical", "connection refused"),
        ("hugo-3", "missing", "its host does not announce it"),
        ("db-0", "warning", "disk is 91 % full"),
    ] {
        let said = |line: &String| line.contains(name) && line.contains(state) && line.contains(why);
        assert!(attention.iter().any(said), "{name}: {attention:?}");
    }
    assert_eq!(attention.len(), 5, "what follows from the host is not said again: {attention:?}");
    let ghost = "document.querySelector('.node.missing').getAttribute('aria-label')";
    assert_eq!(page.is(ghost).await, "Container, hugo-3, 192.168.0.103:8080, missing");
    // The picture can be drawn anew while somebody looks, and can become unreadable.
    running.pictures.send_modify(|picture| {
        let mut other = Picture::clone(picture);
        other.containers.remove("hugo-3");
        other.error = Some("`stack.json`, line 3, column 7: expected `,`".to_owned());
        *picture = other.into();
    });
    page.until("!document.querySelector('.node.missing')").await;
    page.until("document.querySelector('#attention').innerText.includes('line 3, column 7')").await;
    page.close().await;
}

#[tokio::test]
async fn a_change_comes_by_itself_and_is_said_aloud() {
    let Some((mut running, mut page)) = shown(Stack::blog(), "").await else { return };
    page.until("document.querySelector('#link').innerText.includes('Live')").await;
    page.is("window.here = true").await;
    running.change(|stack| stack.say("hugo-1", State::Critical, "GET /: timed out"));
    page.until("document.querySelector('#changes li')?.innerText.includes('passing → critical')").await;
    page.until("document.querySelector('#said').textContent.includes('hugo-1 passing → critical. GET /: timed out')")
        .await;
    page.until("document.querySelector('.node.critical [href], a.node.critical[href=\"#container/lxd1/hugo-1\"]')")
        .await;
    assert!(page.text(".tall .word").await.contains(&"1 of 4 serve".to_owned()));
    // More than a state: what it says is there once the catalogue has been read again.
    page.is("location.hash = 'container/lxd1/hugo-1'").await;
    running.change(|stack| {
        stack.change("hugo-1", |one| _ = one.says.insert("motto".to_owned(), "still here".to_owned()));
    });
    page.until("document.querySelector('#details').innerText.includes('still here')").await;
    assert_eq!(page.is("window.here").await, true, "nothing was loaded anew");
    page.close().await;
}

#[tokio::test]
async fn a_lost_connection_is_said_and_what_was_missed_comes_afterwards() {
    let Some((mut running, mut page)) = shown(Stack::blog(), "").await else { return };
    page.until("document.querySelector('#link').innerText.includes('Live')").await;
    let behind = running.cut();
    page.until("!document.querySelector('#banner').hidden").await;
    page.until("document.title.startsWith('No connection')").await;
    let banner = page.text("#banner").await.remove(0);
    assert!(banner.contains("The connection to the agent is lost") && banner.contains("as it was at"), "{banner}");
    page.picture("desk-lost").await;
    running.change(|stack| stack.say("mail-0", State::Warning, "queue of 900"));
    running.way.send_replace(Some(behind));
    page.until("document.querySelector('#banner').hidden").await;
    page.until("document.querySelector('#changes').innerText.includes('mail-0 passing → warning')").await;
    page.until("document.querySelector('#changes').innerText.includes('Connected again after')").await;
    page.close().await;
}

#[tokio::test]
async fn an_agent_that_was_started_anew_is_said_and_the_page_goes_on_with_it() {
    let Some((mut running, mut page)) = shown(Stack::blog(), "").await else { return };
    page.until("document.querySelector('#link').innerText.includes('Live')").await;
    running.cut();
    page.until("!document.querySelector('#banner').hidden").await;
    running.change(|stack| stack.say("mail-0", State::Warning, "queue of 900"));
    running.start(78);
    page.until("document.querySelector('#changes').innerText.includes('The agent was started anew')").await;
    page.until("document.querySelector('#attention').innerText.includes('queue of 900')").await;
    running.change(|stack| stack.say("mail-0", State::Passing, ""));
    page.until("document.querySelector('#changes').innerText.includes('mail-0 warning → passing')").await;
    page.close().await;
}

#[tokio::test]
async fn where_too_many_listen_the_page_asks_again_and_again_and_says_so() {
    let Some(mut page) = browser::page().await else { return };
    let mut running = serve(Stack::blog(), 0).await;
    page.open(&running.address).await;
    page.until("document.querySelector('#banner').innerText.includes('too many listen')").await;
    running.change(|stack| stack.say("mail-0", State::Warning, "queue of 900"));
    page.until("document.querySelector('#attention').innerText.includes('queue of 900')").await;
    assert!(page.text("#banner").await.remove(0).contains("Changes do not come by themselves"));
    page.close().await;
}

#[tokio::test]
async fn keys_alone_find_select_and_let_go() {
    let Some((_running, mut page)) = shown(Stack::blog(), "").await else { return };
    let mut stops = Vec::new();
    for _ in 0..60 {
        page.press("Tab").await;
        let stop = page.is("document.activeElement.closest('[id]')?.id ?? 'skip'").await;
        let ring = page.is("getComputedStyle(document.activeElement).outlineStyle").await;
        assert_eq!(ring, "solid", "whoever has the focus is seen to have it: {stop}");
        let stop = stop.as_str().unwrap().to_owned();
        if stop == "lists" {
            break;
        }
        stops.push(stop);
    }
    let of = |id: &str| stops.iter().filter(|stop| *stop == id).count();
    assert_eq!((of("search"), of("paths")), (1, 1), "a graph is one stop: {stops:?}");
    assert_eq!(page.is("document.activeElement.closest('#lists') !== null").await, true, "{stops:?}");
    // From the first host down to its second container, by arrows.
    page.press("ArrowDown").await;
    page.press("ArrowDown").await;
    page.press("ArrowDown").await;
    let here = page.is("document.activeElement.dataset.at").await;
    assert_eq!(here, "container/lxd0/db-0");
    page.press("Enter").await;
    page.until("document.querySelector('#details:not([hidden]) h2')?.innerText === 'db-0'").await;
    assert_eq!(page.is("location.hash").await, "#container/lxd0/db-0");
    assert_eq!(page.is("document.activeElement.dataset.at").await, "container/lxd0/db-0", "the focus stays");
    page.press("Escape").await;
    page.until("document.querySelector('#details').hidden").await;
    assert_eq!(page.is("document.activeElement.dataset.at").await, "container/lxd0/db-0");
    page.press("/").await;
    for letter in ["m", "a", "i", "l"] {
        page.press(letter).await;
    }
    // It is drawn before it is laid out, and only then it reads as a person reads it.
    page.until("[...document.querySelectorAll('.row .name')].map((one) => one.innerText).join() === 'mail-0'").await;
    page.press("Escape").await;
    page.until("document.querySelectorAll('.row').length === 9").await;
    page.close().await;
}

#[tokio::test]
async fn what_hostile_containers_say_stays_text() {
    let mut stack = Stack::blog();
    stack.change("hugo-0", |one| {
        one.health.output = HOSTILE.to_owned();
        one.says = [(HOSTILE.to_owned(), HOSTILE.to_owned()), ("__proto__".to_owned(), "x".repeat(250))].into();
        one.capabilities = [HOSTILE.into(), "constructor".into()].into();
        one.health.state = State::Critical;
    });
    let mut part = stack.hosts[0].part.as_ref().clone();
    for name in [HOSTILE, "constructor", "__proto__", "../../etc"] {
        let container: Container = part.containers["hugo-0"].as_ref().clone();
        part.containers.insert(name.into(), Container { service: name.into(), ..container }.into());
    }
    stack.hosts[0].part = part.into();
    stack.hosts[0].name = "lxd0".into();
    let Some((mut running, mut page)) = shown(stack, "#container/lxd0/hugo-0").await else { return };
    page.until("document.querySelector('#details').innerText.includes('onerror')").await;
    running.change(|stack| stack.say("mail-0", State::Critical, HOSTILE));
    page.until("document.querySelector('#changes').innerText.includes('onerror')").await;
    let shown = page.text(".row .name").await;
    for name in [HOSTILE, "constructor", "__proto__", "../../etc"] {
        assert!(shown.contains(&name.to_owned()), "{name}: {shown:?}");
        let link = format!(
            "[...document.querySelectorAll('.row')].find((one) => one.querySelector('.name').textContent === {name:?}).click()"
        );
        page.is(&link).await;
        page.until(&format!("document.querySelector('#details h2 .name')?.textContent === {name:?}")).await;
    }
    let made = "document.querySelectorAll('img:not(header img), script:not([src]), [onerror], iframe, style').length";
    assert_eq!(page.is(made).await, 0);
    assert_ne!(page.is("document.title").await, "hacked");
    page.window(Window::Phone, "light").await;
    fits(&mut page, "long words are broken").await;
    // Were there a mistake, the browser itself would refuse.
    let refused =
        "(() => { try { document.body.innerHTML = '<b>'; return 'done' } catch (error) { return error.name } })()";
    assert_eq!(page.is(refused).await, "TypeError");
    page.close().await;
}

#[tokio::test]
async fn a_phone_shows_all_of_it_without_sideways_scrolling() {
    for (name, stack) in [("blog", Stack::blog()), ("large", Stack::large(30, 12)), ("empty", Stack::empty())] {
        let Some(mut page) = browser::page().await else { return };
        page.window(Window::Phone, "light").await;
        let running = serve(stack, 8).await;
        page.open(&running.address).await;
        page.until("document.querySelector('.card')").await;
        fits(&mut page, name).await;
        page.picture(&format!("phone-{name}")).await;
        page.is("document.querySelector('#lists a').click()").await;
        page.until("!document.querySelector('#details').hidden").await;
        let sheet = "(() => { const box = document.querySelector('#details').getBoundingClientRect(); \
            return box.top < innerHeight && box.bottom <= innerHeight && box.width <= innerWidth })()";
        page.until(sheet).await;
        fits(&mut page, name).await;
        page.picture(&format!("phone-{name}-selected")).await;
        page.close().await;
    }
}

#[tokio::test]
async fn a_hundred_hosts_are_closed_but_for_what_is_ill_and_can_be_searched() {
    let Some((_running, mut page)) = shown(Stack::large(100, 12), "").await else { return };
    assert_eq!(page.is("document.querySelectorAll('.card').length").await, 100);
    let open = page.text(".toggle[aria-expanded=true]").await;
    assert_eq!(open.len(), 2, "{open:?}");
    let elements = page.is("document.querySelectorAll('*').length").await.as_u64().unwrap();
    assert!(elements < 4000, "{elements}");
    page.picture("desk-large").await;
    page.is("document.querySelector('#search').focus()").await;
    for letter in ["c", "a", "r", "t", "-", "1", "7"] {
        page.press(letter).await;
    }
    page.until("document.querySelectorAll('.row').length === 1").await;
    assert_eq!(page.text(NODES).await.len(), 0);
    assert_eq!(page.text(".node .name > :first-child").await, ["Network", "cart.service", "lxd17", "cart-17"]);
    page.press("Escape").await;
    page.is("[...document.querySelectorAll('.chip')].find((one) => one.innerText.includes('critical')).click()").await;
    page.until("document.querySelectorAll('.card').length === 1").await;
    page.close().await;
}

#[tokio::test]
async fn without_a_picture_and_without_containers_the_page_says_so() {
    let Some((running, mut page)) = shown(Stack::empty(), "#container/nobody").await else { return };
    let ways = page.text("#ways").await.remove(0);
    assert!(ways.contains("no picture") && ways.contains("Nothing is announced yet"), "{ways}");
    assert!(page.text("#details").await.remove(0).contains("nothing of this name"));
    running.views.send_replace(Arc::new(View::default()));
    page.until("document.querySelector('#lists').innerText.includes('No host is known yet')").await;
    page.close().await;
}

#[tokio::test]
async fn every_word_can_be_read_by_day_and_by_night() {
    let Some((_running, mut page)) = shown(Stack::blog(), "").await else { return };
    for scheme in ["light", "dark"] {
        page.window(Window::Desk, scheme).await;
        let contrast = "(() => {
            const root = getComputedStyle(document.documentElement);
            const light = (name) => {
                const hex = root.getPropertyValue(name).trim().replace(/^#(.)(.)(.)$/, '#$1$1$2$2$3$3');
                const part = (at) => { const c = parseInt(hex.slice(at, at + 2), 16) / 255;
                    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4 };
                return 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5);
            };
            const found = [];
            for (const ground of ['--card', '--ground', '--critical-ground', '--warning-ground', '--unknown-ground', '--missing-ground', '--lit'])
                for (const ink of ['--text', '--soft', '--accent', '--passing', '--warning', '--critical', '--unknown', '--missing']) {
                    const [one, other] = [light(ground), light(ink)].sort((a, b) => b - a);
                    const ratio = (one + 0.05) / (other + 0.05);
                    if (ratio < 4.5) found.push(`${ink} on ${ground}: ${ratio.toFixed(2)}`);
                }
            return found })()";
        let weak = page.is(contrast).await;
        assert_eq!(weak, json!([]), "{scheme}");
    }
    let nameless = "[...document.querySelectorAll('a, button, input')].filter((one) => \
        !(one.innerText ?? '').trim() && !one.getAttribute('aria-label') && !one.labels?.[0]?.innerText.trim()).length";
    assert_eq!(page.is(nameless).await, 0);
    page.close().await;
}
