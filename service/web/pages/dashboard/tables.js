// Rows that stay the same elements while their contents change, so that focus and selection stay too.

import { fill } from "./text.js";

export function rows(table, items, keyOf, create, update) {
  const body = table.tBodies[0], known = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  items.forEach((item, index) => {
    const key = String(keyOf(item));
    let row = known.get(key);
    if (!row) { row = create(item); row.dataset.key = key; }
    known.delete(key);
    update(row, item);
    if (body.rows[index] !== row) body.insertBefore(row, body.rows[index] ?? null);
  });
  for (const row of known.values()) row.remove();
  table.hidden = items.length === 0;
}

// A row with a cell of each class. On a phone, where the heads are gone, numbers name their column themselves.
export function row(table, ...classes) {
  const made = document.createElement("tr"), heads = table.tHead?.rows[0].cells ?? [];
  classes.forEach((name, index) => {
    const cell = made.insertCell();
    cell.className = name;
    if (heads[index]) cell.dataset.label = heads[index].textContent;
  });
  return made;
}

// The element of that name and class inside `place`, made where it is missing.
export function part(place, name, kind) {
  let found = place.querySelector(`:scope > ${name}.${kind}`);
  if (!found) { found = document.createElement(name); found.className = kind; place.append(found); }
  return found;
}

export function pill(cell, [text, kind], note = "") {
  const mark = part(cell, "span", "pill");
  mark.className = `pill ${kind}`;
  fill(mark, text);
  if (note || cell.querySelector(".note")) fill(part(cell, "span", "note"), note);
}
