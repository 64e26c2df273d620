// How elements are made: with text, never with markup. What the catalogue says may be hostile.

const SVG = "http://www.w3.org/2000/svg";

/** An element. Attributes that are functions are listeners, those that are nothing are left out; so are such children. */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for what is drawn. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(9).filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

/** A sign from the page's own; the word beside it says the same. */
export function icon(name) {
  return svg("svg", { class: `icon ${name}`, "aria-hidden": "true" }, svg("use", { href: `#i-${name}` }));
}

/** A word for those who hear the page. */
export const heard = (text) => el("span", { class: "sr" }, text);

const shown = new WeakMap();

/**
 * Fills a place with what is built from the data, if these are others than the last time. Whoever had the focus in there
 * has it again, by its `data-at`.
 */
export function show(place, data, build) {
  const text = JSON.stringify(data);
  if (shown.get(place) === text) return false;
  shown.set(place, text);
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.at : undefined;
  const built = build(data);
  place.replaceChildren(...[built].flat(9).filter(Boolean));
  if (focused !== undefined) byAt(place, focused)?.focus({ preventScroll: true });
  return true;
}

/** The element of a `data-at`, which may have any letters. */
export const byAt = (place, at) => [...place.querySelectorAll("[data-at]")].find((node) => node.dataset.at === at);

/** How long something is ago, in words; it goes on by itself. `since` is in the browser's time. */
export function ago(since) {
  return el("span", { "data-since": Math.round(since) }, span((Date.now() - since) / 1000));
}

/** Says all times anew. */
export function tick() {
  for (const node of document.querySelectorAll("[data-since]")) {
    const text = span((Date.now() - Number(node.dataset.since)) / 1000);
    if (node.textContent !== text) node.textContent = text;
  }
}

/** A length of time in words. */
export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** The time of a day. */
export const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour12: false });

/**
 * Makes a region one stop of the tab key, within which arrows go to the nearest in their direction. `[data-at]` in it can
 * be gone to; the one with `tabindex=0` is where the tab key comes in.
 */
export function arrows(region) {
  const all = () => [...region.querySelectorAll("[data-at]")].filter((node) => node.checkVisibility?.() ?? true);
  const enter = (node) => {
    for (const other of region.querySelectorAll('[data-at][tabindex="0"]')) other.tabIndex = -1;
    if (node) node.tabIndex = 0;
  };
  region.addEventListener("focusin", (event) => event.target.matches("[data-at]") && enter(event.target));
  region.addEventListener("keydown", (event) => {
    const from = document.activeElement;
    if (!from?.matches("[data-at]") || event.altKey || event.ctrlKey || event.metaKey) return;
    const nodes = all();
    const to = event.key === "Home" ? nodes[0] : event.key === "End" ? nodes.at(-1) : nearest(nodes, from, event.key);
    if (!to) return;
    event.preventDefault();
    to.focus();
    to.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  return () => {
    if (!region.querySelector('[data-at][tabindex="0"]')) {
      enter(region.querySelector('[aria-current="true"]') ?? region.querySelector("[data-at]"));
    }
  };
}

const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** What lies in the direction: near on its axis, and not far beside it. */
function nearest(nodes, from, key) {
  const way = WAYS[key];
  if (!way) return undefined;
  const box = from.getBoundingClientRect();
  let best, least = Infinity;
  for (const node of nodes) {
    if (node === from) continue;
    const other = node.getBoundingClientRect();
    const ahead = way[0] ? way[0] * (middle(other, "x") - middle(box, "x")) : way[1] * (middle(other, "y") - middle(box, "y"));
    const beside = way[0] ? Math.abs(middle(other, "y") - middle(box, "y")) : gap(box, other);
    if (ahead < 4 || (way[0] && beside > ahead * 3)) continue;
    const far = ahead + beside * 3;
    if (far < least) [best, least] = [node, far];
  }
  return best;
}

const middle = (box, axis) => (axis === "x" ? box.left + box.width / 2 : box.top + box.height / 2);
const gap = (one, other) => Math.max(0, other.left - one.right, one.left - other.right);
