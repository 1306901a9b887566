// Small things that a page can do by itself: copy, close, and say what it will be called.
(() => {
  document.addEventListener("click", async (event) => {
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      try {
        await navigator.clipboard.writeText(copy.dataset.copy);
        confirmCopy(copy, "Copied");
      } catch {
        confirmCopy(copy, "Copying is not allowed here");
      }
    }
    const close = event.target.closest("[data-close]");
    if (close) close.closest(".message")?.remove();
    for (const menu of document.querySelectorAll("details.menu[open]"))
      if (!menu.contains(event.target)) menu.removeAttribute("open");
  });

  const confirmCopy = (button, text) => {
    const use = button.querySelector("use");
    const before = use?.getAttribute("href");
    if (use && text === "Copied") use.setAttribute("href", before.replace("#copy", "#check"));
    const status = document.getElementById("said");
    if (status) status.textContent = text;
    button.title = text;
    setTimeout(() => {
      use?.setAttribute("href", before.replace("#check", "#copy"));
      button.title = "Copy";
      if (status) status.textContent = "";
    }, 1500);
  };

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.removeAttribute("open");
      menu.querySelector("summary")?.focus();
    }
  });

  // Good news leaves by itself; what went wrong waits to be closed.
  const expire = () => {
    for (const message of document.querySelectorAll(".message[data-expires]")) {
      message.removeAttribute("data-expires");
      setTimeout(() => message.remove(), 6000);
    }
  };
  document.addEventListener("DOMContentLoaded", expire);
  document.addEventListener("htmx:oobAfterSwap", expire);

  // A form that is on its way is not sent twice by an impatient finger.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.hasAttribute("hx-post")) return;
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "1";
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.forms) delete form.dataset.sent;
  });
})();
