// "3 min ago" that stays true, with the exact moment in the viewer's own zone on hover.
(() => {
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

  const ago = (then) => {
    const seconds = Math.max(0, Math.round((Date.now() - then) / 1000));
    if (seconds < 10) return "just now";
    if (seconds < 60) return `${seconds} s ago`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
    if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
    if (seconds < 30 * 86400) {
      const days = Math.floor(seconds / 86400);
      return days === 1 ? "yesterday" : `${days} days ago`;
    }
    return day.format(then);
  };

  const elapsed = (since) => {
    const seconds = Math.max(0, Math.floor((Date.now() - since) / 1000));
    if (seconds < 60) return `${seconds} s`;
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
    return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  };

  const write = (node, text) => {
    if (node.textContent !== text) node.textContent = text;
  };

  const tick = () => {
    for (const node of document.querySelectorAll("time[data-ago]")) {
      const then = new Date(node.dateTime);
      write(node, ago(then));
      node.title = exact.format(then);
    }
    for (const node of document.querySelectorAll("time[data-exact]")) {
      const then = new Date(node.dateTime);
      node.title = exact.format(then);
    }
    for (const node of document.querySelectorAll("time[data-elapsed]"))
      write(node, elapsed(new Date(node.dateTime)));
  };

  document.addEventListener("DOMContentLoaded", tick);
  document.addEventListener("htmx:afterSwap", tick);
  document.addEventListener("htmx:oobAfterSwap", tick);
  setInterval(() => document.hidden || tick(), 1000);
})();
