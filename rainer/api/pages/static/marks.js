// What others changed, shown in a list that stays where it is: facts change in their cells, and nothing moves.

const CELLS = [".why-cell", ".who-cell", ".when-cell", ".version-cell"];
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0e\uffa0\u202f]/gu;

// What a stranger wrote, with a name for each character that cannot be seen or that turns others around.
export function plain(text, length = 60) {
  const short = text.length > length ? `${text.slice(0, length)}…` : text;
  return short.replace(UNSEEN, (found) => `⟨U+${found.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

// The name that an address ends with: of its own, not as it is shown.
export function nameIn(address) {
  return decodeURIComponent(new URL(address, location.href).pathname.split("/").pop());
}

export function rowsOf(root) {
  const rows = [...root.querySelectorAll("tr[data-key-name]")].filter((row) => row.querySelector("[data-open]"));
  return new Map(rows.map((row) => [nameIn(row.querySelector("[data-open]").href), row]));
}

// Whether the reader has it in hand: the cursor on it, the focus in it, or a selection.
export function isHeld(element) {
  const selection = getSelection();
  return element.matches(":hover") || element.contains(document.activeElement)
    || (!selection.isCollapsed && selection.containsNode(element, true));
}

function note(row, words) {
  let found = row.querySelector(".live-note");
  if (!found) {
    found = document.createElement("span");
    found.className = "live-note out-of-sight";
    row.cells[0].append(found);
  }
  found.textContent = ` (${words})`;
}

export function mark(row, words) {
  row.classList.add("changed");
  note(row, words);
}

// Brings a row's facts up to date, all but those that the reader has in hand; true if none is left for later.
function renew(row, fresh) {
  let isWhole = true;
  for (const name of CELLS) {
    const [mine, theirs] = [row.querySelector(name), fresh.querySelector(name)];
    if (!mine || !theirs || mine.innerHTML === theirs.innerHTML) continue;
    if (isHeld(mine)) isWhole = false;
    else mine.replaceChildren(...[...theirs.childNodes].map((node) => document.importNode(node, true)));
  }
  return isWhole;
}

function removed(row) {
  if (row.classList.contains("removed")) return;
  row.classList.add("removed");
  mark(row, "removed by somebody else");
  const flag = document.createElement("span");
  flag.className = "flag warn";
  flag.textContent = "removed";
  const cell = row.querySelector(".version-cell");
  if (cell && !isHeld(cell)) cell.replaceChildren(flag);
}

// Compares a list with how it is now: which keys changed, which are new to it, and which rows are not whole yet.
// `gone` holds the names that were removed, as the stream told.
export function morph(list, fresh, gone) {
  const [here, there] = [rowsOf(list), rowsOf(fresh)];
  const found = { changed: [], added: [], later: false };
  for (const [name, row] of here) {
    const now = there.get(name);
    if (now && row.dataset.version !== now.dataset.version) {
      found.changed.push(name);
      row.classList.remove("removed");
      mark(row, `changed by ${now.querySelector(".who-cell").textContent.trim()}`);
    }
    if (now) {
      row.dataset.version = now.dataset.version;
      if (row.classList.contains("changed") && !renew(row, now)) found.later = true;
    } else if (gone.has(name) && !row.classList.contains("removed")) {
      found.changed.push(name);
      removed(row);
    }
  }
  found.added = [...there.keys()].filter((name) => !here.has(name));
  const [sum, newSum] = [list.querySelector(".moment .sum"), fresh.querySelector(".moment .sum")];
  if (sum && newSum && !isHeld(sum)) sum.textContent = newSum.textContent;
  return found;
}
