// What stands beside the map: details, what needs attention, and what has changed.

import { ago, clock, el, heard, icon } from "./dom.js";
import { audience, copies, entry, monitored, protocol, wayTo, where, worse } from "./model.js";

const MOST = 40;
const link = (key, ...children) => el("a", { href: `#${encodeURI(key)}` }, children);

/** What needs a look, the worst first. */
export function attention(made) {
  if (!made.problems.length) return el("p", { class: "calm" }, icon("passing"), "Nothing: all that is known is well.");
  const more = made.problems.length - MOST;
  return [
    el("ul", { class: "problems" }, made.problems.slice(0, MOST).map((one) => el("li", { class: one.state }, icon(one.state), el("div", {},
      el("p", {}, one.key ? link(one.key, one.name) : one.name, el("b", { class: one.state }, one.state)),
      el("p", { class: "why" }, one.text, one.since && [" for ", ago(one.since)]))))),
    more > 0 && el("p", { class: "none" }, `and ${more} more; the buttons above show them all.`),
  ];
}

/** All about what is selected. */
export function details(made, one, changes, close) {
  return [
    el("div", { class: "head" }, el("h2", { id: "details-title" }, icon(one.kind), el("span", { class: "name" }, one.name)),
      el("button", { type: "button", class: "shut", "aria-label": "Close details", click: close }, icon("close"))),
    el("p", { class: `word ${one.state}` }, icon(one.state), el("span", {}, one.kind, ": ", one.word), one.since && [" for ", ago(one.since)]),
    { container, host, service, balancer }[one.kind](made, one),
    changes.length > 0 && part("Its last changes", changes.slice(0, 5).map(line)),
  ];
}

function container(made, one) {
  const service = made.find(`service/${one.service}`);
  const ways = service?.balancers.length ? service.balancers : [undefined];
  return [
    one.output && el("p", { class: "output" }, heard("Check output: "), one.output),
    one.notes.map((note) => el("p", { class: "note" }, icon("warning"), note)),
    ways.map((balancer) => part(balancer ? `Way through ${balancer.name}` : "Way inside the network", el("ol", { class: "way" }, wayTo(made, one, balancer).map((step) =>
      el("li", { class: step.state && step.state !== "passing" && step.state }, el("span", { class: "what" }, step.what), step.key ? link(step.key, step.name) : el("b", {}, step.name), step.text && el("small", {}, step.text)))))),
    facts({
      Address: where(one), Service: service && link(service.key, service.name), Host: one.host && link(`host/${one.host}`, one.host), MAC: one.mac,
      Attachment: made.picture.attachment && [made.picture.attachment, made.picture.reason && el("small", {}, made.picture.reason)],
      Names: one.state !== "missing" && [el("code", {}, `${one.name}.container.${made.zone}`), el("code", {}, `${one.service}.service.${made.zone}`)],
      Capabilities: one.capabilities.length > 0 && one.capabilities.map((word) => el("span", { class: "tag" }, word)),
      "Seen by": one.monitor.length > 0 && el("ul", {}, one.monitor.map((point) => el("li", {}, monitored(point)))),
    }),
    Object.keys(one.says).length > 0 && part("It says of itself", facts(one.says)),
  ];
}

function host(made, one) {
  return [
    one.ring === "failed" && el("p", { class: "note" }, icon("warning"), "What is shown of its containers is as old as its last word."),
    facts({
      Address: one.address, "Floating IP": one.floatingIp && `${one.floatingIp} (ssh)`, "Round trip": typeof one.roundTrip === "number" && one.name !== made.here && `${one.roundTrip} ms`,
      Name: el("code", {}, `${one.name}.host.${made.zone}`), Attachment: made.picture.attachment,
      "Last word": one.version && (one.version.epoch || one.version.change ? `version ${one.version.epoch}.${one.version.change}` : "none yet"),
      Agent: one.name === made.here && "this page comes from it",
    }),
    part(copies(one.containers.length, "container"), listed(one.containers)),
  ];
}

function service(made, one) {
  return [
    facts({
      Name: el("code", {}, `${one.name}.service.${made.zone}`), Port: one.port ?? one.containers.find((copy) => copy.port)?.port, Wanted: one.replicas !== undefined && one.replicas !== null && copies(one.replicas, "copy", "copies"),
      Balancers: one.balancers.length > 0 && one.balancers.map((each) => link(each.key, each.name)),
    }),
    part(copies(one.containers.length, "container"), listed(one.containers)),
  ];
}

function balancer(made, one) {
  const web = ["http", "https"].includes(one.protocol) && one.floating_ip && `${one.protocol}://${one.floating_ip}${one.listen && one.listen !== { http: 80, https: 443 }[one.protocol] ? `:${one.listen}` : ""}/`;
  return [
    one.serving === 0 && el("p", { class: "note" }, icon("critical"), "Nobody can be served: no member is well."),
    facts({
      Answers: web && el("a", { href: web, rel: "noreferrer", target: "_blank" }, web), "Floating IP": one.floating_ip ?? "none: inside only", Entry: [entry(one), protocol(one)].filter(Boolean).join(" · "), Admits: audience(one),
      Chooses: one.method, Service: one.to.name && link(one.to.key, one.to.name),
    }),
    part(copies(one.to.containers.length, "member"), listed(one.to.containers)),
  ];
}

const part = (title, ...children) => [el("h3", {}, title), children];

function facts(all) {
  const rows = Object.entries(all).filter(([, value]) => value !== undefined && value !== null && value !== false && value !== "");
  return rows.length > 0 && el("dl", {}, rows.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

function listed(containers) {
  const list = [...containers].sort(worse);
  return [
    el("ul", { class: "listed" }, list.slice(0, MOST).map((one) => el("li", { class: one.state }, icon(one.state), link(one.key, one.name), el("span", { class: "beside" }, one.state === "passing" ? where(one) : one.word)))),
    list.length > MOST && el("p", { class: "none" }, `and ${list.length - MOST} more`),
  ];
}

/** The list of changes, the newest first. */
export function changes(list) {
  if (!list.length) return el("p", { class: "none" }, "None since this agent began to count.");
  return el("ol", { class: "changes" }, list.map(line));
}

function line(one) {
  const time = el("time", { datetime: new Date(one.unix_ms).toISOString() }, clock(one.unix_ms));
  if (one.kind === "break") return el("li", { class: "break" }, time, el("div", {}, one.text));
  const sign = one.state ?? "missing";
  return el("li", { class: one.sign }, time, icon(one.sign ?? sign), el("div", {},
    el("p", {}, one.key ? link(one.key, one.name) : one.name, " ", el("span", { class: "turn" }, turn(one))),
    (one.output || one.more) && el("p", { class: "why" }, one.output, one.more > 0 && `with ${copies(one.more, "container")}`)));
}

/** A change in words. */
export function turn(one) {
  if (one.kind === "picture") return "is another";
  if (!one.was) return `is new: ${one.state}`;
  if (!one.state) return "is gone";
  return one.was === one.state ? "says something else" : `${one.was} → ${one.state}`;
}

/** What the stream says, for the list: what happens to a host's containers with it, is said with it. */
export function remember(list, told) {
  const first = list[0];
  if (told.kind === "container" && first?.kind === "host" && first.host === told.host && first.unix_ms === told.unix_ms) {
    first.more = (first.more ?? 0) + 1;
    return;
  }
  const made = { ...told };
  if (told.kind === "host") Object.assign(made, { name: told.host, key: `host/${told.host}`, sign: { alive: "passing", failed: "critical", left: "left" }[told.state] ?? "missing" });
  if (told.kind === "container") Object.assign(made, { name: told.container, key: `container/${told.host}/${told.container}`, sign: told.state ?? "missing" });
  if (told.kind === "picture") Object.assign(made, { name: "The picture", sign: "network" });
  list.unshift(made);
  if (list.length > 200) list.pop();
}
