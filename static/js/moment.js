// A slider that moves a day and time along, minute by minute, in a zone that may not be the viewer's.
(() => {
  const local = (moment, zone) => {
    const parts = new Intl.DateTimeFormat("en-CA", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
    }).formatToParts(moment);
    const part = Object.fromEntries(parts.map((each) => [each.type, each.value]));
    return `${part.year}-${part.month}-${part.day}T${part.hour}:${part.minute}`;
  };

  const after = (range, minutes) => new Date(Date.parse(range.dataset.from) + minutes * 60000);

  const bind = (range) => {
    const field = document.getElementById(range.dataset.momentFor);
    if (!field) return;
    const said = () => {
      const text = local(after(range, Number(range.value)), range.dataset.zone);
      range.setAttribute("aria-valuetext", text.replace("T", " "));
      return text;
    };
    // The minute whose local time is nearest: whatever the zone does, it grows along the line.
    const place = () => {
      if (!field.value) return;
      let low = 0;
      let high = Number(range.max);
      while (low < high) {
        const middle = Math.ceil((low + high) / 2);
        if (local(after(range, middle), range.dataset.zone) <= field.value.slice(0, 16)) low = middle;
        else high = middle - 1;
      }
      range.value = String(low);
      said();
    };
    range.addEventListener("input", () => {
      field.value = said();
    });
    field.addEventListener("input", place);
    place();
    said();
  };

  document.addEventListener("DOMContentLoaded", () => {
    for (const range of document.querySelectorAll("[data-moment-for]")) bind(range);
  });
})();
