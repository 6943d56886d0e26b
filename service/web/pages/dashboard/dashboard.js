// The dashboard: reads snapshots from the service's stream and shows them. No framework, no build step.

import { bars, lines, share, sparkline, timeline } from "./charts.js";

const get = (id) => document.getElementById(id);
const put = (id, text) => { const place = get(id); if (place.textContent !== text) place.textContent = text; };
const STATES = { CLOSED: ["closed", "good"], HALF_OPEN: ["half-open", "warn"], OPEN: ["open", "bad"] };
const MODES = { FORCED_OPEN: ["held open", "bad"], DISABLED: ["disabled", "mark"], METRICS_ONLY: ["counting only", "mark"] };
const KEY = "ytdlpd key";

// Text

function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}
const precise = (seconds) => seconds === null ? "–" : seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
const bytes = (count) => count < 1e9 ? `${(count / 1e6).toFixed(count < 1e7 ? 1 : 0)} MB` : `${(count / 1e9).toFixed(1)} GB`;
const percent = (part, whole) => whole ? `${(100 * part / whole).toFixed(part && part / whole < 0.1 ? 1 : 0)} %` : "–";
const plural = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

// Rows that stay the same elements while their contents change, so that focus and selection stay too.

function rows(table, items, keyOf, create, update) {
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

function row(...classes) {
  const made = document.createElement("tr");
  for (const name of classes) { const cell = document.createElement("td"); cell.className = name; made.append(cell); }
  return made;
}
const fill = (cell, text) => { if (cell.textContent !== text) cell.textContent = text; };

function pill(cell, [text, kind]) {
  let mark = cell.firstElementChild;
  if (!mark) { mark = document.createElement("span"); cell.append(mark); }
  mark.className = `pill ${kind}`;
  fill(mark, text);
}

// The parts of the page

function health(shot) {
  const broken = shot.breakers.filter((breaker) => breaker.state !== "CLOSED").length;
  let [text, kind] = ["Healthy", "good"];
  if (shot.phase === "draining") [text, kind] = ["Draining", "warn"];
  else if (shot.phase === "lame_duck") [text, kind] = ["Leaving", "warn"];
  else if (shot.phase === "starting") [text, kind] = ["Starting", "warn"];
  else if (shot.service.state === "OPEN" || shot.pool.ready === 0) [text, kind] = ["Cannot extract", "bad"];
  else if (shot.pool.degraded) [text, kind] = ["Workers fail to start", "bad"];
  else if (broken) [text, kind] = [`${plural(broken, "site")} in trouble`, "bad"];
  get("health").className = `pill ${kind}`;
  put("health", text);
  document.title = text === "Healthy" ? "ytdlpd" : `${text} – ytdlpd`;
  put("versions", `${shot.version} · yt-dlp ${shot.ytdlp ?? "–"} · ${shot.runtime ?? "no runtime"} · up ${duration(shot.uptime)}`);
}

function glance(shot) {
  const points = shot.points, perMinute = 60 / shot.bucket;
  // The bucket under way is not full, so the last minute is that of the full ones before it.
  const last = points.slice(-1 - perMinute, -1), jobs = ([ok, failed]) => ok + failed;
  const total = points.reduce((sum, point) => sum + jobs(point), 0), failed = points.reduce((sum, [, bad]) => sum + bad, 0);
  const rate = Math.max(last.reduce((sum, point) => sum + jobs(point), 0), jobs(points.at(-1)));
  put("rate", rate.toLocaleString("en"));
  sparkline(get("rate-line"), points.slice(0, -1).map(jobs), "Jobs in the last 15 minutes");
  const latest = [...points].reverse().find(([, , median]) => median !== null) ?? [0, 0, null, null];
  put("latency", precise(latest[2]));
  put("median-now", precise(latest[2]));
  put("p95-now", precise(latest[3]));
  sparkline(get("latency-line"), points.map(([, , median]) => median), "Median latency in the last 15 minutes");
  put("failure-share", percent(failed, total));
  put("failure-count", total ? `of ${total.toLocaleString("en")}` : "");
  sparkline(get("failure-line"), points.map(([, bad]) => bad), "Failures in the last 15 minutes", "bad");
  put("queue", shot.queue.length.toLocaleString("en"));
  put("queue-wait", shot.queue.length ? `wait ${precise(shot.queue.expectedWait)}` : "");
  const tiers = shot.queue.tiers.map(([tier, waiting]) => `tier ${tier}: ${waiting}`).join(", ");
  put("queue-tiers", tiers || (shot.queue.turnedAway ? `${shot.queue.turnedAway.toLocaleString("en")} turned away` : "nobody waits"));
  put("busy", String(shot.pool.busy));
  put("busy-of", `of ${shot.pool.ready}, up to ${shot.pool.ceiling}`);
  const pips = shot.workers.map((worker) => worker.state);
  while (pips.length < shot.pool.ceiling) pips.push("absent");
  get("busy-bar").replaceChildren(...pips.map((state) => { const pip = document.createElement("span"); pip.className = `pip ${state}`; return pip; }));
  const cache = shot.cache, asked = cache.hits + cache.refusals + cache.misses;
  put("cache", percent(cache.hits + cache.refusals, asked));
  put("cache-bytes", asked ? `of ${asked.toLocaleString("en")}` : "");
  put("cache-entries", cache.max_bytes ? `${plural(cache.entries, "result")}, ${bytes(cache.bytes)}` : "off");
}

function charts(shot) {
  const points = shot.points, minutes = (points.length * shot.bucket) / 60, scale = 60 / shot.bucket;
  bars(get("throughput-chart"), points.map(([ok, failed]) => [ok * scale, failed * scale]), "Jobs per minute, answered and failed", minutes);
  lines(get("latency-chart"), [{ values: points.map((point) => point[3]), kind: "p95" }, { values: points.map((point) => point[2]), kind: "median" }],
    "Median and 95th percentile of the latency in seconds", minutes);
}

function breakers(shot) {
  const all = shot.service.state === "CLOSED" && shot.service.mode === "AUTOMATIC" ? shot.breakers : [shot.service, ...shot.breakers];
  put("breaker-count", shot.furtherBreakers ? `and ${plural(shot.furtherBreakers, "more closed one")}` : "");
  get("no-breakers").hidden = all.length > 0;
  const window = shot.points.length * shot.bucket;
  rows(get("breakers"), all, (breaker) => breaker.site, (breaker) => {
    const made = row("name site", "", "number", "number", "wide", "wide admin");
    made.cells[2].dataset.label = "In the window:";
    made.cells[3].dataset.label = "Refused:";
    if (breaker.site) made.cells[5].append(buttons(breaker.site));
    return made;
  }, (made, breaker) => {
    const [name, state, seen, refused, past, actions] = made.cells;
    fill(name, breaker.site || "The service itself");
    pill(state, MODES[breaker.mode] ?? STATES[breaker.state]);
    state.title = breaker.cooldown === null ? "" : `tried again in ${duration(breaker.cooldown)}`;
    fill(seen, `${breaker.failures} failed, ${breaker.successes} fine`);
    fill(refused, breaker.rejected.toLocaleString("en"));
    const told = breaker.moves.filter(([age]) => age < window).map(([age, to, why]) => `${STATES[to]?.[0] ?? to} ${duration(age)} ago: ${why}`);
    timeline(past, breaker.moves, breaker.state, window, shot.uptime, told.length ? told.join("; ") : `${STATES[breaker.state][0]} all the time`);
    const last = breaker.moves.at(-1);
    past.title = last ? `${duration(last[0])} ago: ${last[2]}` : "";
    for (const button of actions.querySelectorAll("button")) {
      if (button.dataset.action !== "reset") button.setAttribute("aria-pressed", String(MODES[breaker.mode]?.[0] === button.dataset.mode));
    }
  });
}

function releases(shot) {
  const { canary, verdict, releases } = shot.rollout;
  put("verdict", verdict);
  rows(get("releases"), releases, ([version]) => version, ([version]) => {
    const made = row("name", "number", "number", "", "wide admin");
    const offered = [["promote", "Promote"], ["rollback", "Roll back"], ["pin", "Pin"]];
    made.cells[4].append(group(offered.map(([action, text]) => [action, `api/v1/admin/releases/${action}`, { version }, text, `${text} yt-dlp ${version}`])));
    return made;
  }, (made, [version, part, workers, slower]) => {
    const [name, jobs, count, speed, actions] = made.cells;
    fill(name, version);
    fill(jobs, percent(part, 1));
    fill(count, workers.toLocaleString("en"));
    fill(speed, slower ? `${plural(slower, "function")} at yt-dlp's own speed` : "full");
    actions.querySelector("[data-action=promote]").hidden = version !== canary;
    actions.querySelector("[data-action=rollback]").hidden = version !== (canary ?? shot.rollout.serving);
  });
}

function buttons(site) {
  const at = (action) => [action, `api/v1/admin/circuit-breaker/${action}`, { site }];
  return group([
    [...at("reset"), "Reset", `Reset the breaker of ${site}`], [...at("open"), "Open", `Hold the breaker of ${site} open`, "held open"],
    [...at("disable"), "Disable", `Disable the breaker of ${site}`, "disabled"],
  ]);
}

function group(actions) {
  const made = document.createElement("div");
  made.className = "actions";
  for (const [action, path, body, text, label, mode = ""] of actions) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: text });
    Object.assign(button.dataset, { action, mode });
    button.setAttribute("aria-label", label);
    button.addEventListener("click", () => operate(button, path, body));
    made.append(button);
  }
  return made;
}

async function operate(button, path, body) {
  button.disabled = true;
  try {
    const response = await fetch(path, {
      method: "POST", headers: { ...credentials(), "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    const answer = await response.json();
    notice(answer.ok ? answer.message ?? "Done; it takes a moment" : answer.error);
  } catch {
    notice("The service did not answer");
  } finally {
    button.disabled = false;
    button.focus();
  }
}

let clearing = 0;
function notice(text) {
  put("notice", text);
  clearTimeout(clearing);
  clearing = setTimeout(() => put("notice", ""), 5000);
}

const WORKER = { idle: ["idle", ""], busy: ["busy", "mark"], booting: ["booting", "warn"], ending: ["ending", "warn"] };
function workers(shot) {
  put("reason", shot.pool.reason);
  const items = shot.workers.map((worker, index) => ({ ...worker, key: worker.pid ?? index })).sort((a, b) => b.age - a.age);
  rows(get("workers"), items, (worker) => worker.key, () => row("", "site", "number", "number", "number admin", "number admin"), (made, worker) => {
    const [state, site, tasks, age, memory, pid] = made.cells;
    pill(state, WORKER[worker.state] ?? [worker.state, ""]);
    fill(site, worker.site ?? "–");
    fill(tasks, worker.tasks.toLocaleString("en"));
    fill(age, duration(worker.age));
    fill(memory, worker.memory ? bytes(worker.memory) : "–");
    fill(pid, worker.pid ? String(worker.pid) : "–");
  });
}

function failures(shot) {
  const most = Math.max(...shot.codes.map(([, count]) => count), 0);
  get("no-failures").hidden = shot.codes.length > 0;
  rows(get("codes"), shot.codes.slice(0, 8), ([code]) => code, () => row("", "", "number"), (made, [code, count]) => {
    const [name, bar, number] = made.cells;
    if (!name.firstElementChild) name.append(document.createElement("code"));
    fill(name.firstElementChild, code);
    share(bar, count, most);
    fill(number, count.toLocaleString("en"));
  });
  rows(get("failures"), shot.failures.map((failure, index) => ({ ...failure, index })), (failure) => failure.index, () => row("", "site", ""), (made, failure) => {
    const [when, site, code] = made.cells;
    fill(when, `${duration(failure.age)} ago`);
    fill(site, failure.site);
    if (!code.firstElementChild) code.append(document.createElement("code"));
    fill(code.firstElementChild, failure.code);
  });
}

function events(shot) {
  rows(get("events"), shot.events, (record) => record.number, () => row("", "name", "site"), (made, record) => {
    const [when, name, details] = made.cells;
    made.className = record.level;
    fill(when, new Date(record.at).toLocaleTimeString("en-GB"));
    fill(name, record.event.replace(/(?<!^)([A-Z])/g, " $1").toLowerCase().replace(/^./, (first) => first.toUpperCase()));
    const told = Object.entries(record.fields).filter(([, value]) => value !== null).map(([key, value]) => `${key.replaceAll("_", " ")} ${typeof value === "number" ? Number(value.toPrecision(3)) : value}`);
    fill(details, told.join(" · "));
  });
}

function show(shot) {
  document.body.classList.toggle("is-admin", shot.admin);
  const { bucket, codes, points } = shot.ranges["15 min"];
  Object.assign(shot, { bucket, codes, points: points.map(([ok, no, bad, ...seconds]) => [ok + no, bad, ...seconds]) });
  for (const part of [health, glance, charts, breakers, releases, workers, failures, events]) part(shot);
}

// The stream. EventSource cannot send a key, so this reads the same format by fetch.

const credentials = () => { const key = sessionStorage.getItem(KEY); return key ? { "X-API-Key": key } : {}; };
let wanted = new AbortController();

async function follow() {
  let pause = 500;
  for (;;) {
    try {
      wanted = new AbortController();
      const response = await fetch("api/v1/dashboard/stream", { headers: credentials(), signal: wanted.signal, cache: "no-store" });
      if (response.status === 401 || response.status === 403) { await askForKey("This service asks for a key."); continue; }
      if (!response.ok) throw new Error(response.statusText);
      for await (const snapshot of parsed(response.body, wanted)) {
        pause = 500;
        put("link", "");
        show(snapshot);
      }
    } catch (error) {
      if (wanted.signal.reason === "key") continue;
    }
    put("link", "Connection lost; trying again");
    get("health").className = "pill";
    put("health", "Not connected");
    await new Promise((resume) => setTimeout(resume, pause));
    pause = Math.min(pause * 2, 10000);
  }
}

async function* parsed(body, controller) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const silence = setTimeout(() => controller.abort("silence"), 15000);
    const { done, value } = await reader.read().finally(() => clearTimeout(silence));
    if (done) return;
    text += value;
    const pieces = text.split("\n\n");
    text = pieces.pop();
    for (const piece of pieces) {
      const data = piece.split("\n").find((line) => line.startsWith("data: "));
      if (data) yield JSON.parse(data.slice(6));
    }
  }
}

// The key

let answered = null;
function askForKey(why) {
  if (why) put("key-why", why);
  const dialog = get("key-dialog");
  if (!dialog.open) dialog.showModal();
  get("key").focus();
  return new Promise((resume) => { answered = resume; });
}
get("key-button").addEventListener("click", () => askForKey(""));
get("key-cancel").addEventListener("click", () => get("key-dialog").close());
get("key-form").addEventListener("submit", () => {
  const key = get("key").value.trim();
  if (key) sessionStorage.setItem(KEY, key); else sessionStorage.removeItem(KEY);
  get("key").value = "";
  wanted.abort("key");
});
get("key-dialog").addEventListener("close", () => { answered?.(); answered = null; });

follow();
