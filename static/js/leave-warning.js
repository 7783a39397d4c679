// A secret that is shown once: leaving asks, until it was copied or downloaded.
const section = document.querySelector("[data-leave-warning]");
let isSaved = !section;

function ask(event) {
  if (!isSaved && document.contains(section)) event.preventDefault();
}

function download(link) {
  const text = document.getElementById(link.dataset.downloadFrom).textContent;
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = link.dataset.fileName;
}

if (section) {
  window.addEventListener("beforeunload", ask);
  for (const link of section.querySelectorAll("[data-download-from]")) {
    download(link);
    link.hidden = false;
  }
  section.addEventListener("click", (event) => {
    if (event.target.closest("[data-saved]")) isSaved = true;
  });
  section.addEventListener("copy", () => { isSaved = true; });
}
