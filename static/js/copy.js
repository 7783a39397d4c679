// Buttons with data-copy (a text) or data-copy-from (the id of an element) put it on the clipboard.
const SHOWN_MS = 1600;

function textOf(button) {
  const source = button.dataset.copyFrom;
  return source ? document.getElementById(source)?.textContent ?? "" : button.dataset.copy;
}

function copyBySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

async function copyText(text) {
  // navigator.clipboard is missing on http addresses other than localhost.
  if (!navigator.clipboard) return copyBySelection(text);
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (!button) return;
  const done = await copyText(textOf(button));
  const word = button.querySelector("span") ?? button;
  const before = button.dataset.word ?? word.textContent;
  button.dataset.word = before;
  word.textContent = done ? "Copied" : "Select and copy by hand";
  button.toggleAttribute("data-done", done);
  setTimeout(() => {
    word.textContent = before;
    button.removeAttribute("data-done");
  }, SHOWN_MS);
});
