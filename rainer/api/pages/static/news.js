// The bar that tells what is new: it lies over the page's foot, so that nothing moves, and goes when it is told to.

const bar = document.getElementById("news");

export function count(amount, one, many) {
  return `${amount.toLocaleString("en")} ${amount === 1 ? one : many}`;
}

export function hideNews() {
  if (bar.contains(document.activeElement)) document.getElementById("main").focus({ preventScroll: true });
  bar.hidden = true;
  bar.replaceChildren();
}

function wayOf({ words, go, href, key, aside }) {
  const way = document.createElement(href ? "a" : "button");
  way.textContent = words;
  if (href) {
    way.className = "button";
    way.href = href;
    if (aside) {
      way.target = "_blank";
      way.rel = "noopener";
    }
  } else way.type = "button";
  if (key) {
    way.dataset.key = key;
    way.title = `Key ${key}`;
  }
  if (go) way.addEventListener("click", go);
  return way;
}

// Says something, with ways to go on: {words, href | go, key, aside} each.
export function showNews(words, ways) {
  const text = document.createElement("span");
  text.className = "words";
  text.textContent = words;
  const away = document.createElement("button");
  away.type = "button";
  away.className = "quiet square";
  away.setAttribute("aria-label", "Dismiss");
  away.textContent = "×";
  away.addEventListener("click", hideNews);
  const hadFocus = bar.contains(document.activeElement);
  bar.replaceChildren(text, ...ways.map(wayOf), away);
  bar.hidden = false;
  if (hadFocus) bar.querySelector("button, a").focus({ preventScroll: true });
}
