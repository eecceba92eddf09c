// Following the journal: one stream of changes that comes back by itself, and says so when it does not.
// Not an EventSource: that hides the server's beats, without which a dead line looks like a quiet one, and statuses.

const SILENCE_MS = 16000; // three of the server's beats, and a second
const WAITS_MS = [1000, 2000, 4000, 8000, 15000];
const FINAL = [401, 403, 404];

function sleep(wait_ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, wait_ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}

// The events of a stream: [name, text] each; beats count as life, and are not told.
async function* eventsOf(body, alive) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    alive();
    const parts = (text + value).split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const fields = Object.fromEntries(part.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
      if (fields.event) yield [fields.event, fields.data];
    }
  }
}

export class Stream {
  #feed;
  #position;
  #told;
  #running = null;
  #hurry = null;

  // `told` has changes(list, isMore), lost() → the revision to go on from, or null, and state(name, status).
  constructor(feed, since, told) {
    this.#feed = new URL(feed, location.href);
    this.#position = { since };
    this.#told = told;
  }

  start() {
    if (this.#running) return;
    this.#running = new AbortController();
    this.#follow(this.#running.signal);
  }

  // Whether there was anything to stop.
  stop() {
    const was = this.#running !== null;
    this.#running?.abort();
    this.#running = null;
    return was;
  }

  // To be started again.
  goOnFrom(since) {
    this.stop();
    this.#position = { since };
  }

  hurry() {
    this.#hurry?.abort();
  }

  async #follow(signal) {
    for (let tries = 0; !signal.aborted; tries += 1) {
      let lasted = false;
      try {
        const status = await this.#once(signal, () => { lasted = true; });
        if (FINAL.includes(status)) {
          this.#told.state("refused", status);
          return;
        }
      } catch {
        // The line broke, or there was none: the same as an end.
      }
      if (signal.aborted) return;
      this.#told.state("away");
      if (lasted) tries = 0;
      this.#hurry = new AbortController();
      const wait_ms = WAITS_MS[Math.min(tries, WAITS_MS.length - 1)] * (0.75 + Math.random() / 2);
      await sleep(wait_ms, AbortSignal.any([signal, this.#hurry.signal]));
    }
  }

  // One connection, until it ends; the status of a refusal.
  async #once(signal, lasts) {
    const line = new AbortController();
    let silence = 0;
    const alive = () => {
      clearTimeout(silence);
      silence = setTimeout(() => line.abort(), SILENCE_MS);
    };
    alive();
    try {
      const answer = await fetch(this.#address(), {
        headers: { Accept: "text/event-stream" }, cache: "no-store", signal: AbortSignal.any([signal, line.signal]),
      });
      if (answer.status === 410) return await this.#lost(signal);
      if (!answer.ok) return answer.status;
      this.#told.state("live");
      for await (const [name, data] of eventsOf(answer.body, () => { alive(); lasts(); })) {
        if (signal.aborted) return 0;
        if (name === "gone") return await this.#lost(signal);
        if (name === "changes") this.#take(JSON.parse(data));
      }
      return 0;
    } finally {
      clearTimeout(silence);
      line.abort();
    }
  }

  #address() {
    const url = new URL(this.#feed);
    for (const [name, value] of Object.entries(this.#position)) if (value !== undefined) url.searchParams.set(name, value);
    return url;
  }

  #take({ revision, lineage, chain, readable, changes, more }) {
    this.#position = { since: revision, lineage, chain, readable };
    this.#told.changes(changes, more);
  }

  async #lost(signal) {
    const since = await this.#told.lost();
    if (since !== null && !signal.aborted) this.#position = { since };
    return 0;
  }
}
