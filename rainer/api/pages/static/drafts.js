// A text that is not committed yet outlives the page: the tab remembers it until it is committed or given up, and with
// it the version that it was made on, so that what others commit meanwhile is merged and never undone.
import { say } from "./main.js";
import { later } from "./parts.js";

const WAIT_MS = 300;
// What a form says of its text beside it: the version it was made on, its line ends, and whether marks of conflicts
// may stand in it.
const MADE = ["base", "ends", "merged"];
const nameOf = (path) => `rainer-draft ${path}`;

function remember(name, form, field) {
  const made = Object.fromEntries(MADE.map((one) => [one, form.elements[one]?.value]));
  try {
    sessionStorage.setItem(name, JSON.stringify({ text: field.value, ...made }));
  } catch {
    // A full or forbidden storage: the page itself still has the text.
  }
}

function draftOf(name) {
  try {
    const kept = JSON.parse(sessionStorage.getItem(name));
    return typeof kept?.text === "string" ? kept : null;
  } catch {
    return null;
  }
}

function takeUp(kept, field) {
  const { form } = field;
  for (const name of MADE.filter((one) => kept[one] !== undefined)) {
    if (!form.elements[name]) {
      const input = document.createElement("input");
      [input.type, input.name] = ["hidden", name];
      form.append(input);
    }
    form.elements[name].value = kept[name];
  }
  field.value = kept.text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

function offerDraft(field, name) {
  const kept = draftOf(name);
  if (kept === null || kept.text === field.value) return;
  const bar = document.createElement("p");
  bar.className = "notice restored";
  const words = document.createElement("span");
  words.textContent = "There is a text of yours that was never committed.";
  if (kept.base !== field.form.elements.base.value) words.textContent += " Others have committed since: it is merged with that.";
  const take = document.createElement("button");
  take.type = "button";
  take.textContent = "Take it up again";
  take.addEventListener("click", () => {
    takeUp(kept, field);
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
    field.addEventListener("input", later(WAIT_MS, () => remember(name, form, field)));
  }
  const isWritten = () => [...form.querySelectorAll("textarea")].some((one) => one.value !== one.defaultValue);
  const isUnsaved = () => form.dataset.unsaved !== undefined || isWritten();
  const keep = () => {
    if (field && (form.dataset.unsaved !== undefined || field.value !== field.defaultValue)) remember(name, form, field);
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
