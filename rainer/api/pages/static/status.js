// The status keeps itself up to date, a part at a time, and leaves alone what the reader has in hand.
import { say } from "./main.js";
import { isHeld } from "./marks.js";

const EVERY_MS = 2000;
let isPaused = false;
let timer = 0;
let isAsking = false;
let awaySince = "";

function tell(words, state) {
  const found = document.getElementById("live-state");
  found.dataset.state = state;
  found.textContent = words;
  found.hidden = false;
}

async function look() {
  const url = new URL(location.href);
  url.searchParams.set("part", "1");
  const answer = await fetch(url, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(10000) });
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

const partsOf = (root) => new Map([...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));

function bring(fresh) {
  const live = document.getElementById("live");
  const [mine, theirs] = [partsOf(live), partsOf(fresh)];
  if ([...mine.keys()].join() !== [...theirs.keys()].join()) {
    if (!isHeld(live)) live.replaceChildren(...fresh.body.childNodes);
    return;
  }
  const before = live.querySelector(".verdict").className;
  for (const [name, part] of mine) {
    const now = theirs.get(name);
    if (part.innerHTML === now.innerHTML || (name !== "verdict" && isHeld(part))) continue;
    part.className = now.className;
    part.replaceChildren(...now.childNodes);
  }
  if (live.querySelector(".verdict").className !== before) say(live.querySelector(".verdict .words").textContent.trim());
}

// The menu's mark is as old as the page; here it is known better.
function markMenu() {
  const link = document.querySelector(".menu [aria-current]");
  const isWell = document.querySelector(".verdict").classList.contains("good");
  link.removeAttribute("title");
  if (isWell) link.replaceChildren("Status");
  else if (!link.querySelector(".dot")) link.insertAdjacentHTML("beforeend", '<span class="dot bad" aria-hidden="true"></span>');
}

async function turn() {
  if (isAsking || isPaused || document.visibilityState !== "visible") return;
  isAsking = true;
  try {
    const fresh = await look();
    if (!isPaused) {
      bring(fresh);
      markMenu();
    }
    awaySince = "";
    tell(isPaused ? "Paused" : "Live", isPaused ? "paused" : "live");
  } catch {
    awaySince ||= new Date().toISOString().slice(11, 16);
    tell(`This server has not answered since ${awaySince} UTC, trying again`, "away");
  } finally {
    isAsking = false;
    clearTimeout(timer);
    timer = setTimeout(turn, EVERY_MS);
  }
}

export function followStatus() {
  if (!document.querySelector("#live[data-status]")) return;
  const button = document.getElementById("pause");
  button.addEventListener("click", () => {
    isPaused = !isPaused;
    button.setAttribute("aria-pressed", String(isPaused));
    tell(isPaused ? "Paused" : "Live", isPaused ? "paused" : "live");
    turn();
  });
  document.addEventListener("visibilitychange", turn);
  markMenu();
  tell("Live", "live");
  timer = setTimeout(turn, EVERY_MS);
}
