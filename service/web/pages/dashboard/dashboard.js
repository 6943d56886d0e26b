// The dashboard: shows each snapshot of the service's stream. No framework, no build step.

import { account, buttons, refused, releaseActions, siteActions } from "./admin.js";
import { Chart, columns, lines, share, sparkline, timeline } from "./charts.js";
import { egresses, instances, options, runs } from "./reports.js";
import { follow } from "./stream.js";
import { part, pill, row, rows } from "./tables.js";
import { bytes, clock, duration, fill, get, number, percent, plural, precise, put } from "./text.js";

const GROUPS = ["answered", "declined", "failed"]; // only the last is trouble
const SAID = ["answered", "the site said no", "failed"];
const STATES = { CLOSED: ["closed", "good"], HALF_OPEN: ["half-open", "warn"], OPEN: ["open", "bad"] };
const MODES = { FORCED_OPEN: ["blocked", "bad"], DISABLED: ["let through", "mark"], METRICS_ONLY: ["counting only", "mark"] };
const WORKER = { idle: "", busy: "mark", booting: "warn", ending: "warn" };

const throughput = new Chart(get("throughput-chart"), "Jobs"), latency = new Chart(get("latency-chart"), "Latency");
let latest = null, lostAt = "";

function range(shot) {
  const name = document.querySelector("input[name=range]:checked").value, { bucket, points, codes } = shot.ranges[name];
  for (const place of document.querySelectorAll(".range")) fill(place, name);
  return { name, bucket, points, codes, seconds: points.length * bucket };
}

const sum = (points, place) => points.reduce((total, point) => total + point[place], 0);

function health({ troubles, ...shot }) {
  const serious = troubles.filter(({ level }) => level !== "mark"), [worst] = serious;
  get("health").className = `pill ${worst?.level ?? "good"}`;
  put("health", worst ? worst.title + (serious.length > 1 ? `, and ${serious.length - 1} more` : "") : "Healthy");
  document.title = worst ? `${worst.title} – ytdlpd` : "ytdlpd";
  const list = get("troubles");
  while (list.children.length > troubles.length) list.lastElementChild.remove();
  troubles.forEach(({ level, sentence }, index) => {
    const item = list.children[index] ?? list.appendChild(document.createElement("li"));
    item.className = level;
    fill(item, sentence);
  });
  list.hidden = troubles.length === 0;
  put("versions", `${shot.version} · yt-dlp ${shot.ytdlp ?? "–"} · ${shot.runtime ?? "no runtime"} · up ${duration(shot.uptime)}`);
}

function glance(shot, { points, bucket, name, seconds }) {
  // The bucket under way is not full, so the last minute is that of the full ones before it.
  const short = shot.ranges["15 min"], jobs = ([answered, declined, failed]) => answered + declined + failed;
  const last = short.points.slice(-1 - 60 / short.bucket, -1).reduce((total, point) => total + jobs(point), 0);
  put("rate", number(Math.max(last, jobs(short.points.at(-1)))));
  sparkline(get("rate-line"), points.slice(0, -1).map(jobs), `Jobs, last ${name}`);
  const now = [...points].reverse().find(([, , , median]) => median !== null) ?? [0, 0, 0, null, null];
  put("latency", precise(now[3]));
  sparkline(get("latency-line"), points.map((point) => point[3]), `Median latency, last ${name}`);
  const totals = GROUPS.map((_, place) => sum(points, place)), all = totals[0] + totals[1] + totals[2];
  put("failed-share", percent(totals[2], all));
  put("failed-of", all ? `of ${number(all)}` : "");
  sparkline(get("failed-line"), points.map((point) => point[2]), `Failures, last ${name}`, "failed");
  GROUPS.forEach((group, place) => put(`${group}-total`, all ? `${number(totals[place])} (${percent(totals[place], all)})` : ""));
  put("queue", number(shot.queue.length));
  put("queue-wait", shot.queue.length ? `wait ${precise(shot.queue.expectedWait)}` : "");
  const tiers = shot.queue.tiers.map(([tier, waiting]) => `tier ${tier}: ${waiting}`).join(", ");
  put("queue-tiers", tiers || (shot.queue.turnedAway ? `${number(shot.queue.turnedAway)} turned away so far` : "nobody waits"));
  put("busy", String(shot.pool.busy));
  put("busy-of", `of ${shot.pool.ready}, up to ${shot.pool.ceiling}`);
  const pips = shot.workers.map((worker) => worker.state);
  while (pips.length < shot.pool.ceiling) pips.push("absent");
  get("busy-bar").replaceChildren(...pips.map((state) => { const pip = document.createElement("span"); pip.className = `pip ${state}`; return pip; }));
  const cache = shot.cache, asked = cache.hits + cache.refusals + cache.misses;
  put("cache", percent(cache.hits + cache.refusals, asked));
  put("cache-of", asked ? `of ${number(asked)}` : "");
  put("cache-entries", cache.max_bytes ? `${plural(cache.entries, "result")}, ${bytes(cache.bytes)}` : "off");

  const scale = 60 / bucket, day = seconds > 7200, began = (index) => clock((points.length - index) * bucket, day);
  columns(throughput, points.map((point) => point.slice(0, 3).map((count) => count * scale)), GROUPS, seconds,
    (index) => `${began(index)}: ${SAID.map((said, place) => `${number(points[index][place])} ${said}`).join(", ")}`);
  lines(latency, [{ values: points.map((point) => point[4]), kind: "p95" }, { values: points.map((point) => point[3]), kind: "median" }], seconds,
    (index) => `${began(index)}: ${points[index][3] === null ? "no answer" : `median ${precise(points[index][3])}, 95 % within ${precise(points[index][4])}`}`);
  put("median-now", precise(now[3]));
  put("p95-now", precise(now[4]));
}

function when(breaker) {
  if (breaker.mode === "AUTOMATIC") return breaker.cooldown !== null ? `tried again in ${duration(breaker.cooldown)}` : breaker.state === "HALF_OPEN" ? "tried again now" : "";
  return breaker.mode === "METRICS_ONLY" ? "" : "until an administrator ends it";
}

function breakers(shot, { seconds, name: span }) {
  const all = shot.service.state === "CLOSED" && shot.service.mode === "AUTOMATIC" ? shot.breakers : [shot.service, ...shot.breakers];
  put("breaker-count", shot.furtherBreakers ? `and ${plural(shot.furtherBreakers, "more closed one")}` : "");
  get("no-breakers").hidden = all.length > 0;
  const table = get("breakers"), named = (state) => STATES[state]?.[0] ?? MODES[state]?.[0] ?? state.toLowerCase();
  rows(table, all, (breaker) => breaker.site, () => row(table, "name", "", "number", "number", "wide", "wide admin actions"), (made, breaker) => {
    const [name, state, seen, turnedAway, past, actions] = made.cells;
    fill(name, breaker.site || "The service itself");
    pill(state, MODES[breaker.mode] ?? STATES[breaker.state], when(breaker));
    fill(seen, `${breaker.failures} failed, ${breaker.successes} fine`);
    fill(turnedAway, number(breaker.rejected));
    const told = breaker.moves.filter(([age]) => age < seconds).map(([age, to, why]) => `${named(to)} ${duration(age)} ago: ${why}`);
    timeline(part(past, "div", "past"), breaker.moves, breaker.state, seconds, shot.uptime, `Last ${span}: ${told.join("; ") || `${named(breaker.state)} all the time`}`);
    fill(part(past, "span", "note"), told.at(-1) ?? "");
    if (breaker.site) buttons(actions, siteActions(breaker));
  });
}

function releases(shot) {
  const { canary, verdict, releases, serving } = shot.rollout, table = get("releases");
  put("verdict", verdict);
  rows(table, releases, ([version]) => version, () => row(table, "name", "number", "number", "number", "wide admin actions"), (made, [version, part, count, slower]) => {
    const [name, jobs, workers, speed, actions] = made.cells;
    fill(name, version);
    fill(jobs, percent(part, 1));
    fill(workers, number(count));
    fill(speed, slower ? `${plural(slower, "function")} at yt-dlp's own speed` : "full");
    buttons(actions, releaseActions(version));
    actions.querySelector("[data-action=promote]").hidden = version !== canary;
    actions.querySelector("[data-action=rollback]").hidden = version !== (canary ?? serving);
  });
}

function workers(shot) {
  put("reason", shot.pool.reason);
  const table = get("workers"), hangs = ({ busy_for }) => busy_for !== null && busy_for >= shot.pool.hanging;
  const items = shot.workers.map((worker, index) => ({ ...worker, key: worker.pid ?? index })).sort((a, b) => hangs(b) - hangs(a) || b.age - a.age);
  rows(table, items, (worker) => worker.key, () => row(table, "", "site", "number", "number", "number admin", "number admin"), (made, worker) => {
    const [state, site, tasks, age, memory, pid] = made.cells, busy = worker.busy_for;
    pill(state, [busy === null || busy < 1 ? worker.state : `busy for ${duration(busy)}`, hangs(worker) ? "warn" : WORKER[worker.state] ?? ""]);
    fill(site, worker.site ?? "–");
    fill(tasks, number(worker.tasks));
    fill(age, duration(worker.age));
    fill(memory, worker.memory ? bytes(worker.memory) : "–");
    fill(pid, worker.pid ? String(worker.pid) : "–");
  });
}

function codes({ codes }) {
  for (const group of ["declined", "failed"]) {
    const table = get(`${group}-codes`), of = codes.filter(([, , each]) => each === group), most = of[0]?.[1] ?? 0;
    rows(table, of.slice(0, 8), ([code]) => code, () => row(table, "", "", "number"), (made, [code, count]) => {
      const [name, bar, total] = made.cells;
      fill(part(name, "code", "code"), code);
      share(bar, count, most, group);
      fill(total, number(count));
    });
    get(`no-${group}`).hidden = of.length > 0;
  }
}

function failures(shot) {
  const table = get("failures");
  rows(table, shot.failures, ({ site, code }) => `${site} ${code}`, () => row(table, "when", "", "admin"), (made, failure) => {
    const [at, what, request] = made.cells;
    fill(part(at, "span", "time"), clock(failure.age));
    fill(part(at, "span", "note"), `${duration(failure.age)} ago`);
    fill(part(what, "span", "site"), failure.site);
    fill(part(what, "code", "code"), failure.code);
    fill(part(what, "span", "times"), failure.times > 1 ? `, ${failure.times} times` : "");
    fill(part(what, "span", "note"), failure.sentence);
    fill(part(request, "code", "request"), failure.requestId ?? "");
  });
}

function events(shot) {
  const table = get("events");
  rows(table, shot.events, (record) => record.number, () => row(table, "when", "name", "site"), (made, record) => {
    const [at, name, details] = made.cells;
    made.className = record.level;
    fill(at, new Date(record.at).toLocaleTimeString("en-GB"));
    fill(name, record.event.replace(/(?<!^)([A-Z])/g, " $1").toLowerCase().replace(/^./, (first) => first.toUpperCase()));
    const told = Object.entries(record.fields).filter(([, value]) => value !== null).map(([key, value]) => `${key.replaceAll("_", " ")} ${typeof value === "number" ? Number(value.toPrecision(3)) : value}`);
    fill(details, told.join(" · "));
  });
}

function show(shot) {
  [latest, lostAt] = [shot, ""];
  document.body.classList.remove("lost");
  put("link", "");
  account(shot);
  const chosen = range(shot);
  for (const each of [health, glance, breakers, releases, workers]) each(shot, chosen);
  codes(chosen);
  for (const each of [failures, runs, egresses, options, instances, events]) each(shot);
}

function lost() {
  lostAt ||= clock(0);
  put("link", `Connection lost at ${lostAt}; trying again.${latest ? " What follows is from then." : ""}`);
  get("health").className = "pill";
  put("health", "Not connected");
  document.title = "Not connected – ytdlpd";
  document.body.classList.add("lost");
}

get("ranges").addEventListener("change", () => { if (latest) show(latest); });

follow({ show, lost, refused });
