// What a chart says under the pointer, a finger or the arrow keys: a row of the table behind it.
(() => {
  const rowsOf = (figure) => [...(figure.parentElement?.querySelectorAll("tr[data-x]") ?? [])];
  const plotOf = (figure) => figure.querySelector(".chart-drawing").getBoundingClientRect();

  const show = (figure, rows, index) => {
    const row = rows[index];
    if (!row) return;
    const heads = [...row.closest("table").querySelectorAll("thead th")].slice(1);
    const cells = [...row.querySelectorAll("td")];
    const said = cells.map((cell, n) => `${heads[n].textContent}: ${cell.textContent}`);
    const tip = figure.querySelector(".chart-tip");
    const cursor = figure.querySelector(".chart-cursor");
    const x = Number(row.dataset.x);
    tip.textContent = [row.querySelector("th").textContent, ...said].join("\n");
    tip.hidden = false;
    const plot = plotOf(figure);
    const left = plot.left - figure.getBoundingClientRect().left + (plot.width * x) / 100;
    const room = figure.clientWidth - tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(room, left > room - 12 ? left - tip.offsetWidth - 12 : left + 12))}px`;
    for (const end of ["x1", "x2"]) cursor.setAttribute(end, `${x}%`);
    cursor.classList.add("is-shown");
    figure.dataset.index = String(index);
  };

  const hide = (figure) => {
    figure.querySelector(".chart-tip").hidden = true;
    figure.querySelector(".chart-cursor").classList.remove("is-shown");
    delete figure.dataset.index;
  };

  const nearest = (rows, x) => {
    let best = 0;
    rows.forEach((row, index) => {
      if (Math.abs(row.dataset.x - x) < Math.abs(rows[best].dataset.x - x)) best = index;
    });
    return best;
  };

  const follow = (event) => {
    const figure = event.target.closest?.("[data-chart]");
    for (const other of document.querySelectorAll("[data-chart][data-index]"))
      if (other !== figure && other !== document.activeElement) hide(other);
    if (!figure) return;
    const box = plotOf(figure);
    const rows = rowsOf(figure);
    show(figure, rows, nearest(rows, (100 * (event.clientX - box.left)) / box.width));
  };
  document.addEventListener("pointermove", follow);
  document.addEventListener("pointerdown", follow); // a finger that taps does not move

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape")
      return document.querySelectorAll("[data-chart][data-index]").forEach(hide);
    const figure = event.target.closest?.("[data-chart]");
    if (!figure) return;
    const rows = rowsOf(figure);
    const at = Number(figure.dataset.index ?? rows.length);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show(figure, rows, Math.max(0, Math.min(rows.length - 1, to)));
    const status = document.getElementById("said");
    if (status) status.textContent = figure.querySelector(".chart-tip").textContent;
  });

  document.addEventListener("focusout", (event) => {
    if (event.target.matches?.("[data-chart]")) hide(event.target);
  });

  // A table that was scrolled goes on showing the same rows, though older ones may be gone.
  let scrolled = null;
  const rowsIn = (scroll) => [...scroll.querySelectorAll("tbody tr")];
  document.addEventListener("htmx:beforeSwap", (event) => {
    const scroll = event.detail.target.querySelector?.("details[open] .chart-scroll");
    const top = scroll?.scrollTop;
    const row = top ? rowsIn(scroll).find((each) => each.offsetTop >= top) : undefined;
    scrolled = row ? { id: scroll.id, when: row.cells[0].textContent, by: row.offsetTop - top } : null;
  });
  document.addEventListener("htmx:afterSwap", () => {
    const scroll = scrolled && document.getElementById(scrolled.id);
    const same = scroll && rowsIn(scroll).find((row) => row.cells[0].textContent === scrolled.when);
    scroll?.closest("details")?.setAttribute("open", "");
    if (same) scroll.scrollTop = same.offsetTop - scrolled.by;
    scrolled = null;
  });

  // A chart that is drawn anew under a pointer or a key goes on saying what it said.
  let kept = null;
  document.addEventListener("htmx:beforeSwap", (event) => {
    const figure = event.detail.target.querySelector?.("[data-chart]");
    const isHeld = figure && (figure.dataset.index || figure === document.activeElement);
    kept = isHeld
      ? { index: figure.dataset.index, focus: figure === document.activeElement }
      : null;
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const figure = event.detail.target.querySelector?.("[data-chart]");
    if (!kept || !figure) return;
    if (kept.focus) figure.focus({ preventScroll: true });
    if (kept.index) show(figure, rowsOf(figure), Math.min(Number(kept.index), rowsOf(figure).length - 1));
    kept = null;
  });
})();
