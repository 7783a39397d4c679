// A second click on a button whose form is on its way does nothing, so that nobody adds a device or a consent twice.
// After some seconds the form may be sent again: its answer was a download, or the server never answered.
const REST_MS = 4000;

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  setTimeout(() => delete form.dataset.sent, REST_MS);
});
