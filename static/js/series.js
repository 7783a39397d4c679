// Values of a time chart under the pointer, and by the arrow keys when the chart has the focus.
const SVG = "http://www.w3.org/2000/svg";
const prepared = new WeakMap();

function prepare(chart) {
  if (prepared.has(chart)) return prepared.get(chart);
  const { times, values, places } = JSON.parse(chart.dataset.series);
  const cursor = document.createElementNS(SVG, "line");
  cursor.setAttribute("class", "series-cursor");
  cursor.setAttribute("y1", chart.dataset.top);
  cursor.setAttribute("y2", chart.dataset.bottom);
  const dot = document.createElementNS(SVG, "circle");
  dot.setAttribute("class", "series-point");
  dot.setAttribute("r", "4.5");
  const state = { times, values, places, cursor, dot, index: -1, format: formatFor(chart.dataset.zone) };
  prepared.set(chart, state);
  return state;
}

function formatFor(zone) {
  const options = { dateStyle: "medium", timeStyle: "short" };
  try {
    return new Intl.DateTimeFormat(undefined, { ...options, timeZone: zone });
  } catch {
    return new Intl.DateTimeFormat(undefined, options);
  }
}

function nearest(places, percent) {
  let low = 0;
  let high = places.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (places[middle][0] < percent) low = middle + 1;
    else high = middle;
  }
  const before = Math.max(0, low - 1);
  return percent - places[before][0] < places[low][0] - percent ? before : low;
}

function show(chart, index) {
  const state = prepare(chart);
  state.index = Math.min(state.times.length - 1, Math.max(0, index));
  const [across, down] = state.places[state.index];
  state.cursor.setAttribute("x1", `${across}%`);
  state.cursor.setAttribute("x2", `${across}%`);
  state.dot.setAttribute("cx", `${across}%`);
  state.dot.setAttribute("cy", down);
  chart.append(state.cursor, state.dot);
  const words = state.format.format(new Date(state.times[state.index] * 1000));
  const value = state.values[state.index].toLocaleString(undefined, { maximumSignificantDigits: 7 });
  chart.closest(".series").querySelector("output").textContent = `${value} ${chart.dataset.unit} · ${words}`;
}

function clear(chart) {
  const state = prepare(chart);
  state.cursor.remove();
  state.dot.remove();
  chart.closest(".series").querySelector("output").textContent = "\u00a0";
}

document.addEventListener("pointermove", (event) => {
  const chart = event.target.closest?.("svg[data-series]");
  if (!chart) return;
  const box = chart.getBoundingClientRect();
  show(chart, nearest(prepare(chart).places, ((event.clientX - box.left) / box.width) * 100));
});
document.addEventListener("pointerout", (event) => {
  const chart = event.target.closest?.("svg[data-series]");
  if (chart && !chart.contains(event.relatedTarget)) clear(chart);
});
document.addEventListener("focusin", (event) => {
  if (event.target.matches("svg[data-series]")) show(event.target, Infinity);
});
document.addEventListener("focusout", (event) => {
  if (event.target.matches("svg[data-series]")) clear(event.target);
});
document.addEventListener("keydown", (event) => {
  if (!event.target.matches?.("svg[data-series]")) return;
  const { index, times } = prepare(event.target);
  const leap = Math.max(1, Math.round(times.length / 20));
  const next = { ArrowLeft: index - 1, ArrowRight: index + 1, PageUp: index - leap, PageDown: index + leap, Home: 0, End: Infinity }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  show(event.target, next);
});
