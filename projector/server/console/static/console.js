// Betters what works without it: keys, the theme, copying, parts that are polled, charts.

const policy = window.trustedTypes?.createPolicy("console", { createHTML: text => text });
const html = text => (policy ? policy.createHTML(text) : text);

// `/` goes to the search field, as in many tools.
document.addEventListener("keydown", event => {
  const inField = event.target.closest("input, select, textarea, [contenteditable]");
  if (event.key === "/" && !inField && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const field = document.querySelector("[data-search]");
    if (field) {
      event.preventDefault();
      field.focus();
      field.select();
    }
  }
});

// The answer to a form that says so is sent for at once.
document.addEventListener("change", event => {
  event.target.closest("form[data-auto]")?.requestSubmit();
});

// Copying.
document.addEventListener("click", async event => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  const text = button.dataset.text ?? source?.innerText ?? "";
  try {
    await navigator.clipboard.writeText(text.trim());
    say(button.dataset.done ?? "Copied");
    const before = button.textContent;
    if (before.trim()) {
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = before), 1500);
    }
  } catch {
    say("Could not copy");
  }
});

document.addEventListener("click", event => {
  if (event.target.closest("[data-print]")) window.print();
  const unfold = event.target.closest("[data-unfold]");
  if (unfold) {
    const all = [...document.querySelectorAll(`${unfold.dataset.unfold} details`)];
    const open = all.some(each => !each.open);
    for (const each of all) each.open = open;
  }
});

function say(text) {
  const status = document.getElementById("status");
  if (status) status.textContent = text;
}

// Parts: an element with data-part is filled again from its URL while the tab is visible.
const TAGS = new WeakMap();

async function poll(element) {
  if (document.visibilityState !== "visible") return;
  // What the reader works in is not replaced under the hands.
  if (element.contains(document.activeElement) && element.dataset.keep !== undefined) return;
  const headers = TAGS.has(element) ? { "If-None-Match": TAGS.get(element) } : {};
  let answer;
  try {
    answer = await fetch(element.dataset.part, { headers, cache: "no-store", redirect: "error" });
  } catch {
    lost(true);
    return;
  }
  lost(false);
  if (answer.status === 304) return;
  if (!answer.ok) {
    lost(true);
    return;
  }
  TAGS.set(element, answer.headers.get("ETag"));
  element.innerHTML = html(await answer.text());
  const ended = element.querySelector("[data-reload]");
  if (ended) location.reload();
}

function lost(is) {
  document.getElementById("lost")?.toggleAttribute("hidden", !is);
  document.getElementById("fresh")?.toggleAttribute("hidden", is);
}

for (const element of document.querySelectorAll("[data-part]")) {
  const milliseconds = 1000 * Number(element.dataset.seconds ?? 5);
  setInterval(() => poll(element), milliseconds);
}

// Charts with points: a cross-hair by pointer and by keys; clicking goes to the point's link.
for (const figure of document.querySelectorAll("[data-points]")) {
  const points = JSON.parse(figure.querySelector("script, template")?.textContent || figure.dataset.points);
  const label = figure.querySelector("[data-label]");
  const hair = figure.querySelector("[data-hair]");
  if (!label || !hair || !points.length) continue;
  let at = points.length - 1;
  const show = index => {
    at = Math.max(0, Math.min(points.length - 1, index));
    const point = points[at];
    hair.setAttribute("x1", `${point.x}%`);
    hair.setAttribute("x2", `${point.x}%`);
    hair.removeAttribute("hidden");
    label.textContent = point.text;
    label.hidden = false;
  };
  figure.addEventListener("pointermove", event => {
    const box = figure.querySelector("svg").getBoundingClientRect();
    const x = (100 * (event.clientX - box.left)) / box.width;
    let best = 0;
    points.forEach((point, i) => {
      if (Math.abs(point.x - x) < Math.abs(points[best].x - x)) best = i;
    });
    show(best);
  });
  figure.addEventListener("keydown", event => {
    const steps = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: points.length - 1 };
    if (event.key in steps) {
      event.preventDefault();
      show(steps[event.key]);
    } else if (event.key === "Enter" && points[at].href) {
      location.href = points[at].href;
    }
  });
  figure.addEventListener("click", () => {
    if (points[at].href && !label.hidden) location.href = points[at].href;
  });
  figure.addEventListener("focus", () => show(at));
}
