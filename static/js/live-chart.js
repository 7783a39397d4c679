// A time chart that grows at the right: one line for each device, drawn anew at most once a frame.
const SVG = "http://www.w3.org/2000/svg";
const TOP = 22;
const HEIGHT = 190;
const WIDTH = 1000;
const MOST_POINTS = 600;

function niceStep(width, count) {
  const raw = width / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= raw * 0.999);
}

function valueTicks(low, high) {
  if (low === high) {
    const pad = Math.abs(low) * 0.05 || 1;
    [low, high] = [low - pad, high + pad];
  }
  const step = niceStep(high - low, 4);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, place) => Number(((first + place) * step).toPrecision(12)));
}

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

export class LiveChart {
  constructor(figure) {
    this.figure = figure;
    this.frame = figure.querySelector(".series-frame");
    this.lines = new Map();
    this.isDue = false;
  }

  clear(title, unit) {
    this.title = title;
    this.unit = unit;
    this.lines.clear();
    this.figure.hidden = true;
  }

  add(device, time, value) {
    if (!this.lines.has(device)) this.lines.set(device, []);
    const points = this.lines.get(device);
    points.push([time, value]);
    // What comes late belongs further to the left.
    if (points.length > 1 && time < points[points.length - 2][0]) points.sort((one, other) => one[0] - other[0]);
    if (points.length > MOST_POINTS) points.shift();
    if (!this.isDue) {
      this.isDue = true;
      requestAnimationFrame(() => this.draw());
    }
  }

  draw() {
    this.isDue = false;
    const all = [...this.lines.values()].flat();
    if (!all.length) return;
    const times = all.map((point) => point[0]);
    const values = all.map((point) => point[1]);
    const [start, until] = [Math.min(...times), Math.max(...times)];
    const ticks = valueTicks(Math.min(...values), Math.max(...values));
    const [low, high] = [ticks[0], ticks[ticks.length - 1]];
    const across = (time) => (until > start ? (time - start) / (until - start) : 0.5);
    const down = (value) => HEIGHT * (1 - (value - low) / (high - low));
    const chart = element("svg", { class: "series-chart", width: "100%", height: TOP + HEIGHT + 26, role: "img" });
    const last = all.reduce((one, other) => (other[0] >= one[0] ? other : one));
    chart.setAttribute("aria-label", `${this.title}: ${all.length} points, the last ${last[1]} ${this.unit}`);
    this.drawAxes(chart, ticks, down, [start, until]);
    const plot = element("svg", {
      x: 0, y: TOP, width: "100%", height: HEIGHT, overflow: "visible", preserveAspectRatio: "none",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true",
    });
    for (const points of this.lines.values()) {
      const places = points.map(([time, value]) => `${(across(time) * WIDTH).toFixed(1)} ${down(value).toFixed(1)}`);
      plot.append(element("path", { class: "series-line", d: `M${places.join("L")}h.01`, "stroke-linecap": "round" }));
    }
    chart.append(plot);
    for (const [device, points] of this.lines) this.drawEnd(chart, device, points[points.length - 1], across, down);
    this.frame.replaceChildren(chart);
    this.figure.querySelector(".series-title").textContent = this.unit ? `${this.title}, ${this.unit}` : this.title;
    this.figure.hidden = false;
  }

  drawAxes(chart, ticks, down, [start, until]) {
    for (const tick of ticks) {
      const place = TOP + down(tick);
      const kind = tick === ticks[0] ? "series-axis" : "series-grid";
      chart.append(element("line", { class: kind, x1: 0, x2: "100%", y1: place, y2: place }));
      const text = { class: "series-text", x: -8, y: place + 4, "text-anchor": "end" };
      chart.append(element("text", text, tick.toLocaleString(undefined, { maximumSignificantDigits: 7 })));
    }
    const ends = until > start ? [[start, "0%", "start"], [until, "100%", "end"]] : [[start, "50%", "middle"]];
    for (const [time, x, anchor] of ends) {
      const text = { class: "series-text", x, y: TOP + HEIGHT + 22, "text-anchor": anchor };
      chart.append(element("text", text, `${new Date(time).toISOString().slice(11, 19)} UTC`));
    }
  }

  drawEnd(chart, device, [time, value], across, down) {
    const [x, y] = [`${(across(time) * 100).toFixed(2)}%`, TOP + down(value)];
    const words = value.toLocaleString(undefined, { maximumSignificantDigits: 7 });
    const name = this.lines.size > 1 ? `${device}: ${words}` : words;
    const anchor = across(time) > 0.9 ? "end" : "middle";
    chart.append(element("circle", { class: "series-dot", cx: x, cy: y, r: 3 }));
    chart.append(element("text", { class: "series-text series-extreme", x, y: y - 8, "text-anchor": anchor }, name));
  }
}
