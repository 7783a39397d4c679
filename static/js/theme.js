// The theme switch in the footer: as the system, light, dark. Kept in a cookie, which the server writes into the page.
const NAMES = { "": "as the system", light: "light", dark: "dark" };
const ORDER = ["", "light", "dark"];
const YEAR_SECONDS = 31536000;
const root = document.documentElement;

function show(item, theme) {
  item.querySelector("span").textContent = `Theme: ${NAMES[theme]}`;
}

for (const item of document.querySelectorAll("[data-theme-switch]")) {
  item.hidden = false;
  show(item, root.dataset.theme ?? "");
  item.addEventListener("click", () => {
    const theme = ORDER[(ORDER.indexOf(root.dataset.theme ?? "") + 1) % ORDER.length];
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    document.cookie = `theme=${theme}; path=/; max-age=${theme ? YEAR_SECONDS : 0}; samesite=lax`;
    show(item, theme);
  });
}
