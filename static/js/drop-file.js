// Files dropped anywhere on the form go to the fields that they are for, told apart by their names.
const named = (pattern) => (file) => pattern.test(file.name);

function choose(field, file) {
  const one = new DataTransfer();
  one.items.add(file);
  field.files = one.files;
}

async function sort(form, files) {
  const rules = [
    [named(/\.evidence\.jsonl$/i), form.elements.evidence],
    [named(/^disclosure.*\.json$/i), form.elements.disclosure],
    [named(/\.json$/i), form.elements.entry],
    [named(/^policy/i), form.elements.policy],
    [() => true, form.elements.receipt ?? form.elements.download],
  ].filter(([, field]) => field);
  for (const file of files) {
    const field = rules.find(([fits]) => fits(file))[1];
    if (field.type === "file") choose(field, file);
    else field.value = await file.text();
    const folded = field.closest("details");
    if (folded) folded.open = true;
  }
  const names = [...files].map((file) => file.name).join(", ");
  form.querySelector("[data-drop-said]").textContent = `${names}: ready to be checked.`;
  form.querySelector("[type=submit]").focus();
}

for (const form of document.querySelectorAll("[data-drop-form]")) {
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
    sort(form, event.dataTransfer.files);
  });
}
