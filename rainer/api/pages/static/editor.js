// The editor: numbered lines, what is wrong shown beside its line while one types, and no text that is ever lost.
import { checkWhileTyping } from "./checking.js";
import { followDrafts } from "./drafts.js";

const NUMBERED_MAX = 20000;

// Puts text in place of what is selected, so that undoing still works.
function insert(field, text) {
  if (!document.execCommand("insertText", false, text)) {
    field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

function indentOf(text) {
  if (/^\t/m.test(text)) return "\t";
  const found = text.match(/^( {2,8})\S/m);
  return found ? found[1].slice(0, 4) : "  ";
}

const lineStart = (text, at) => text.lastIndexOf("\n", at - 1) + 1;

// Indents, or with Shift the other way, the lines that are selected.
function shiftLines(field, isBack) {
  const step = indentOf(field.value);
  const [from, to] = [lineStart(field.value, field.selectionStart), field.selectionEnd];
  const lines = field.value.slice(from, to).split("\n");
  const back = new RegExp(`^(\t| {1,${step === "\t" ? 4 : step.length}})`);
  const moved = lines.map((line) => (isBack ? line.replace(back, "") : line && step + line)).join("\n");
  if (moved === lines.join("\n")) return;
  field.setSelectionRange(from, to);
  insert(field, moved);
  field.setSelectionRange(from, from + moved.length);
}

function followTyping(field) {
  let leaves = false; // after Escape the next Tab leaves, so that nobody is caught in the text
  field.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.key === "Shift") return;
    if (event.key === "Escape") leaves = true;
    else if (event.key === "Tab" && leaves) leaves = false;
    else if (event.key === "Tab") {
      event.preventDefault();
      const isBlock = field.value.slice(field.selectionStart, field.selectionEnd).includes("\n");
      if (event.shiftKey || isBlock) shiftLines(field, event.shiftKey);
      else insert(field, indentOf(field.value));
    } else {
      leaves = false;
      if (event.key === "Enter") {
        const start = lineStart(field.value, field.selectionStart);
        const [indent] = field.value.slice(start, field.selectionStart).match(/^[ \t]*/);
        if (indent) {
          event.preventDefault();
          insert(field, `\n${indent}`);
        }
      }
    }
  });
  field.addEventListener("blur", () => { leaves = false; });
}

function numberLines(editor, field) {
  const numbers = editor.querySelector(".numbers");
  const band = document.createElement("div");
  band.className = "band";
  band.hidden = true;
  const column = document.createElement("span");
  numbers.append(column);
  editor.prepend(band);
  let shown = 0;
  let marked = 0;
  const place = () => {
    numbers.scrollTop = field.scrollTop;
    const height = parseFloat(getComputedStyle(field).lineHeight);
    const top = parseFloat(getComputedStyle(field).paddingTop) + (marked - 1) * height - field.scrollTop;
    band.hidden = !marked || top < -height || top > field.clientHeight;
    band.style.top = `${top}px`;
  };
  const count = () => {
    const lines = Math.min(field.value.split("\n").length, NUMBERED_MAX);
    if (lines !== shown) column.textContent = Array.from({ length: lines }, (_, at) => at + 1).join("\n") + "\n\n";
    shown = lines;
    place();
  };
  field.addEventListener("input", count);
  field.addEventListener("scroll", place);
  addEventListener("resize", place);
  count();
  return (line) => {
    marked = line ?? 0;
    place();
  };
}

export function goToLine(field, line, column) {
  const starts = field.value.split("\n").slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  const at = starts + Math.max(0, (column ?? 1) - 1);
  field.focus();
  field.setSelectionRange(at, at);
  const height = parseFloat(getComputedStyle(field).lineHeight);
  field.scrollTop = Math.max(0, (line - 1) * height - field.clientHeight / 2);
}

// Ctrl and Enter press what leads on: Review, and there Commit.
function followGoing(form) {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
    if (document.querySelector("dialog[open]")) return;
    event.preventDefault();
    form.querySelector("[data-go]")?.click();
  });
}

// What the rules refuse is committed only by who has said so: until then the button waits.
function followForcing(form) {
  const box = form.querySelector("#forced");
  const button = form.querySelector("[data-needs=forced]");
  if (!box || !button) return;
  const follow = () => { button.disabled = !box.checked; };
  box.addEventListener("change", follow);
  follow();
}

function followFile(form) {
  const picker = form.querySelector("[data-file]");
  if (!picker) return;
  const field = form.querySelector("input[name=file]");
  const said = form.querySelector("#file-name");
  picker.addEventListener("change", async () => {
    const file = picker.files[0];
    field.value = "";
    if (!file) return;
    if (file.size > 1_000_000) {
      said.textContent = `${file.name} is over 1 MB: use the command line`;
      return;
    }
    const bytes = new Uint8Array(await file.arrayBuffer());
    let text = "";
    for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    field.value = btoa(text).replaceAll("+", "-").replaceAll("/", "_");
    form.dataset.unsaved = "";
    said.textContent = `${file.name}, ${file.size.toLocaleString("en")} bytes`;
  });
}

export function followEditing() {
  const form = document.querySelector("form.edit-form");
  if (form) followForm(form);
  followDrafts(form); // last: what keeps a form from being sent comes before
}

function followForm(form) {
  followGoing(form);
  followForcing(form);
  followFile(form);
  const editor = form.querySelector("[data-editor]");
  if (!editor) return;
  const field = editor.querySelector("textarea");
  followTyping(field);
  const mark = numberLines(editor, field);
  checkWhileTyping(form, editor, field, mark);
}
