// What others commit appears by itself: marked where it can be shown in place, told in a bar where it would move things.
import { say } from "./main.js";
import { isHeld, mark, morph, nameIn, plain, rowsOf } from "./marks.js";
import { count, hideNews, showNews } from "./news.js";
import { paced, show } from "./parts.js";
import { Stream } from "./stream.js";
import { Turns } from "./turns.js";

const main = document.getElementById("main");
const SAID_MS = 5000;
const REFUSED = { 401: "Not live: your session has ended. Load the page again.", 403: "Not live: this is not yours to read any more.", 404: "Not live: the namespace is gone." };

const PENDING_MAX = 1000;

let stream = null;
let turns = null;
let lost = false;
let behind = false; // the stream told more than it can: it rests until the page has looked where things stand
let pending = []; // changes that the page may not show yet, the oldest first
let isMuch = false;
let unordered = new Set(); // keys that stand elsewhere than their last change would have them
let later = 0;
let wasLive = false;
let awaySince = "";

const live = () => document.getElementById("live");
const asked = () => new URL(location.href).searchParams;

// What the page is, and so how it moves: key, keys, commits, home, or nothing that moves at all.
function kind() {
  const here = live();
  if (here.dataset.version !== undefined) return asked().has("at") ? "" : "key";
  if (here.dataset.home !== undefined) return "home";
  if (here.dataset.revision === undefined || asked().has("at")) return "";
  if (asked().get("view") === "changes") return asked().has("before") ? "" : "commits";
  return "keys";
}

function newest() {
  return new Map(pending.map((change) => [change.key, change]));
}

// The page shows everything up to a revision.
function forget(revision) {
  pending = pending.filter((change) => change.revision > revision);
}

async function look(address, isPart) {
  const url = new URL(address, location.href);
  if (isPart) url.searchParams.set("part", "1");
  const answer = await fetch(url, { headers: { Accept: "text/html" } });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return { page, since: Number(answer.headers.get("X-Rainer-Revision")) };
}

// What is said to who hears the page: the last word of some seconds, and of rows how many changed in them.
let unsaid = "";
let changedRows = new Map();
const speak = paced(SAID_MS, () => {
  const [[name, author] = []] = changedRows;
  if (changedRows.size === 1) unsaid = `${plain(author)} changed ${plain(name)}`;
  else if (changedRows.size) unsaid = `${changedRows.size} keys were changed by others`;
  changedRows = new Map();
  if (unsaid) say(unsaid);
  unsaid = "";
});

function announce(words) {
  unsaid = words;
  speak();
}

function tell(name, author) {
  changedRows.set(name, author);
  speak();
}

// Lists of keys: facts change in their rows; what would move rows waits in the bar.
async function renewKeys() {
  const here = live();
  const found = await look(location.href, true);
  if (here !== live() || kind() !== "keys") return null;
  const news = newest();
  const gone = new Set([...news.values()].filter((change) => change.empty).map((change) => change.key));
  const { changed, added, later: isLater } = morph(here, found.page, gone);
  for (const name of changed) tell(name, news.get(name)?.author ?? "somebody");
  const params = asked();
  const isFirst = !params.get("q") && !params.get("after") && !Number(params.get("page"));
  if (isFirst && params.get("sort") === "changed") moved(changed, added);
  else if (isFirst && added.length) offer(`${count(added.length, "new key", "new keys")}`, added);
  forget(found.since);
  clearTimeout(later);
  if (isLater) later = setTimeout(renew, 1000);
  return found.since;
}

function moved(changed, added) {
  unordered = new Set([...unordered, ...changed, ...added]);
  if (unordered.size) offer(`${count(unordered.size, "key has", "keys have")} changed`, [...unordered]);
}

function offer(words, names) {
  showNews(words, [{ words: "Show", key: "l", go: () => bring(names) }]);
}

// Shows the list as it is now, at the reader's word, with what is new in it marked and the first of it in focus.
async function bring(names) {
  if (!(await show(location.href, { remember: false }))) return;
  const rows = rowsOf(live());
  const found = kind() === "commits" ? [...live().querySelectorAll("[data-row]")].slice(0, names.length) : names.map((name) => rows.get(name)).filter(Boolean);
  for (const row of found) mark(row, "new");
  const first = found[0];
  const link = first?.querySelector("[data-open]");
  link?.focus({ preventScroll: true });
  first?.scrollIntoView({ block: "nearest" });
}

function offerCommits() {
  if (!pending.length) return;
  const words = isMuch ? `More than ${PENDING_MAX.toLocaleString("en")} new commits` : count(pending.length, "new commit", "new commits");
  offer(words, pending.map((change) => change.key));
  announce(words);
}

function renewCommits() {
  offerCommits();
  return null;
}

// The first page of all: what stands beside each namespace changes in place, the newest commits wait in the bar.
async function renewHome() {
  const found = await look(location.href, true);
  const fresh = new Map([...found.page.querySelectorAll(".spaces li")].map((item) => [item.querySelector(".name").textContent, item]));
  for (const item of live().querySelectorAll(".spaces li")) {
    const [mine, theirs] = [item.querySelector(".last"), fresh.get(item.querySelector(".name").textContent)?.querySelector(".last")];
    if (!theirs || mine.innerHTML === theirs.innerHTML || isHeld(mine)) continue;
    mine.replaceChildren(...[...theirs.childNodes].map((node) => document.importNode(node, true)));
    item.classList.add("changed");
  }
  const [sum, newSum] = [live().querySelector("h2 .count"), found.page.querySelector("h2 .count")];
  if (sum && newSum) sum.textContent = newSum.textContent;
  offerCommits();
  return found.since;
}

// A key: the bar tells of the newer version, and what lies open stays as it is.
async function renewKey() {
  const key = nameIn(main.dataset.place);
  let change = newest().get(key);
  let since = null;
  if (behind) {
    const found = await look(main.dataset.place, false);
    const head = found.page.getElementById("live").dataset;
    since = found.since;
    change = { version: Number(head.version), author: found.page.querySelector(".commit strong")?.textContent ?? "", empty: false };
  }
  const shown = Number(live().dataset.version);
  if (change && change.version > shown) tellVersion(change, shown);
  return since;
}

function tellVersion({ version, author, empty }, shown) {
  const place = main.dataset.place;
  const who = plain(author);
  const did = empty ? `removed the key, with version ${version}` : `committed version ${version}`;
  const between = version - shown - 1;
  const words = between ? `${who} ${did}, ${count(between, "other", "others")} came before` : `${who} ${did} just now`;
  const compare = { words: "What changed", href: `${place}/diff?from=${shown}&to=${version}` };
  const editing = document.querySelector("form[data-edit-base]");
  if (editing) {
    const ways = [{ ...compare, words: "Compare", aside: true, key: "l" }];
    const review = editing.querySelector("[data-review]");
    if (review) ways.push({ words: "Merge mine with it", go: () => review.click() });
    showNews(`${words}; yours is based on version ${shown}`, ways);
  } else {
    const here = new URL(location.href);
    const tail = ["history", "blame"].find((page) => here.pathname.endsWith(`/${page}`) && here.pathname !== new URL(place, here).pathname);
    const target = new URL(tail ? `${place}/${tail}` : place, here);
    const isHere = target.pathname === here.pathname && !here.search;
    showNews(words, [isHere ? { words: "Show", key: "l", go: () => location.reload() } : { words: "Show", key: "l", href: target.href }, compare]);
  }
  announce(words);
}

const RENEW = { keys: renewKeys, commits: renewCommits, home: renewHome, key: renewKey };
const renew = paced(1000, async () => {
  const wasBehind = behind;
  let since = null;
  try {
    since = await RENEW[kind()]?.();
    if (wasBehind) since ??= (await look(main.dataset.place, true)).since;
  } catch {
    later = setTimeout(renew, 3000); // the stream will say whether it is the server or the line
    return;
  }
  if (!wasBehind) return;
  behind = false;
  stream.goOnFrom(since);
  follow();
});

function take(changes, isMore) {
  const what = kind();
  if (!what) return;
  const key = what === "key" ? nameIn(main.dataset.place) : null;
  const mine = key === null ? changes : changes.filter((change) => change.key === key);
  pending = [...pending, ...mine].slice(-PENDING_MAX);
  if (isMore) {
    behind = isMuch = true;
    stream.stop();
  }
  if (isMore || mine.length) renew();
}

// The history is another one, or what may be read: where things stand now is where to go on.
async function findAgain() {
  try {
    const { since } = await look(main.dataset.place, true);
    if (!lost) showNews("The history here, or what you may read of it, is not what it was", [{ words: "Load again", key: "l", go: () => location.reload() }]);
    lost = true;
    return since;
  } catch {
    return null;
  }
}

function sayState(name, status) {
  const state = document.getElementById("live-state");
  state.dataset.state = name;
  if (name === "live") {
    wasLive = true;
    awaySince = "";
    state.textContent = "Live";
  } else if (name === "away") {
    awaySince ||= new Date().toISOString().slice(11, 16);
    state.textContent = `Not live since ${awaySince} UTC, trying again`;
  } else if (name === "resting") state.textContent = "Not live while four other windows are";
  else state.textContent = wasLive || status === 401 ? REFUSED[status] : "";
  state.hidden = !state.textContent;
}

// A tab that nobody sees keeps no stream, and catches up when it is seen.
function follow() {
  if (document.visibilityState === "visible" && turns.isOurs) {
    if (!behind) stream.start();
  } else if (stream.stop() && document.visibilityState === "visible") sayState("resting");
}

function seen() {
  if (document.visibilityState === "visible") turns.use();
  else turns.leave();
  follow();
}

export function followJournal() {
  if (main.dataset.since === undefined || !live() || !kind()) return;
  const feed = new URL(main.dataset.feed, location.href);
  stream = new Stream(feed, Number(main.dataset.since), { changes: take, lost: findAgain, state: sayState });
  turns = new Turns(follow);
  document.addEventListener("visibilitychange", seen);
  addEventListener("focus", seen);
  addEventListener("pageshow", seen);
  addEventListener("pagehide", () => {
    turns.leave();
    stream.stop();
  });
  addEventListener("online", () => stream.hurry());
  document.addEventListener("shown", (event) => {
    forget(event.detail);
    unordered = new Set();
    isMuch = false;
    hideNews();
    if (pending.length) renew();
  });
  seen();
}
