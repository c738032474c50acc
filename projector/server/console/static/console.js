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

// Charts of days: a cross-hair by pointer and by keys; a click or Enter opens the day.
// data-points: {last: the last day, step: days between points, names, values: by name, href}.
const DAY = { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" };

function cross(figure) {
  const { last, step, names, values, href } = JSON.parse(figure.dataset.points);
  const count = values[0].length;
  const label = figure.querySelector("[data-label]");
  const hair = figure.querySelector("[data-hair]");
  const drawing = figure.querySelector("svg");
  let at = count - 1;
  const day = () => new Date(Date.parse(last) - (count - 1 - at) * step * 86400000);
  const show = index => {
    at = Math.max(0, Math.min(count - 1, index));
    const x = count > 1 ? (100 * at) / (count - 1) : 0;
    hair.setAttribute("x1", `${x}%`);
    hair.setAttribute("x2", `${x}%`);
    hair.removeAttribute("hidden");
    const sizes = names.map((name, n) => `${values[n][at].toLocaleString("en")} ${name}`);
    label.textContent = `${day().toLocaleDateString("en-GB", DAY)}: ${sizes.join(", ")}`;
    label.style.left = `${x}%`;
    label.style.translate = `${-x}% 0`;
    label.hidden = false;
  };
  const hide = () => {
    label.hidden = true;
    hair.setAttribute("hidden", "");
  };
  const open = () => (location.href = href + day().toISOString().slice(0, 10));
  drawing.addEventListener("pointermove", event => {
    const box = drawing.getBoundingClientRect();
    show(Math.round(((event.clientX - box.left) / box.width) * (count - 1)));
  });
  figure.addEventListener("pointerleave", () => figure === document.activeElement || hide());
  figure.addEventListener("keydown", event => {
    const steps = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: count - 1 };
    if (event.key in steps) {
      event.preventDefault();
      show(steps[event.key]);
      say(label.textContent);
    } else if (event.key === "Enter" && event.target === figure) {
      open();
    }
  });
  drawing.addEventListener("click", () => label.hidden || open());
  figure.addEventListener("focus", () => show(at));
  figure.addEventListener("blur", hide);
}

document.querySelectorAll("[data-points]").forEach(cross);
