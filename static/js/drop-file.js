// A file that is dropped anywhere on the form becomes the one that its field has chosen.
for (const form of document.querySelectorAll("[data-drop-form]")) {
  const field = form.querySelector("input[data-drop]");
  form.addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    form.dataset.over = "";
  });
  form.addEventListener("dragleave", () => delete form.dataset.over);
  form.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    delete form.dataset.over;
    field.files = event.dataTransfer.files;
  });
}
