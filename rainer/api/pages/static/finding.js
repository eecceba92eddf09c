// Lists: what is typed is searched at once, and the slider moves the namespace through its history.
import { later, show } from "./parts.js";

function addressOf(form) {
  const url = new URL(form.action, location.href);
  for (const [name, value] of new FormData(form)) if (value) url.searchParams.set(name, value);
  return url;
}

export function followSearch() {
  const input = document.querySelector("[data-live-search]");
  if (!input) return;
  const search = later(90, () => show(addressOf(input.form)));
  input.addEventListener("input", search);
  input.form.addEventListener("submit", (event) => {
    event.preventDefault();
    show(addressOf(input.form));
  });
}

export function followSlider() {
  const form = document.querySelector("[data-as-of]");
  if (!form) return;
  const slider = form.querySelector("input[type=range]");
  const output = form.querySelector("output");
  const move = later(60, () => {
    const url = addressOf(form);
    if (slider.value === slider.max) url.searchParams.delete("at");
    show(url);
  });
  slider.addEventListener("input", () => {
    const now = slider.value === slider.max;
    output.textContent = now ? "now" : `r${Number(slider.value).toLocaleString("en")}`;
    move();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    move();
  });
}
