// "3 min ago" stays true on a page that lies open. By the server's clock, for the browser's may be wrong.
import { isHeld } from "./marks.js";

const EVERY_MS = 20000;
const [MINUTE, HOUR, DAY] = [60, 3600, 86400];

// In the words of the server's `ago`; null for what it writes as a date, which stays true by itself.
export function ago(seconds) {
  if (seconds < -MINUTE || seconds >= 30 * DAY) return null;
  if (seconds < MINUTE) return "just now";
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min ago`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h ago`;
  return `${Math.floor(seconds / DAY)} d ago`;
}

export function followTimes() {
  const server_ms = Number(document.getElementById("main").dataset.now);
  const begun_ms = performance.now();
  setInterval(() => {
    if (document.visibilityState !== "visible") return;
    const now_ms = server_ms + performance.now() - begun_ms;
    for (const time of document.querySelectorAll("time[datetime]")) {
      const words = ago((now_ms - Date.parse(time.dateTime)) / 1000);
      if (words !== null && /^just now$| ago$/.test(time.textContent) && time.textContent !== words && !isHeld(time)) time.textContent = words;
    }
  }, EVERY_MS);
}
