// What pages do beyond links and forms. Everything here is a comfort: without it each page can still be read.
import { followTimes } from "./ages.js";
import { followSearch, followSlider } from "./finding.js";
import { followEditing } from "./editor.js";
import { followKeys } from "./keyboard.js";
import { followJournal } from "./live.js";
import { followStatus } from "./status.js";

const YEAR_S = 31536000;

function followTheme() {
  const button = document.getElementById("theme");
  button?.addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    document.cookie = `rainer_theme=${root.dataset.theme}; Path=/; Max-Age=${YEAR_S}; SameSite=Strict`;
  });
}

export function say(words) {
  document.getElementById("said").textContent = words;
}

async function textToCopy(button) {
  if (button.dataset.copyFrom) {
    const answer = await fetch(button.dataset.copyFrom);
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    return answer.text();
  }
  return document.getElementById(button.dataset.copy).textContent;
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(await textToCopy(button));
    button.classList.add("done");
    say("Copied");
    setTimeout(() => button.classList.remove("done"), 1500);
  } catch {
    say("It could not be copied");
  }
}

function followCopying() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from]");
    if (button) copy(button);
  });
}

followTheme();
followCopying();
followSearch();
followSlider();
followKeys();
followEditing();
followJournal();
followStatus();
followTimes();
