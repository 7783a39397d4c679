// Sends the form of one API act with the session's cookie and shows the answer below it.
const csrfToken = JSON.parse(document.body.getAttribute("hx-headers:inherited"))["X-CSRFToken"];

function inputsAt(form, place) {
  return [...form.querySelectorAll(`[data-api-place="${place}"]`)].filter((input) => input.value !== "");
}

function addressOf(form) {
  let path = form.dataset.apiPath;
  for (const input of inputsAt(form, "path")) {
    path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
  }
  const query = new URLSearchParams(inputsAt(form, "query").map((input) => [input.name, input.value]));
  return query.size ? `${path}?${query}` : path;
}

function requestOf(form) {
  const headers = { "X-CSRFToken": csrfToken, Accept: "application/json" };
  for (const input of inputsAt(form, "header")) headers[input.name] = input.value;
  const body = inputsAt(form, "body")[0]?.value;
  if (body) headers["Content-Type"] = "application/json";
  return { method: form.dataset.apiMethod.toUpperCase(), headers, body };
}

function readable(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("[data-api-path]");
  if (!form) return;
  event.preventDefault();
  const answer = form.parentElement.querySelector(".operation-answer");
  const [line, bytes] = answer.children;
  answer.hidden = false;
  line.textContent = "Sending …";
  bytes.textContent = "";
  const begun = performance.now();
  try {
    const response = await fetch(addressOf(form), requestOf(form));
    bytes.textContent = readable(await response.text());
    line.textContent = `${response.status} ${response.statusText}, ${Math.round(performance.now() - begun)} ms`;
  } catch {
    line.textContent = "The server could not be reached. Check your connection and send again.";
  }
});
