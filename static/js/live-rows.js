// Watch live: new rows go into the table and the chart as they come. Paused, nothing is read and nothing is lost.
import { LiveChart } from "./live-chart.js";

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30000;
const KEPT_ROWS = 600;

const section = document.querySelector("[data-live]");
const button = section.querySelector("[data-live-switch]");
const state = section.querySelector(".live-state");
const choice = section.querySelector(".live-choice");
const select = choice.querySelector("select");
const body = section.querySelector("tbody");
const names = [...section.querySelectorAll("th")].map((head) => head.dataset.column);
const chart = new LiveChart(section.querySelector("figure"));

let source = null;
let timer = 0;
let lastId = "";
let waitMs = FIRST_WAIT_MS;
let isWanted = false;
let kept = [];

function say(words, kind) {
  state.textContent = words;
  state.dataset.kind = kind;
}

function name(words) {
  button.querySelector("span").textContent = words;
}

function stop(words, kind) {
  isWanted = false;
  clearTimeout(timer);
  source?.close();
  source = null;
  if (kind === "ended") name("Try again");
  else name(lastId ? "Go on" : "Watch live");
  say(words, kind);
}

function comeBack() {
  source?.close();
  source = null;
  if (!isWanted) return;
  say("The connection broke. Trying again …", "waiting");
  timer = setTimeout(connect, waitMs);
  waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
}

async function connect() {
  let answer;
  let found;
  try {
    answer = await fetch(section.dataset.link, { headers: { Accept: "application/json" } });
    found = await answer.json();
  } catch {
    comeBack();
    return;
  }
  if (!isWanted) return;
  if (!answer.ok) {
    stop(found.message ?? "This page is out of date. Load it again.", "ended");
    return;
  }
  const address = new URL(found.url);
  if (lastId) address.searchParams.set("last_event_id", lastId);
  source = new EventSource(address);
  source.addEventListener("opened", (event) => {
    lastId = event.lastEventId;
    waitMs = FIRST_WAIT_MS;
    say("Connected. New rows appear by themselves.", "live");
  });
  source.addEventListener("readings", (event) => {
    take(JSON.parse(event.data).data.rows);
    lastId = event.lastEventId;
  });
  source.addEventListener("ended", (event) => {
    const { code, message } = JSON.parse(event.data).data;
    // Nothing was lost by being slow, so this alone is no end.
    if (code === "reader_too_slow") comeBack();
    else stop(`Ended: ${message}`, "ended");
  });
  source.addEventListener("error", comeBack);
}

function take(rows) {
  kept = [...kept, ...rows].slice(-KEPT_ROWS);
  for (const row of rows) draw(row);
  const newest = rows.slice(-section.dataset.most).reverse();
  body.prepend(...newest.map(line));
  while (body.rows.length > section.dataset.most) body.lastElementChild.remove();
  section.querySelector(".live-table").hidden = false;
  section.querySelector(".live-empty").hidden = true;
}

function line(row) {
  const made = document.createElement("tr");
  for (const column of names) {
    const cell = made.insertCell();
    const value = row[column];
    if (typeof value === "string") cell.textContent = column === "time" ? value.replace(/\.?0+Z$/, "Z") : value;
    else cell.textContent = value?.toLocaleString("en", { maximumFractionDigits: 20 }).replace("-", "\u2212") ?? "–";
    if (column !== "time" && column !== "device") cell.className = "number";
  }
  return made;
}

function draw(row) {
  const value = row[select.value];
  if (typeof value === "number") chart.add(row.device, Date.parse(row.time), value);
}

function chooseField() {
  const option = select.selectedOptions[0];
  chart.clear(option.textContent, option.dataset.unit);
  for (const row of kept) draw(row);
}

button.addEventListener("click", () => {
  if (isWanted) {
    stop("Paused. What comes meanwhile is not lost: it comes when you go on.", "paused");
    return;
  }
  isWanted = true;
  name("Pause");
  say("Connecting …", "waiting");
  connect();
});
select.addEventListener("change", chooseField);
chooseField();
button.hidden = false;
choice.hidden = select.options.length < 2;
