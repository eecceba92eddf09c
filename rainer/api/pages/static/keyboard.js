// Keys: they press links that are on the page, so that everything they do can be done without them too.

const isTyping = (target) => target.closest("input:not([type=range]), textarea, select, [contenteditable]");

function rows() {
  return [...document.querySelectorAll("[data-row]")];
}

function step(by) {
  const all = rows();
  if (!all.length) return;
  const chosen = document.activeElement.closest("[data-row]") ?? document.querySelector("[data-row].at, [data-row][aria-current]");
  const at = all.indexOf(chosen);
  const next = all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + by))];
  for (const row of all) row.classList.toggle("at", row === next);
  const link = next.matches("a") ? next : next.querySelector("[data-open]");
  link?.focus();
  next.scrollIntoView({ block: "nearest" });
}

function press(selector) {
  const found = document.querySelector(selector);
  if (found?.matches("textarea, input")) found.focus();
  else found?.click();
}

const ACTIONS = {
  "/": () => document.getElementById("q")?.focus(),
  "?": () => document.getElementById("help").showModal(),
  j: () => step(1),
  k: () => step(-1),
  u: () => press(".crumbs a:first-of-type"),
};

export function followKeys() {
  document.getElementById("keys-help")?.addEventListener("click", ACTIONS["?"]);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape" && event.target.id === "q") event.target.blur();
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const action = ACTIONS[event.key] ?? (/^[a-z]$/.test(event.key) ? () => press(`[data-key="${event.key}"]`) : null);
    if (!action) return;
    event.preventDefault(); // or the key would be typed into what it leads to
    action();
  });
}
