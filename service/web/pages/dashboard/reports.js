// The tables that only some services have: runs of sites that fail, egresses, instances of a fleet.

import { fill, get, duration, number, percent, put } from "./text.js";
import { part, pill, row, rows } from "./tables.js";

const EGRESS = { usable: ["usable", "good"], probing: ["probing", "warn"], quarantined: ["left out", "bad"] };

// A card with a table of `items`, hidden without any.
function card(name, items, keyOf, classes, update) {
  get(`${name}-card`).hidden = items.length === 0;
  rows(get(name), items, keyOf, () => row(get(name), ...classes), update);
}

export function runs(shot) {
  card("runs", shot.runs, ({ site, ytdlp, egress }) => `${site} ${ytdlp} ${egress}`, ["name", "", "", "number", "wide"], (made, each) => {
    const [site, release, egress, answered, failures] = made.cells, all = each.outcomes.reduce((total, [, count]) => total + count, 0);
    fill(site, each.site);
    fill(release, each.ytdlp);
    fill(egress, each.egress || "–");
    fill(answered, percent(all - each.outcomes.reduce((total, [outcome, count]) => total + (outcome === "OK" ? 0 : count), 0), all));
    fill(failures, each.outcomes.filter(([outcome]) => outcome !== "OK").map(([outcome, count]) => `${outcome} ${number(count)}`).join(", ") || "none");
  });
}

export function egresses(shot) {
  card("egresses", shot.egresses, ({ name }) => name, ["name", "", "", "number", "number", "wide"], (made, egress) => {
    const [name, place, state, jobs, blamed, sites] = made.cells;
    fill(name, egress.name);
    fill(place, egress.class || "–");
    pill(state, EGRESS[egress.state] ?? [egress.state, "warn"]);
    fill(jobs, number(egress.jobs));
    fill(blamed, number(egress.failures));
    fill(sites, egress.quarantined.map(({ site, secondsLeft }) => `${site} for ${duration(secondsLeft)}`).join(", ") || "–");
  });
}

// A heartbeat comes every 5 s.
const LATE = 10;
const worry = (each) => (each.phase === "ready" ? 0 : 4) + (each.age > LATE ? 2 : 0) + (Object.keys(each.breakers).length ? 1 : 0);

function various(instances, valueOf, what) {
  const number = new Set(instances.map(valueOf)).size;
  return number > 1 ? [`${number} ${what}`] : [];
}

// Those with trouble first, the others by name, so that rows move only where something happens.
export function instances(shot) {
  const all = [...shot.instances].sort((one, other) => worry(other) - worry(one)), away = all.filter(({ phase }) => phase !== "ready").length;
  put("fleet", [
    number(all.length), ...(away ? [`${away} not ready`] : []),
    ...various(all, ({ version }) => version, "versions"), ...various(all, ({ ytdlp }) => ytdlp, "releases of yt-dlp"),
    `${number(sum(all, "busy"))} of ${number(sum(all, "workers"))} workers busy`,
  ].join(" · "));
  card("instances", all, ({ id }) => id, ["name", "", "", "number", "number", "number", "wide"], (made, each) => {
    const [name, version, phase, load, queue, hits, troubles] = made.cells;
    fill(part(name, "span", "site"), each.name);
    fill(part(name, "span", "note"), each.id === shot.instance ? "this one" : each.age > LATE ? `heard ${duration(each.age)} ago` : "");
    fill(version, `${each.version} · yt-dlp ${each.ytdlp}`);
    pill(phase, [each.phase, each.phase === "ready" ? "good" : "warn"]);
    fill(load, `${each.busy} of ${each.workers}`);
    fill(queue, number(each.queue));
    fill(hits, percent(each.hits + each.shared_hits, each.hits + each.misses));
    fill(troubles, Object.entries(each.breakers).map(([site, state]) => `${site} ${state.toLowerCase().replace("_", "-")}`).join(", ") || "–");
  });
}

const sum = (items, name) => items.reduce((total, each) => total + each[name], 0);

export function options(shot) {
  const told = Object.entries(shot.options).map(([site, names]) => `${site === "*" ? "all sites" : site}: ${names.join(", ")}`);
  put("options", told.length ? `Options in force: ${told.join("; ")}.` : "");
}
