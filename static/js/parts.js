// Parts of a page that ask for themselves: one that fails says so in its own place, and the others stand.
(() => {
  const say = (place, why) => {
    const text = `${place.dataset.part}: ${why} It is tried again by itself.`;
    const kept = place.querySelector(".chart-none") === null;
    const line = document.createElement("p");
    line.className = kept ? "part-stale" : "chart-none";
    line.setAttribute("role", "status");
    line.textContent = kept ? `Not up to date. ${text}` : text;
    if (!kept) return place.replaceChildren(line);
    place.querySelector(".part-stale")?.remove();
    place.append(line); // over it, so that nothing moves; the next answer takes it away
  };

  const partOf = (event) => event.detail.elt.closest?.("[data-part]");

  document.addEventListener("htmx:responseError", (event) => {
    const place = partOf(event);
    const status = event.detail.xhr.status;
    if (place && status >= 500) say(place, `Berth could not read this (error ${status}).`);
  });
  document.addEventListener("htmx:sendError", (event) => {
    const place = partOf(event);
    if (place) say(place, "Berth can't be reached.");
  });
})();
