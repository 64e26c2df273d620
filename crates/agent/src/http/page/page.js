// What is selected and searched for, and when something is drawn again.

import { listen, read } from "./agent.js";
import { ago, arrows, byAt, clock, el, icon, show, span, tick } from "./dom.js";
import * as lists from "./lists.js";
import { STATES, count, matches, model } from "./model.js";
import * as paths from "./paths.js";
import * as side from "./side.js";

const at = (id) => document.getElementById(id);
const state = {
  catalogue: undefined, picture: {}, heardAt: 0, readAt: 0, link: "connecting", why: "", until: 0, lostAt: 0,
  words: [], only: undefined, by: "host", everything: false, opened: new Map(), changes: [],
};
let made, drawSoon, readSoon, took = 0, begun = 0, pictured = false;

// What the agent tells.

const retry = listen({
  alive: () => (state.heardAt = Date.now()),
  begun(how, time) {
    begun = time ?? begun;
    const gone = state.lostAt && span((Date.now() - state.lostAt) / 1000);
    if (gone && how !== "anew") mark(`Connected again after ${gone}; what was missed follows.`);
    if (how === "reset") mark("The agent was started anew, or too much was missed: changes before this may be missing.");
    if (gone) say("Connected again.");
    Object.assign(state, { link: "live", lostAt: 0 });
    pictured = false;
    load();
  },
  lost(why, until) {
    if (!state.lostAt) say(`The connection to the agent is lost: ${why}.`);
    Object.assign(state, { link: state.link === "asking" ? "asking" : "lost", why, until, lostAt: state.lostAt || Date.now() });
    draw();
    load();
  },
  told(kind, change) {
    if (kind !== "change") return;
    side.remember(state.changes, change);
    if (change.unix_ms >= begun) say(`${change.container ?? change.host ?? "The picture"} ${side.turn(change)}. ${change.output ?? ""}`);
    if (change.kind === "picture") pictured = false;
    if (change.state && change.was) known(change);
    soon();
    draw();
  },
});

const mark = (text) => state.changes.unshift({ kind: "break", unix_ms: Date.now(), text });

/** Most changes are of a state alone: it is shown at once, and the rest when the catalogue has been read. */
function known(change) {
  const host = state.catalogue?.hosts.find((one) => one.host === change.host);
  if (host && change.kind === "host") {
    const now = state.catalogue.now_seconds + (Date.now() - state.readAt) / 1000;
    Object.assign(host, { state: change.state, stale_since_seconds: change.state === "alive" ? null : (host.stale_since_seconds ?? now) });
  }
  const one = host?.containers.find((other) => other.container === change.container);
  if (one) Object.assign(one, { state: change.state, output: change.output, serves: ["passing", "warning"].includes(change.state) });
}

async function load() {
  clearTimeout(readSoon);
  readSoon = undefined;
  const since = Date.now(), current = pictured && state.link === "live";
  pictured = true;
  try {
    const [catalogue, picture] = await Promise.all([read("v1/catalogue"), current ? undefined : read("v1/picture")]);
    if (catalogue) Object.assign(state, { catalogue, readAt: Date.now() });
    if (picture) state.picture = picture;
    state.heardAt = Date.now();
    // It answers, but has no place for one more who listens.
    if (state.link === "lost") state.link = "asking";
  } catch {
    pictured = false;
    if (state.link === "asking") state.link = "lost";
  }
  took = Date.now() - since;
  draw();
}

/** Reads the catalogue, but leaves it and the way to it time for others. */
function soon() {
  readSoon ??= setTimeout(load, Math.min(30_000, Math.max(300, took * 10)));
}

let waiting = [];
/** Says something to those who hear the page; if much happens at once, only how much. */
function say(text) {
  if (waiting.push(text) > 1) return;
  setTimeout(() => {
    at("said").textContent = waiting.length > 3 ? `${waiting.length} changes.` : waiting.join(" ");
    waiting = [];
  }, 400);
}

// What the person does.

const selected = () => made?.find(decoded(location.hash.slice(1)));
const decoded = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
};

addEventListener("hashchange", () => {
  // A fragment without a slash is a place in the document.
  if (location.hash && !location.hash.includes("/")) return;
  state.everything = false;
  update();
  const one = selected();
  if (one) say(`${one.name} is selected: ${one.word}.`);
});

function close() {
  const key = decoded(location.hash.slice(1));
  history.pushState(null, "", location.pathname + location.search);
  update();
  (byAt(at("lists"), key) ?? byAt(at("paths"), key))?.focus();
}

addEventListener("popstate", () => draw());
addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const typing = event.target.matches("input");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    at("search").focus();
  }
  if (event.key !== "Escape") return;
  if (typing && event.target.value) search((event.target.value = ""));
  else if (location.hash) close();
});

const search = (text) => change({ words: text.toLowerCase().split(/\s+/).filter(Boolean) });
at("search").addEventListener("input", (event) => search(event.target.value));

const enterPaths = arrows(at("paths")), enterLists = arrows(at("lists"));
new ResizeObserver(() => draw()).observe(at("paths"));
setInterval(() => {
  tick();
  link();
}, 1000);
// What is no change, such as a distance, is looked at now and then.
setInterval(load, 30_000);

// Drawing.

function change(what) {
  Object.assign(state, what);
  draw();
}

function draw() {
  drawSoon ??= setTimeout(update, 40);
}

function update() {
  clearTimeout(drawSoon);
  drawSoon = undefined;
  link();
  if (!state.catalogue) return;
  made = model(state.catalogue, state.picture, state.readAt);
  const one = selected();
  const wanted = state.words.length || state.only ? (container) => matches(container, state.words, state.only) : undefined;
  at("stack").textContent = made.stack;
  show(at("where"), made.here, (here) => ["as ", el("b", {}, here), " sees it"]);
  show(at("filters"), [state.only, STATES.map((each) => count(made.containers, each)), made.containers.length], filters);
  show(at("grouping"), state.by, grouping);
  ways(one, wanted);
  const list = lists.cards(made, state.by, wanted, state.words, one, state.opened);
  if (list.length) lists.draw(at("lists"), list, toggle);
  else at("lists").replaceChildren(el("p", { class: "none" }, wanted ? "Nothing is like that." : "No host is known yet."));
  enterLists();
  show(at("attention"), made.problems, () => side.attention(made));
  at("attention-title").dataset.count = made.problems.length || "";
  show(at("changes"), state.changes, () => side.changes(state.changes));
  about(one);
  document.body.classList.toggle("selecting", Boolean(one));
  const ill = made.problems.filter((each) => each.state !== "warning").length;
  document.title = `${state.link === "lost" ? "No connection: " : ill ? `(${ill}) ` : ""}${made.stack} · Pontoon`;
}

function ways(one, wanted) {
  const width = Math.floor(at("paths").clientWidth);
  const tree = paths.tree(made, one, wanted, state.everything);
  const lighting = Boolean(one && tree.roots.some((root) => root.lit));
  show(at("paths"), [tree, width, lighting], () => [
    tree.any ? paths.draw(tree, width, lighting) : el("p", { class: "none" }, wanted ? "No way leads to what is searched for." : "Nothing is announced yet, so no way leads anywhere."),
    tree.left > 0 && el("button", { type: "button", class: "more", click: () => change({ everything: true }) }, `Show ${tree.left} more ways`),
  ]);
  enterPaths();
  const drawn = Object.keys(state.picture.balancers ?? {}).length > 0 || made.drawn;
  show(at("ways-said"), [drawn, state.picture.attachment, state.picture.reason], () => drawn
    ? state.picture.attachment && ["Port security is passed by ", el("b", {}, state.picture.attachment), state.picture.reason && `: ${state.picture.reason}`]
    : "This host has no picture of the stack, so balancers and floating IPs are not known here.");
}

function about(one) {
  const place = at("details");
  place.hidden = !one;
  if (location.hash.includes("/") && !one) {
    place.hidden = false;
    const key = decoded(location.hash.slice(1));
    show(place, [key, "gone"], () => [
      el("div", { class: "head" }, el("h2", { id: "details-title" }, key.split("/").pop()), el("button", { type: "button", class: "shut", "aria-label": "Close details", click: close }, icon("close"))),
      el("p", { class: "word missing" }, icon("missing"), "There is nothing of this name now.")]);
    return;
  }
  if (!one) return;
  const its = state.changes.filter((change) => change.key === one.key);
  const { text, containers, balancers, to, told, ...plain } = one;
  const others = [containers, to?.containers, balancers, made.find(`service/${one.service}`)?.balancers].flat().filter(Boolean).map((each) => [each.key, each.state, each.word]);
  const changed = show(place, [plain, others, its, made.picture, made.find(`host/${one.host}`)?.state], () => side.details(made, one, its, close));
  if (changed && place.dataset.of !== one.key) {
    place.dataset.of = one.key;
    place.scrollTop = 0;
  }
}

function filters() {
  const chip = (only, number, text) => el("button", { type: "button", class: `chip ${only ?? "all"}`, "data-at": only ?? "all", "aria-pressed": String(state.only === only), click: () => change({ only: state.only === only ? undefined : only }) },
    only && icon(only), el("b", {}, String(number)), ` ${text}`);
  return [chip(undefined, made.containers.length, "all"), STATES.map((each) => [each, count(made.containers, each)]).filter(([each, number]) => number || each === state.only).map(([each, number]) => chip(each, number, each))];
}

function grouping() {
  return [["host", "Hosts"], ["service", "Services"]].map(([by, text]) =>
    el("button", { type: "button", "data-at": by, "aria-pressed": String(state.by === by), click: () => change({ by }) }, text));
}

function toggle(card) {
  state.opened.set(card.key, !card.open);
  draw();
}

/** Whether the agent answers, and how old what is shown is where it does not. */
function link() {
  const words = { connecting: "Connecting", live: "Live", asking: "Asking again and again", lost: "No connection" };
  at("link").dataset.state = state.link;
  show(at("link"), [state.link, state.heardAt], () => [icon({ live: "passing", asking: "warning", lost: "critical" }[state.link] ?? "unknown"), el("b", {}, words[state.link]),
    state.heardAt > 0 && el("span", { class: "heard" }, "heard ", ago(state.heardAt), " ago")]);
  document.body.classList.toggle("lost", state.link === "lost");
  const banner = at("banner");
  banner.hidden = !["lost", "asking"].includes(state.link);
  if (banner.hidden) return;
  show(banner, [state.link, state.why, state.heardAt], () => [icon(state.link === "lost" ? "critical" : "warning"), el("p", {}, el("b", {}, state.link === "lost" ? "The connection to the agent is lost" : "Changes do not come by themselves"),
    `: ${state.why}. `, state.heardAt > 0 ? [`What is shown is as it was at ${clock(state.heardAt)}, `, ago(state.heardAt), " ago."] : "Nothing has been heard of it yet.",
    el("span", { class: "next", "aria-hidden": "true" })), el("button", { type: "button", click: () => retry() }, "Try now")]);
  const left = Math.ceil((state.until - Date.now()) / 1000);
  banner.querySelector(".next").textContent = left > 0 ? ` Next try in ${left} s.` : " Trying …";
}

update();
