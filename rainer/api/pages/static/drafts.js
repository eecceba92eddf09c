// A text that is not committed yet outlives the page: the tab remembers it until it is committed or given up.
import { say } from "./main.js";
import { later } from "./parts.js";

const WAIT_MS = 300;
const nameOf = (path) => `rainer-draft ${path}`;

function remember(name, text) {
  try {
    sessionStorage.setItem(name, text);
  } catch {
    // A full or forbidden storage: the page itself still has the text.
  }
}

function offerDraft(field, name) {
  const kept = sessionStorage.getItem(name);
  if (kept === null || kept === field.value) return;
  const bar = document.createElement("p");
  bar.className = "notice restored";
  const words = document.createElement("span");
  words.textContent = "There is a text of yours that was never committed.";
  const take = document.createElement("button");
  take.type = "button";
  take.textContent = "Take it up again";
  take.addEventListener("click", () => {
    field.value = kept;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    bar.remove();
    field.focus();
  });
  const drop = document.createElement("button");
  drop.type = "button";
  drop.textContent = "Give it up";
  drop.addEventListener("click", () => {
    sessionStorage.removeItem(name);
    bar.remove();
    field.focus();
  });
  bar.append(words, take, drop);
  field.form.before(bar);
  say(words.textContent);
}

export function followDrafts(form) {
  if (document.querySelector("[data-done]")) {
    sessionStorage.removeItem(nameOf(`${location.pathname}/edit`));
    const url = new URL(location.href);
    url.searchParams.delete("done");
    history.replaceState(null, "", url); // loaded again, it is no news
  }
  document.querySelector("form[action$='/sign-out']")?.addEventListener("submit", () => sessionStorage.clear());
  if (!form) return;
  const field = form.querySelector("textarea[name=text]");
  const name = nameOf(new URL(form.action).pathname);
  let isSent = false;
  if (field) {
    if (form.dataset.unsaved === undefined) offerDraft(field, name);
    field.addEventListener("input", later(WAIT_MS, () => remember(name, field.value)));
  }
  const isWritten = () => [...form.querySelectorAll("textarea")].some((one) => one.value !== one.defaultValue);
  const isUnsaved = () => form.dataset.unsaved !== undefined || isWritten();
  const keep = () => {
    if (field && (form.dataset.unsaved !== undefined || field.value !== field.defaultValue)) remember(name, field.value);
  };
  form.addEventListener("submit", (event) => {
    isSent = !event.defaultPrevented;
    keep();
  });
  addEventListener("pagehide", keep);
  addEventListener("pageshow", () => { isSent = false; }); // back again
  form.querySelector("[data-leave]")?.addEventListener("click", () => {
    if (!isUnsaved()) isSent = true;
  });
  addEventListener("beforeunload", (event) => {
    if (!isSent && isUnsaved()) event.preventDefault();
  });
}
