// Small charts in SVG. Widths are in a fixed coordinate system that the page stretches; text is not stretched.

const GAP = 6; // values that a line may do without
const NS = "http://www.w3.org/2000/svg";

export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function path(values, width, height, top) {
  const step = width / Math.max(1, values.length - 1);
  let text = "", last = -Infinity;
  values.forEach((value, index) => {
    if (value === null) return;
    const x = (index * step).toFixed(1), y = (height - (value / top) * height).toFixed(1);
    text += index - last > GAP ? `M${x} ${y}h0.01` : `L${x} ${y}`; // a lone value is a dot
    last = index;
  });
  return text;
}

// A line without axes.
export function sparkline(place, values, label, kind = "") {
  const top = Math.max(...values.map((value) => value ?? 0), 1e-9);
  place.replaceChildren(svg("svg", { viewBox: "0 -2 100 34", preserveAspectRatio: "none", role: "img", "aria-label": label },
    svg("path", { d: path(values, 100, 30, top), class: `line ${kind}` })));
}

function nice(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((factor) => factor * power).find((candidate) => candidate >= value);
}

// Axes, and what `draw` puts between them: it gets the plot's width, its height and the top of its scale.
function plot(place, highest, minutes, label, format, draw) {
  const width = place.clientWidth || 500, height = place.clientHeight || 160, left = 38, bottom = 20, right = 6, head = 8;
  const inner = { width: width - left - right, height: height - bottom - head }, top = nice(highest);
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  for (const share of [0, 0.5, 1]) {
    const y = head + inner.height * (1 - share);
    root.append(svg("line", { x1: left, x2: width - right, y1: y, y2: y, class: "grid" }),
      svg("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, format(top * share)));
  }
  for (const back of [minutes, (minutes * 2) / 3, minutes / 3, 0]) {
    const x = left + inner.width * (1 - back / minutes);
    root.append(svg("text", { x, y: height - 4, "text-anchor": back === 0 ? "end" : back === minutes ? "start" : "middle" },
      back === 0 ? "now" : `−${back} min`));
  }
  const group = svg("g", { transform: `translate(${left} ${head})` });
  draw(group, inner.width, inner.height, top);
  root.append(group);
  place.replaceChildren(root);
}

export function bars(place, points, label, minutes) {
  const highest = Math.max(...points.map(([ok, failed]) => ok + failed), 1);
  plot(place, highest, minutes, label, (value) => String(Math.round(value * 10) / 10), (group, width, height, top) => {
    const slot = width / points.length, bar = Math.max(1, slot - 1.5);
    points.forEach(([ok, failed], index) => {
      const x = index * slot + (slot - bar) / 2, good = (ok / top) * height, bad = (failed / top) * height;
      if (ok) group.append(svg("rect", { x, y: height - good, width: bar, height: good, class: "bar-ok" }));
      if (failed) group.append(svg("rect", { x, y: height - good - bad, width: bar, height: bad, class: "bar-bad" }));
    });
  });
}

export function lines(place, series, label, minutes) {
  const highest = Math.max(...series.flatMap(({ values }) => values.map((value) => value ?? 0)), 0.01);
  plot(place, highest, minutes, label, (value) => String(Number(value.toPrecision(2))), (group, width, height, top) => {
    for (const { values, kind } of series) group.append(svg("path", { d: path(values, width, height, top), class: `line ${kind}` }));
  });
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

export function share(place, value, of) {
  place.replaceChildren(svg("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", class: "share", "aria-hidden": "true" },
    svg("rect", { width: 100, height: 10, class: "ground" }), svg("rect", { width: of ? (100 * value) / of : 0, height: 10 })));
}
