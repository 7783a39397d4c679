// A secret that is shown once: leaving asks, until it was copied or downloaded.
const section = document.querySelector("[data-leave-warning]");
let isSaved = !section;

function ask(event) {
  if (!isSaved && document.contains(section)) event.preventDefault();
}

if (section) {
  window.addEventListener("beforeunload", ask);
  section.addEventListener("click", (event) => {
    if (event.target.closest("[data-saved]")) isSaved = true;
  });
  section.addEventListener("copy", () => { isSaved = true; });
}
