// Proposes the browser's own time zone where a form asks for one. What somebody chose before is marked as selected.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

for (const select of document.querySelectorAll("[data-propose-time-zone]")) {
  const isChosen = select.querySelector("option[selected]") !== null;
  const isKnown = [...select.options].some((option) => option.value === zone);
  if (!isChosen && isKnown) select.value = zone;
}
