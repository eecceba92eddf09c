// Bringing the part of a page up to date that the server renders: the element #live.

let asked = 0;

// Replaces #live with what the server says at that address; an older answer never overwrites a newer question's.
export async function show(address, { remember = true } = {}) {
  const turn = ++asked;
  const target = document.getElementById("live");
  const url = new URL(address, location.href);
  const part = new URL(url);
  part.searchParams.set("part", "1");
  let answer;
  try {
    answer = await fetch(part, { headers: { Accept: "text/html" } });
  } catch {
    return false;
  }
  if (turn !== asked) return false;
  if (!answer.ok) {
    if (answer.status === 401) location.assign(url);
    return false;
  }
  const text = await answer.text();
  if (turn !== asked) return false;
  target.innerHTML = text;
  if (remember) history.replaceState(null, "", url);
  document.dispatchEvent(new CustomEvent("shown", { detail: Number(answer.headers.get("X-Rainer-Revision")) }));
  return true;
}

export function later(wait_ms, work) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), wait_ms);
  };
}

// Does work when it is asked for, a moment later, never twice at once and not more often than every `gap_ms`.
export function paced(gap_ms, work) {
  let last = -Infinity;
  let timer = 0;
  let isBusy = false;
  let again = false;
  async function run() {
    timer = 0;
    isBusy = true;
    last = performance.now();
    try {
      await work();
    } finally {
      isBusy = false;
      if (again) {
        again = false;
        ask();
      }
    }
  }
  function ask() {
    if (isBusy) again = true;
    else timer ||= setTimeout(run, Math.max(120, last + gap_ms - performance.now()));
  }
  return ask;
}
