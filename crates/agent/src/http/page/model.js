// What follows from the catalogue and the picture. Draws nothing, waits for nothing.

/** From well to ill. `missing` is what the picture wants and nobody announces, `left` a host that said so. */
const RANK = { passing: 0, left: 1, warning: 2, unknown: 3, missing: 4, critical: 5 };
export const STATES = ["critical", "missing", "unknown", "warning", "passing"];
export const worse = (one, other) => RANK[other.state] - RANK[one.state];

const HOSTS = {
  alive: ["passing", "answers"],
  failed: ["critical", "does not answer"],
  left: ["left", "has left"],
  missing: ["missing", "is not in the ring"],
};

const order = new Intl.Collator("en", { numeric: true });
const byName = (one, other) => order.compare(one.name, other.name) || order.compare(one.key, other.key);
/** Names are anybody's: they are looked up in maps, where `constructor` is a name like any other. */
const map = (object) => new Map(Object.entries(object ?? {}));
const push = (lists, key, value) => (lists.get(key) ?? lists.set(key, []).get(key)).push(value);
export const count = (list, state) => list.filter((one) => one.state === state).length;
export const copies = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

/**
 * All that is shown. Each thing has a `key`, which is its fragment: `host/lxd0`, `container/lxd0/hugo-0`, `service/hugo`,
 * `balancer/web`. `heardAt` is when the catalogue was read, in the browser's time.
 */
export function model(catalogue, picture, heardAt) {
  const wanted = { hosts: map(picture.hosts), services: map(picture.services), containers: map(picture.containers) };
  const drawn = wanted.containers.size > 0;
  const hosts = new Map();
  for (const told of catalogue.hosts) {
    const since = told.stale_since_seconds;
    hosts.set(told.host, {
      name: told.host, address: told.address, ring: told.state, roundTrip: told.round_trip_ms, version: told.version,
      since: since === null ? undefined : heardAt - (catalogue.now_seconds - since) * 1000, told: told.containers,
    });
  }
  for (const [name, want] of wanted.hosts) {
    if (!hosts.has(name)) hosts.set(name, { name, address: want.address, ring: "missing", told: [] });
    hosts.get(name).floatingIp = want.floating_ip;
  }
  const containers = [], places = new Map();
  for (const host of hosts.values()) {
    [host.state, host.word] = HOSTS[host.ring] ?? ["unknown", host.ring];
    Object.assign(host, { kind: "host", key: `host/${host.name}`, containers: [] });
    for (const told of host.told) {
      const want = wanted.containers.get(told.container);
      const notes = [];
      if (drawn && !want) notes.push("the picture does not have it");
      if (want?.host && want.host !== host.name) notes.push(`the picture has it on ${want.host}`);
      if (want?.address && want.address !== told.address) notes.push(`the picture gives it ${want.address}`);
      const container = {
        ...told, kind: "container", name: told.container, key: `container/${host.name}/${told.container}`,
        host: host.name, since: host.since, mac: want?.mac, word: told.state, notes,
        output: host.ring === "alive" || !told.output ? told.output : `last word: ${told.output}`,
      };
      containers.push(container);
      push(places, told.container, container);
    }
  }
  for (const [name, want] of wanted.containers) {
    if (places.has(name)) continue;
    const host = want.host ?? "", at = hosts.get(host);
    containers.push({
      kind: "container", name, key: `container/${host}/${name}`, host, service: want.service ?? "", address: want.address,
      port: wanted.services.get(want.service)?.port, capabilities: [], monitor: [], says: {}, mac: want.mac, notes: [],
      state: "missing", word: "missing", serves: false,
      output: at?.ring === "alive" ? "the picture wants it, and its host does not announce it" : "the picture wants it, and nobody announces it",
    });
  }
  containers.sort(byName);
  const services = new Map();
  const service = (name) => {
    if (!services.has(name)) {
      const want = wanted.services.get(name);
      services.set(name, { kind: "service", key: `service/${name}`, name, replicas: want?.replicas, port: want?.port, containers: [], balancers: [] });
    }
    return services.get(name);
  };
  for (const name of wanted.services.keys()) service(name);
  for (const container of containers) {
    service(container.service).containers.push(container);
    hosts.get(container.host)?.containers.push(container);
  }
  const balancers = [...map(picture.balancers)].map(([name, told]) => {
    const balancer = { ...told, kind: "balancer", key: `balancer/${name}`, name, to: service(told.service ?? "") };
    balancer.to.balancers.push(balancer);
    return balancer;
  }).sort(byName);
  for (const group of [...services.values(), ...balancers]) judge(group, group.to?.containers ?? group.containers);
  const made = {
    stack: catalogue.stack, here: catalogue.here, zone: `${catalogue.stack}.internal`, drawn, picture, containers, balancers,
    hosts: [...hosts.values()].sort(byName), services: [...services.values()].sort(byName),
  };
  const all = new Map([...made.hosts, ...made.services, ...balancers, ...containers].map((one) => [one.key, one]));
  // A link may leave out the host.
  made.find = (key) => all.get(key) ?? (key.startsWith("container/") ? places.get(key.slice(10))?.[0] : undefined);
  made.problems = problems(made, hosts);
  return made;
}

/** How many of them serve, in a word and a state. */
function judge(group, members) {
  const wanted = Math.max(group.replicas ?? 0, members.length);
  group.serving = members.filter((one) => one.serves).length;
  group.wanted = wanted;
  group.state = group.serving === wanted && wanted > 0 ? "passing" : group.serving > 0 ? "warning" : "critical";
  group.word = group.serving > 0 ? `${group.serving} of ${wanted} serve` : wanted > 0 ? `none of ${wanted} serves` : "has no member";
  const warn = count(members, "warning");
  if (group.state === "passing" && warn) Object.assign(group, { state: "warning", word: `${group.word}, ${copies(warn, "warns", "warn")}` });
}

/** What a person should look at, the worst first. What follows from something else is not said twice. */
function problems(made, hosts) {
  const found = [];
  const add = (one, text, more = {}) => found.push({ key: one.key, name: one.name, kind: one.kind, state: one.state, text, ...more });
  if (made.picture.error) add({ name: "the picture", state: "warning" }, `The last good one is shown. ${made.picture.error}`);
  for (const host of made.hosts) {
    if (host.ring === "failed") add(host, "has not answered", { since: host.since });
    if (host.ring === "left" && host.containers.length) add({ ...host, state: "warning" }, `has left, with ${copies(host.containers.length, "container")} in its last word`);
    if (host.ring === "missing") add(host, "the picture wants it, and it is not in the ring");
  }
  for (const balancer of made.balancers) {
    if (balancer.serving === 0) add(balancer, `no member serves: ${copies(balancer.wanted, "copy", "copies")} of ${balancer.to.name || "no service"}`);
  }
  for (const service of made.services) {
    const there = service.containers.length;
    if (service.replicas > there) add(service, `${there} of ${copies(service.replicas, "copy", "copies")} are known`);
  }
  for (const one of made.containers) {
    const host = hosts.get(one.host);
    if (one.state === "unknown" && host?.ring !== "alive") continue;
    if (one.state !== "passing") add(one, one.output || one.word);
    else if (one.notes.length) add({ ...one, state: "warning" }, one.notes.join("; "));
  }
  const holders = new Map();
  for (const one of made.containers) if (one.state !== "missing" && hosts.get(one.host)?.ring === "alive") push(holders, one.address, one);
  for (const [address, several] of holders) {
    if (several.length > 1) add({ ...several[0], state: "warning" }, `${several.map((one) => one.name).join(" and ")} all say to have ${address}`);
  }
  return found.sort(worse);
}

/** Whether a container is among those that are looked for: by all words, and by its state. */
export function matches(one, words, state) {
  if (state && one.state !== state) return false;
  if (!words.length) return true;
  one.text ??= [one.name, one.service, one.host, one.address, one.mac, one.word, one.output, ...one.capabilities, ...Object.entries(one.says).flat()]
    .join("\n").toLowerCase();
  return words.every((word) => one.text.includes(word));
}

/** The parts of the way to a container, for people. */
export function wayTo(made, one, balancer) {
  const at = made.find(`host/${one.host}`);
  const port = {
    what: "Host port", name: one.host || "no host", state: at?.state,
    text: [at?.address, made.picture.attachment, one.mac].filter(Boolean).join(" · "), key: `host/${one.host}`,
  };
  const end = { what: "Container", name: one.name, text: where(one), state: one.state, key: one.key };
  if (!balancer) {
    const name = { what: "Name", name: `${one.service}.service`, text: made.zone, key: `service/${one.service}` };
    return [{ what: "From", name: made.picture.network ?? "the network", text: "inside only" }, name, port, end];
  }
  const lead = { what: "Balancer", name: balancer.name, text: [entry(balancer), protocol(balancer)].filter(Boolean).join(" · "), state: balancer.state, key: balancer.key };
  const from = balancer.floating_ip
    ? [{ what: "From", name: "Internet", text: audience(balancer) }, { what: "Floating IP", name: balancer.floating_ip, text: "", key: balancer.key }]
    : [{ what: "From", name: made.picture.network ?? "the network", text: audience(balancer) }];
  return [...from, lead, port, end];
}

export const where = (one) => (one.address ? `${one.address}${one.port ? `:${one.port}` : ""}` : "");
export const entry = (one) => (one.vip ? `VIP ${one.vip}` : "");
export const protocol = (one) => [one.protocol?.toUpperCase(), one.listen].filter(Boolean).join(" ");
export const audience = (one) => {
  const allow = one.allow ?? [];
  return allow.includes("0.0.0.0/0") || !allow.length ? "from anywhere" : `from ${allow.join(", ")}`;
};

/** A monitoring point in words. */
export function monitored(point) {
  if (typeof point === "string") return point === "cloud-init" ? "cloud-init ended clean" : point;
  const [kind, value] = Object.entries(point)[0] ?? ["", ""];
  return { http: `GET ${value} answers`, tcp: `TCP ${value} accepts`, metrics: `metrics at ${value} (no check)`, unit: `unit ${value} is active`,
    exec: `\`${[value].flat().join(" ")}\` ends with 0` }[kind] ?? `${kind} ${value}`;
}
