// Checking while one types: the server says what is wrong, and it stands beside its line.
import { goToLine } from "./editor.js";
import { say } from "./main.js";
import { later } from "./parts.js";

const WAIT_MS = 350;
const PATIENCE_MS = 10000;

const bytesOf = (text) => new TextEncoder().encode(text).length;

function sizeOf(bytes) {
  return bytes < 1000 ? `${bytes} B` : `${(bytes / 1000).toFixed(1)} kB`;
}

function wordsOf(fault) {
  const place = fault.line ? `Line ${fault.line}${fault.column ? `, column ${fault.column}` : ""}: ` : "";
  return place + fault.message;
}

export function checkWhileTyping(form, editor, field, mark) {
  const box = form.querySelector("[data-fault]");
  const counted = form.querySelector("[data-count]");
  const most = Number(editor.dataset.bytesMax);
  let asked = 0;
  let said = "";
  let running = null;

  function count() {
    const bytes = bytesOf(field.value);
    const lines = field.value ? field.value.split("\n").length - (field.value.endsWith("\n") ? 1 : 0) : 0;
    const end = field.value && !field.value.endsWith("\n") ? " · no newline at the end" : "";
    counted.textContent = `${lines.toLocaleString("en")} ${lines === 1 ? "line" : "lines"} · ${sizeOf(bytes)}${end}`;
    return bytes;
  }

  function show(fault, words, kind) {
    mark(fault?.line ?? null);
    field.toggleAttribute("aria-invalid", false);
    if (fault) field.setAttribute("aria-invalid", "true");
    box.className = `typed ${kind}`;
    box.replaceChildren();
    if (fault?.line) {
      const go = document.createElement("button");
      go.type = "button";
      go.textContent = `Line ${fault.line}`;
      go.addEventListener("click", () => goToLine(field, fault.line, fault.column));
      box.append(go, `${fault.column ? `column ${fault.column}: ` : ""}${fault.message}`);
    } else box.append(words);
    if (words !== said && (kind === "bad" || said)) say(words);
    said = kind === "bad" ? words : "";
  }

  function told(answer) {
    if (answer.conflicts) {
      const left = answer.conflicts === 1 ? "1 conflict is left" : `${answer.conflicts} conflicts are left`;
      const fault = { line: answer.fault?.line, message: left };
      show(fault, wordsOf(fault), "bad");
    } else if (answer.fault) show(answer.fault, wordsOf(answer.fault), "bad");
    else show(null, "Nothing is wrong with it.", "fine");
    form.querySelector(".fault")?.remove(); // of the text as it was sent
  }

  async function check() {
    const turn = ++asked;
    running?.abort();
    running = new AbortController();
    const body = new URLSearchParams(new FormData(form));
    body.delete("comment");
    let answer;
    try {
      const signal = AbortSignal.any([running.signal, AbortSignal.timeout(PATIENCE_MS)]);
      answer = await fetch(editor.dataset.check, { method: "POST", body, signal });
      if (turn !== asked) return;
      if (answer.ok) told(await answer.json());
      else if (answer.status === 401 || answer.status === 403) {
        show(null, "Not checked: your session has ended. Your text stays here; sign in in another tab.", "bad");
      } else show(null, "Not checked just now: the server is busy.", "");
    } catch {
      if (turn === asked) show(null, "Not checked: the server cannot be reached. Your text stays here.", "");
    }
  }

  const soon = later(WAIT_MS, check);
  field.addEventListener("input", () => {
    asked += 1;
    const bytes = count();
    if (bytes > most) {
      const words = `${sizeOf(bytes)} is over the ${sizeOf(most)} that can be committed here.`;
      show({ message: words }, words, "bad");
    } else soon();
  });
  form.addEventListener("submit", (event) => {
    const bytes = count();
    if (bytes <= most) return;
    event.preventDefault(); // so much would not even be read
    show(null, `${sizeOf(bytes)} is over the ${sizeOf(most)} that can be committed here.`, "bad");
    field.focus();
  });
  count();
  if (field.value) check();
  else mark(Number(editor.dataset.line) || null);
}
