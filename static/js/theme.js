// Runs before anything is painted, so that a remembered theme never flashes.
(() => {
  const root = document.documentElement;
  const remembered = () => {
    try {
      return localStorage.getItem("berth-theme") || "system";
    } catch {
      return "system"; // storage may be forbidden
    }
  };
  const apply = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
    for (const button of document.querySelectorAll("[data-theme-choice]"))
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === theme));
  };

  root.classList.add("scripted");
  apply(remembered());
  document.addEventListener("DOMContentLoaded", () => apply(remembered()));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-choice]");
    if (!button) return;
    try {
      localStorage.setItem("berth-theme", button.dataset.themeChoice);
    } catch {
      // then it lasts until the page is left
    }
    apply(button.dataset.themeChoice);
  });
})();
