// The ways to containers, as a graph: elements for what lies on a way, curves for what leads on. It is a tree from left to
// right, or where there is no room for that, from top to bottom.

import { audience, copies, entry, protocol, where, worse } from "./model.js";
import { el, icon, svg } from "./dom.js";

const TITLES = ["From", "Floating IP", "Balancer or name", "Host port", "Container"];
const SIGNS = ["internet", "address", "balancer", "host", "container"];
/** Of the columns, where they are as narrow as can be read; with what lies between them that is `LEAST`. */
const WIDTHS = [104, 168, 156, 146, 168];
const LEAST = 806;
const HEIGHT = 46, TALL = 62, SPACE = 10, STEP = HEIGHT + SPACE, TOP = 32, INDENT = 18;
/** With more containers than this, services are drawn as one, but for what is selected. */
const ROWS = 18, SIBLINGS = 8, GROUPS = 12;

/** What is drawn: a tree of `{at, key, name, text, state, column, lit, children}`. `wanted` says which containers, where it is not all. */
export function tree(made, selected, wanted, everything) {
  const groups = [
    ...made.balancers.map((balancer) => ({ balancer, service: balancer.to })),
    ...made.services.filter((service) => !service.balancers.length).map((service) => ({ service })),
  ].map((group) => ({ ...group, members: wanted ? group.service.containers.filter(wanted) : group.service.containers }))
    .filter((group) => group.members.length || (!wanted && (group.balancer || group.service.replicas)));
  const touched = (group) => selected && (
    group.balancer === selected || group.service === selected || group.members.some((one) => one === selected || `host/${one.host}` === selected.key));
  const rows = groups.reduce((sum, group) => sum + group.members.length, 0);
  const few = rows <= ROWS;
  let chosen = groups;
  if (!few && !everything) {
    chosen = selected ? groups.filter(touched) : groups;
    if (!chosen.length) chosen = groups;
    chosen = chosen.slice(0, GROUPS);
  }
  const outside = root("internet", "Internet", "");
  const inside = { ...root("inside", made.picture.network ?? "Network", "inside only"), sign: "network" };
  for (const group of chosen) {
    const lead = lay(group, made, selected, few || (touched(group) ? SIBLINGS : 0));
    (group.balancer?.floating_ip ? outside : inside).children.push(lead);
  }
  const roots = [outside, inside].filter((one) => one.children.length);
  for (const one of roots) light(one, selected);
  return { roots, attachment: made.picture.attachment, left: groups.length - chosen.length, any: groups.length > 0 };
}

const root = (at, name, text) => ({ at, name, text, column: 0, children: [] });

/** One balancer or one name, and what is behind it. */
function lay({ balancer, service, members }, made, selected, room) {
  const lead = balancer
    ? { at: balancer.key, key: balancer.key, name: balancer.name, text: entry(balancer), beside: protocol(balancer), state: balancer.state, word: balancer.word, tall: true, what: "Balancer", column: 2, children: [] }
    : { at: service.key, key: service.key, name: `${service.name}.service`, text: service.word, state: service.state, word: service.word, column: 2, what: "Name", sign: "service", children: [] };
  const rest = room === true ? [] : members.filter((one) => !shows(one, selected));
  let near = room === true ? members : members.filter((one) => shows(one, selected));
  if (room !== true && (selected?.to ?? selected?.balancers)) near = near.concat(rest.sort(worse)).slice(0, room);
  const ports = new Map();
  for (const one of near) {
    if (!ports.has(one.host)) {
      const host = made.find(`host/${one.host}`);
      const port = { at: `${lead.at} ${one.host}`, key: `host/${one.host}`, name: one.host || "no host", text: host?.address ?? "", state: host?.state ?? "missing", word: host?.word, column: 3, children: [] };
      ports.set(one.host, port);
      lead.children.push(port);
    }
    ports.get(one.host).children.push({ at: `${lead.at} ${one.key}`, key: one.key, name: one.name, text: where(one), state: one.state, word: one.word, column: 4, children: [] });
  }
  const others = members.length - near.length;
  if (others > 0) {
    const hidden = members.filter((one) => !near.includes(one));
    const ill = hidden.filter((one) => !one.serves).length;
    const at = [...new Set(hidden.map((one) => one.host))].map((name) => made.find(`host/${name}`));
    const silent = at.filter((host) => host?.ring !== "alive").length;
    lead.children.push({
      at: `${lead.at} hosts`, name: `${near.length ? "+ " : ""}${copies(at.length, "host")}`, column: 3, what: "Host ports", sum: true, state: grade(silent, at.length),
      text: silent ? `${silent} silent` : at.length > 1 ? "all answer" : "answers",
      children: [{
        at: `${lead.at} rest`, key: service.key, name: copies(others, near.length ? "other" : "container"), column: 4, what: "Containers", sum: true, state: grade(ill, others),
        text: ill ? `${others - ill} of ${others} serve` : others > 1 ? "all serve" : "serves", children: [],
      }],
    });
  }
  if (!lead.children.length) lead.children.push({ at: `${lead.at} none`, name: "No member", text: service.name ? `of ${service.name}` : "", state: "missing", word: "missing", column: 4, children: [] });
  if (!balancer?.floating_ip) return lead;
  return { at: `${lead.at} address`, key: balancer.key, name: balancer.floating_ip, text: audience(balancer), column: 1, children: [lead] };
}

const grade = (ill, all) => (ill === 0 ? "passing" : ill < all ? "warning" : "critical");
const shows = (one, selected) => selected && (one === selected || `host/${one.host}` === selected.key);

/** A way is lit from its beginning to what is selected, and behind that to its ends. Says whether what is selected is in it. */
function light(node, selected, above = false) {
  const exact = node.key === selected?.key && node.column !== 1;
  const same = selected && (exact || selected.balancers?.some((one) => one.key === node.key));
  const within = node.children.map((child) => light(child, selected, above || same)).some(Boolean);
  node.self = Boolean(selected && exact);
  node.lit = Boolean(above || same || within);
  return same || within;
}

/** Draws the tree into elements, for this width. */
export function draw({ roots, attachment }, width, lighting) {
  const wide = width >= LEAST;
  const [places, height] = wide ? acrossPlaces(roots, width) : downPlaces(roots, width);
  const lines = svg("svg", { class: "lines", width, height, "aria-hidden": "true" });
  const nodes = [];
  for (const [node, box] of places) {
    for (const child of node.children) lines.append(line(box, places.get(child), child, wide));
    nodes.push(element(node, box, lighting, wide));
  }
  // What is lit lies above.
  lines.append(...lines.querySelectorAll(".lit"));
  const titles = wide ? columns(width).map(([x, w], index) => placed(el("span", { class: "column", "aria-hidden": "true" }, TITLES[index], index === 3 && attachment && `: ${attachment}`), { x, y: 0, w })) : [];
  const graph = el("div", { class: `graph ${wide ? "across" : "down"}${lighting ? " lighting" : ""}` }, lines, titles, nodes);
  graph.style.height = `${height}px`;
  return graph;
}

/** The place and the width of each column. */
function columns(width) {
  const own = WIDTHS.reduce((sum, one) => sum + one);
  const gap = Math.min(90, (width - own) / 6);
  const scale = Math.min(1.5, (width - 4 * gap) / own);
  let x = 0;
  return WIDTHS.map((one) => {
    const place = [x, one * scale];
    x += place[1] + gap;
    return place;
  });
}

function acrossPlaces(roots, width) {
  const at = columns(width), places = new Map();
  let row = 0;
  const lay = (node) => {
    const box = { x: at[node.column][0], w: at[node.column][1], h: node.tall ? TALL : HEIGHT };
    places.set(node, box);
    const begun = row;
    const first = node.children.map(lay);
    const middle = first.length ? (first[0] + first.at(-1)) / 2 : TOP + STEP * row++ + HEIGHT / 2;
    box.y = middle - box.h / 2;
    if (node.tall && row - begun < 2) row += (TALL - HEIGHT) / STEP;
    return middle;
  };
  for (const root of roots) {
    lay(root);
    row += 0.25;
  }
  return [places, Math.max(0, ...[...places.values()].map((box) => box.y + box.h))];
}

function downPlaces(roots, width) {
  const places = new Map();
  let y = 0;
  const lay = (node, depth) => {
    const h = node.tall ? TALL : HEIGHT;
    places.set(node, { x: depth * INDENT, y, w: width - depth * INDENT, h });
    y += h + SPACE;
    for (const child of node.children) lay(child, depth + 1);
  };
  for (const root of roots) lay(root, 0);
  return [places, y - SPACE];
}

function line(from, to, child, wide) {
  const y = to.y + to.h / 2;
  const d = wide
    ? curve(from.x + from.w, from.y + from.h / 2, to.x, y)
    : `M${from.x + 9} ${from.y + from.h}V${y - 6}q0 6 6 6H${to.x}`;
  const broken = child.state && !["passing", "warning"].includes(child.state);
  return svg("path", { d, class: `${child.lit ? "lit" : ""} ${broken ? "broken" : ""}` });
}

/** It bends at its beginning: where it leaves out a column, nothing lies on the height of its end. */
function curve(x1, y1, x2, y2) {
  const bend = Math.min(20, (x2 - x1) / 2);
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x1 + bend} ${y2} ${x1 + bend * 2} ${y2}H${x2}`;
}

function element(node, box, lighting, wide) {
  const ill = node.state && node.state !== "passing";
  const what = node.what ?? TITLES[node.column];
  const said = [what, node.name, node.beside, node.text, node.word].filter(Boolean).join(", ");
  const content = [
    icon(ill || (node.state && node.column === 4) ? node.state : node.sign ?? SIGNS[node.column]),
    el("span", { class: "name" }, el("span", {}, node.name), el("span", { class: "what" }, wide ? node.beside : [node.beside, node.column > 0 && what].filter(Boolean).join(" · "))),
    el("span", { class: "text" }, ill && node.word && node.column === 3 ? node.word : node.text),
    node.tall && el("span", { class: `text word ${node.state}` }, node.word),
  ];
  const name = `node ${node.lit ? "lit" : lighting ? "dim" : ""} ${ill && !node.sum ? node.state : ""} ${node.tall ? "tall" : ""}`;
  const title = [node.name, node.text, node.word].filter(Boolean).join("\n");
  const made = node.key
    ? el("a", { class: name, href: `#${encodeURI(node.key)}`, "data-at": node.at, tabindex: -1, "aria-current": node.self && "true", title, "aria-label": said }, content)
    : el("span", { class: name, title }, content);
  return placed(made, box);
}

function placed(node, { x, y, w, h }) {
  Object.assign(node.style, { left: `${x}px`, top: `${y}px`, width: `${w}px`, height: h ? `${h}px` : "" });
  return node;
}
