// Berth's own behaviour in the admin: copying identifiers, moments in the viewer's zone, and
// steps that renew themselves without closing what was opened.
"use strict";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.dataset.copied = "";
  setTimeout(() => delete button.dataset.copied, 1500);
});

function localMoments(root) {
  for (const time of root.querySelectorAll("time.b-time")) {
    time.title = new Date(time.dateTime).toLocaleString(undefined, {
      dateStyle: "medium",
      timeStyle: "long",
    });
  }
}

document.addEventListener("DOMContentLoaded", () => localMoments(document));

// What a person opened or closed stays so when the steps are renewed; what they did not touch
// follows the step: open while it runs, closed when it is done.
const touched = new Map();

document.addEventListener("click", (event) => {
  const summary = event.target.closest("#live summary");
  if (summary) touched.set(summary.parentElement.id, !summary.parentElement.open);
});

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id !== "live") return;
  // Logged out meanwhile: the log-in page came instead of the steps.
  if (!event.detail.xhr.responseText.includes('id="live"')) {
    event.detail.shouldSwap = false;
    window.location.reload();
  }
});

document.addEventListener("htmx:afterSettle", () => {
  const live = document.getElementById("live");
  if (!live) return;
  localMoments(live);
  for (const [id, open] of touched) {
    const details = document.getElementById(id);
    if (details) details.open = open;
  }
});

// Rows that nobody has typed anything into wait behind a button.
document.addEventListener("DOMContentLoaded", () => {
  for (const list of document.querySelectorAll("[data-rows]")) {
    const rows = [...list.querySelectorAll("fieldset")];
    const typed = (row) => [...row.querySelectorAll("input, textarea")].some((each) => each.value);
    const waiting = rows.filter((row, at) => at > 0 && !typed(row));
    for (const row of waiting) row.hidden = true;
    const more = document.createElement("button");
    more.type = "button";
    more.className = "b-button";
    more.textContent = list.dataset.rows;
    more.addEventListener("click", () => {
      const row = waiting.shift();
      row.hidden = false;
      row.querySelector("input").focus();
      more.hidden = !waiting.length;
    });
    more.hidden = !waiting.length;
    list.append(more);
  }
});
