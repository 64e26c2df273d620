// Hosts or services as cards, each with its containers.

import { ago, el, heard, icon, show } from "./dom.js";
import { STATES, copies, count, where } from "./model.js";

/** With more containers than this, the cards of those that are well are closed. */
const OPEN = 120;
const kept = new Map();

/** What each card shows. `opened` has what somebody has opened or closed by hand. */
export function cards(made, by, wanted, words, selected, opened) {
  const groups = by === "host" ? made.hosts : made.services;
  const lists = new Map(groups.map((group) => [group, wanted ? group.containers.filter(wanted) : group.containers]));
  const total = [...lists.values()].reduce((sum, list) => sum + list.length, 0);
  const named = (group) => words.length && words.every((word) => `${group.name}\n${group.address}`.toLowerCase().includes(word));
  return groups.filter((group) => !wanted || lists.get(group).length || named(group)).map((group) => {
    const containers = lists.get(group);
    const ill = containers.length - count(containers, "passing");
    const chosen = selected === group || containers.includes(selected);
    const open = opened.get(group.key) ?? (total <= OPEN || ill > 0 || chosen);
    const { key, name, kind, state, word, since } = group;
    const about = kind === "host"
      ? [group.address, name === made.here ? "this agent" : group.roundTrip !== undefined && group.roundTrip !== null && `${group.roundTrip.toFixed(1)} ms`]
      : [group.balancers.length ? `via ${group.balancers.map((one) => one.name).join(", ")}` : `${name}.service.${made.zone}`];
    const silent = kind === "host" && group.ring === "alive" && group.version?.epoch === 0 && group.version.change === 0;
    return {
      key, name, kind, state, word, since, open, about: about.filter(Boolean).join(" · "), silent, selected: selected?.key,
      counts: STATES.map((one) => [one, count(containers, one)]).filter(([, number]) => number),
      all: containers.length,
      rows: open ? containers.map((one) => ({
        key: one.key, name: one.name, state: one.state, beside: kind === "host" ? where(one) : one.host, note: one.notes.join("; "), output: one.state === "passing" ? "" : one.output,
      })) : [],
    };
  });
}

/** Draws them; only what differs is made anew. */
export function draw(region, list, toggle) {
  const nodes = list.map((card) => {
    const node = kept.get(card.key) ?? el("article");
    kept.set(card.key, node);
    node.className = `card ${card.state}`;
    show(node, card, () => content(card, toggle));
    return node;
  });
  const same = nodes.length === region.children.length && nodes.every((node, index) => region.children[index] === node);
  if (same) return;
  const focused = document.activeElement;
  region.replaceChildren(...nodes);
  if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}

function content(card, toggle) {
  const link = (key, attributes, ...children) =>
    el("a", { href: `#${encodeURI(key)}`, "data-at": key, tabindex: -1, "aria-current": key === card.selected && "true", ...attributes }, children);
  const summary = card.counts.map(([state, number]) => el("span", { class: `tally ${state}` }, icon(state), `${number} ${state}`));
  return [
    el("h3", {}, link(card.key, {}, icon(card.kind), el("span", { class: "name" }, card.name))),
    el("p", { class: `word ${card.state}` }, card.state !== "passing" && icon(card.state), card.word, card.since && [" for ", ago(card.since)]),
    el("p", { class: "about" }, card.about),
    card.all
      ? el("button", { type: "button", class: "toggle", "data-at": `${card.key} open`, tabindex: -1, "aria-expanded": String(card.open), "aria-label": `${copies(card.all, "container")} of ${card.name}: ${card.counts.map(([state, number]) => `${number} ${state}`).join(", ")}`, click: () => toggle(card) },
        icon("open"), el("span", { class: "tallies" }, summary))
      : el("p", { class: "none" }, card.silent ? "Its word has not arrived yet." : "No container."),
    card.rows.length > 0 && el("ul", {}, card.rows.map((row) => el("li", {}, link(row.key, { class: `row ${row.state}` },
      icon(row.state), el("span", { class: "name" }, row.name), el("span", { class: "beside" }, row.beside), heard(`, ${row.state}`),
      (row.output || row.note) && el("span", { class: "why" }, row.state !== "passing" && el("b", {}, row.state), row.output && ` ${row.output}`, row.note && ` (${row.note})`))))),
  ];
}
