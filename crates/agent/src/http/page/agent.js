// How the agent is asked, and whether it still answers. Knows no element of the page.
//
// The stream is read by hand, and not by the browser's `EventSource`: that one does not tell what was refused, gives up on
// some refusals, and hides the stream's signs of life, without which a tunnel that stands still looks like a quiet stack.

/** The agent says something at least each 15 s. */
const SILENCE_MS = 35_000;
const LAST = 200;
const WAIT_MS = [1000, 2000, 4000, 8000, 10_000];

/**
 * Listens for ever. `told(kind, data)` gets each event; `alive()` is called whenever anything comes; `lost(why, until)`
 * when the stream has ended, with the time of the next try; `begun(how, time)` when it is there: `anew`, `again` or `reset`, and the agent's time if it says it.
 * Gives a function that tries at once.
 */
export function listen({ told, alive, lost, begun }) {
  let id, wake, failures = 0;
  (async () => {
    for (;;) {
      let why;
      try {
        await stream((event) => {
          const before = id;
          if (event.id) id = event.id;
          if (event.kind === "at" || event.kind === "reset") begun(event.kind === "reset" ? "reset" : before ? "again" : "anew", event.data.unix_ms);
          else told(event.kind, event.data);
        });
        why = "it has ended the connection";
      } catch (error) {
        why = error.message;
      }
      const wait = WAIT_MS[Math.min(failures++, WAIT_MS.length - 1)];
      lost(why, Date.now() + wait);
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, wait);
        wake = () => (clearTimeout(timer), resolve());
      });
    }
  })();

  async function stream(take) {
    const abort = new AbortController();
    let timer;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => abort.abort(new Error("it has said nothing for too long")), SILENCE_MS);
    };
    try {
      heard();
      const headers = id ? { "Last-Event-ID": id } : {};
      const response = await fetch(`v1/changes?last=${LAST}`, { headers, cache: "no-store", signal: abort.signal });
      if (!response.ok) throw new Refused(response.status);
      failures = 0;
      // Where it goes on, nothing is said before the next change.
      if (id) begun("again");
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        alive();
        const { done, value } = await reader.read();
        if (done) return;
        heard();
        text += value;
        const blocks = text.split("\n\n");
        text = blocks.pop();
        for (const block of blocks) {
          const event = parsed(block);
          if (event) take(event);
        }
      }
    } catch (error) {
      throw error instanceof Refused ? error : abort.signal.aborted ? abort.signal.reason : new Error("it does not answer");
    } finally {
      clearTimeout(timer);
      abort.abort();
    }
  }

  return () => wake?.();
}

class Refused extends Error {
  constructor(status) {
    super(status === 429 ? "too many listen to it already" : `it refuses with ${status}`);
  }
}

/** One event of the stream; nothing where there is only a sign of life. */
function parsed(block) {
  const event = { data: "" };
  for (const line of block.split("\n")) {
    const at = line.indexOf(":");
    if (at < 1) continue;
    const value = line.slice(at + 1).replace(/^ /, "");
    if (line.startsWith("id")) event.id = value;
    if (line.startsWith("event")) event.kind = value;
    if (line.startsWith("data")) event.data += value;
  }
  if (!event.kind) return undefined;
  event.data = event.data ? JSON.parse(event.data) : {};
  return event;
}

const tags = new Map();

/** A document; nothing where it is still the one that was given the last time. */
export async function read(path) {
  const known = tags.get(path);
  const response = await fetch(path, { cache: "no-store", headers: known ? { "If-None-Match": known } : {} });
  if (response.status === 304) return undefined;
  if (!response.ok) throw new Refused(response.status);
  const document = await response.json();
  tags.set(path, response.headers.get("ETag"));
  return document;
}
