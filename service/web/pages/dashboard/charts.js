// Small charts in SVG. Widths are in a fixed coordinate system that the page stretches; text is not stretched.

import { fill } from "./text.js";

const GAP = 6; // values that a line may do without
const NS = "http://www.w3.org/2000/svg";
const FRAME = { left: 38, right: 6, top: 8, bottom: 20 };

function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function path(values, width, height, top) {
  const step = width / values.length;
  let text = "", last = -Infinity;
  values.forEach((value, index) => {
    if (value === null) return;
    const x = ((index + 0.5) * step).toFixed(1), y = (height - (value / top) * height).toFixed(1);
    text += index - last > GAP ? `M${x} ${y}h0.01` : `L${x} ${y}`; // a lone value is a dot
    last = index;
  });
  return text;
}

// A line without axes; nothing where all is zero.
export function sparkline(place, values, label, kind = "") {
  const top = Math.max(...values.map((value) => value ?? 0)), drawn = top > 0 ? path(values, 100, 30, top) : "";
  place.replaceChildren(svg("svg", { viewBox: "0 -2 100 34", preserveAspectRatio: "none", role: "img", "aria-label": label },
    svg("path", { d: drawn, class: `line ${kind}` })));
}

function nice(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((factor) => factor * power).find((candidate) => candidate >= value);
}

// Axes, and what `draw` puts between them, from `seconds` ago until now. It tells the values of a moment, which the
// pointer or the arrow keys choose: it is a slider without a knob.
export class Chart {
  #place; #tip; #tell = () => ""; #count = 0; #at = null;

  constructor(place, label) {
    this.#place = place;
    this.#tip = document.createElement("div");
    this.#tip.className = "tip";
    this.#tip.setAttribute("aria-hidden", "true"); // a screen reader has aria-valuetext
    place.append(this.#tip);
    for (const [name, value] of Object.entries({ role: "slider", tabindex: "0", "aria-label": label, "aria-valuemin": "0" })) place.setAttribute(name, value);
    place.addEventListener("pointermove", (event) => this.#choose(this.#under(event)));
    place.addEventListener("pointerdown", (event) => this.#choose(this.#under(event)));
    place.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") this.#choose(null); });
    place.addEventListener("focus", () => { if (this.#at === null) this.#choose(this.#count - 1); });
    place.addEventListener("blur", () => this.#choose(null));
    place.addEventListener("keydown", (event) => this.#key(event));
  }

  // `draw` gets a group, the plot's width, its height and the top of its scale; `tell` the number of a moment.
  show({ count, highest, seconds, format, draw, tell }) {
    const width = this.#place.clientWidth || 500, height = this.#place.clientHeight || 160, { left, right, top: head, bottom } = FRAME;
    const inner = { width: width - left - right, height: height - bottom - head }, top = nice(highest);
    const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    for (const share of [0, 0.5, 1]) {
      const y = head + inner.height * (1 - share);
      root.append(svg("line", { x1: left, x2: width - right, y1: y, y2: y, class: "grid" }),
        svg("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, format(top * share)));
    }
    const [unit, name] = seconds > 7200 ? [3600, "h"] : [60, "min"];
    for (const back of [1, 2 / 3, 1 / 3, 0]) {
      root.append(svg("text", { x: left + inner.width * (1 - back), y: height - 4, "text-anchor": back === 0 ? "end" : back === 1 ? "start" : "middle" },
        back === 0 ? "now" : `−${Math.round((seconds * back) / unit)} ${name}`));
    }
    const group = svg("g", { transform: `translate(${left} ${head})` });
    draw(group, inner.width, inner.height, top);
    root.append(group);
    this.#place.querySelector("svg")?.remove();
    this.#place.prepend(root);
    this.#place.setAttribute("aria-valuemax", String(count - 1));
    [this.#count, this.#tell] = [count, tell];
    if (!this.#place.hasAttribute("aria-valuetext")) this.#speak(count - 1);
    this.#mark();
  }

  #under(event) {
    const { left: start, width } = this.#place.getBoundingClientRect(), inner = width - FRAME.left - FRAME.right;
    return Math.max(0, Math.min(this.#count - 1, Math.floor(((event.clientX - start - FRAME.left) / inner) * this.#count)));
  }

  #key(event) {
    const at = this.#at ?? this.#count - 1, last = this.#count - 1;
    const to = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, PageDown: at - 10, PageUp: at + 10, Home: 0, End: last, Escape: null }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#choose(to === null ? null : Math.max(0, Math.min(last, to)));
  }

  #choose(at) {
    this.#at = at;
    if (at !== null) this.#speak(at);
    this.#mark();
  }

  // Said when a moment is chosen, and not again when its values change: that would be every second.
  #speak(at) {
    this.#place.setAttribute("aria-valuenow", String(at));
    this.#place.setAttribute("aria-valuetext", this.#tell(at));
  }

  #mark() {
    const root = this.#place.querySelector("svg"), shown = this.#at !== null && root !== null;
    this.#tip.hidden = !shown;
    root?.querySelector(".cursor")?.remove();
    if (!shown) return;
    const { clientWidth: width, clientHeight: height } = this.#place;
    const x = FRAME.left + ((this.#at + 0.5) / this.#count) * (width - FRAME.left - FRAME.right);
    root.append(svg("line", { x1: x, x2: x, y1: FRAME.top, y2: height - FRAME.bottom, class: "cursor" }));
    fill(this.#tip, this.#tell(this.#at));
    this.#tip.style.left = `${Math.max(0, Math.min(width - this.#tip.offsetWidth, x - this.#tip.offsetWidth / 2))}px`;
  }
}

// Columns of parts on each other; `points` are lists of numbers, `kinds` the classes of the parts from the ground up.
export function columns(chart, points, kinds, seconds, tell) {
  const highest = Math.max(...points.map((parts) => parts.reduce((sum, part) => sum + part, 0)), 1);
  chart.show({ count: points.length, highest, seconds, tell, format: (value) => String(Math.round(value * 10) / 10), draw: (group, width, height, top) => {
    const slot = width / points.length, bar = Math.max(1, slot - 1.5);
    points.forEach((parts, index) => {
      let y = height;
      parts.forEach((part, place) => {
        if (!part) return;
        const high = (part / top) * height, gap = y < height && high > 2 ? 1 : 0; // parts of like brightness need a gap
        y -= high;
        group.append(svg("rect", { x: index * slot + (slot - bar) / 2, y, width: bar, height: high - gap, class: kinds[place] }));
      });
    });
  } });
}

export function lines(chart, series, seconds, tell) {
  const highest = Math.max(...series.flatMap(({ values }) => values.map((value) => value ?? 0)), 0.01);
  chart.show({ count: series[0].values.length, highest, seconds, tell, format: (value) => String(Number(value.toPrecision(2))), draw: (group, width, height, top) => {
    for (const { values, kind } of series) group.append(svg("path", { d: path(values, width, height, top), class: `line ${kind}` }));
  } });
}

// Where a breaker stood in the last `seconds`; `moves` are [age, state, reason], the oldest first. What lasted
// too briefly to be seen is made wide enough.
export function timeline(place, moves, state, seconds, uptime, label) {
  const segments = [], least = seconds / 60;
  let from = Math.min(seconds, uptime), current = moves.length ? "CLOSED" : state;
  for (const [age, to] of moves) {
    if (age < from) { segments.push([from, age, current]); from = age; }
    current = to;
  }
  segments.push([from, 0, current]);
  const bar = ([start, end, name]) => {
    const width = name === "CLOSED" ? start - end : Math.max(start - end, least);
    return svg("rect", { x: Math.min(seconds - start, seconds - width), width, height: 10, class: name });
  };
  const trouble = ({ 2: name }) => name !== "CLOSED";
  place.replaceChildren(svg("svg", { viewBox: `0 0 ${seconds} 10`, preserveAspectRatio: "none", class: "timeline", role: "img", "aria-label": label },
    svg("rect", { width: seconds, height: 10, class: "none" }),
    ...segments.filter((segment) => !trouble(segment)).map(bar), ...segments.filter(trouble).map(bar)));
}

export function share(place, value, of, kind) {
  place.replaceChildren(svg("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", class: "share", "aria-hidden": "true" },
    svg("rect", { width: 100, height: 10, class: "ground" }), svg("rect", { width: of ? (100 * value) / of : 0, height: 10, class: kind })));
}
