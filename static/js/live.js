// What keeps a page alive without disturbing whoever reads it.
(() => {
  const isPoll = (event) => event.detail.elt.hasAttribute("data-live");
  const offline = (is) => {
    const banner = document.getElementById("offline");
    if (banner) banner.hidden = !is;
  };

  // Nobody looks: nothing is asked. Back again: asked at once.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (isPoll(event) && document.hidden) event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    for (const node of document.querySelectorAll("[data-live]")) htmx.trigger(node, "berth:visible");
  });

  // What was folded out stays so, what had the focus keeps it, and output that was scrolled to its
  // end follows.
  let open = [];
  let focused = "";
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.status === 403 && event.detail.requestConfig.elt.matches("[data-live]")) {
      event.detail.shouldSwap = false;
      return location.reload(); // one may no longer look: the page says so
    }
    const target = event.detail.target;
    open = [...target.querySelectorAll("details[id][open]")].map((each) => each.id);
    focused = target.contains(document.activeElement) ? document.activeElement.id : "";
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    // htmx looks for it while it is still folded away
    if (focused && document.activeElement === document.body)
      document.getElementById(focused)?.focus({ preventScroll: true });
    open = [];
    focused = "";
    follow();
  });
  const follow = () => {
    for (const node of document.querySelectorAll("[data-follow]")) node.scrollTop = node.scrollHeight;
  };
  document.addEventListener("DOMContentLoaded", follow);

  // A server that can't be reached or fails is said once, quietly, until it answers again. A part
  // that says in its own place what failed (parts.js) leaves the page as it is.
  const isPart = (event) => event.detail.elt.hasAttribute("data-part");
  document.addEventListener("htmx:sendError", () => offline(true));
  document.addEventListener("htmx:afterOnLoad", (event) => {
    if (event.detail.xhr.status < 500) offline(false);
  });
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status >= 500) {
      if (!isPart(event)) offline(true);
    } else if (isPoll(event)) location.reload(); // it is gone, or not ours any more
  });
})();
