// The page for people: asks for the sizes of a URL and shows the answer. No framework, no build step.

import { credentials, keep, kept } from "../dashboard/key.js";
import { advice } from "./advice.js";
import { picture } from "./picture.js";
import { events, lines } from "./stream.js";

const get = (id) => document.getElementById(id);
const put = (id, text) => { get(id).textContent = text; };
const PAGE = 10; // entries of a list at a time; each counts as a request
const CODECS = [[/^av01/, "AV1"], [/^avc|^h264/, "H.264"], [/^hev|^hvc|^h265/, "H.265"], [/^vp0?9/, "VP9"], [/^mp4a/, "AAC"], [/^opus/, "Opus"]];
const WITHOUT_SCHEME = /^[\w-]+(\.[\w-]+)+(:\d+)?([/?#]|$)/;
const STEPS = {
  queued: ({ position, expectedWait }) => `Queued at place ${position + 1}${expectedWait >= 1 ? `, for about ${span(expectedWait)}` : ""}.`,
  started: ({ attempt }) => (attempt === 1 ? "Started: the site is being asked." : `Started again, attempt ${attempt}.`),
  retrying: ({ attempt, delay, error }) => `${error}. Trying again in ${span(delay)}, attempt ${attempt}.`,
};

let asked = null; // what is being asked, to be cancelled
let url = "";

// Asking

async function ask(path, body, accept, show) {
  asked?.abort();
  const mine = asked = new AbortController();
  waiting(true);
  get("error").hidden = true;
  put("status", "Asking the service.");
  let told = "";
  try {
    const response = await fetch(`api/v1/${path}`, {
      method: body ? "POST" : "GET", signal: mine.signal, cache: "no-store", body: body && JSON.stringify(body),
      headers: { ...credentials(), ...(body && { "Content-Type": "application/json" }), Accept: accept },
    });
    if (response.status === 401) askForKey("This service asks for a key.");
    told = response.ok ? await show(response) : failed(await response.json(), body);
  } catch {
    told = mine.signal.aborted ? "Cancelled." : "The service did not answer; see whether it runs, and try again.";
  }
  if (mine !== asked) return; // something else is asked by now
  put("status", told);
  waiting(false);
}

function waiting(so) {
  get("cancel").hidden = !so;
  get("busy").hidden = !so;
}

function begin() {
  url = get("url").value.trim();
  if (!url) return;
  if (WITHOUT_SCHEME.test(url)) get("url").value = url = `https://${url}`; // as in the bar of a browser
  for (const id of ["result", "list", "copies"]) get(id).hidden = true;
  const body = { url };
  ask("size", body, "text/event-stream", async (response) => {
    for await (const [step, data] of events(response.body)) {
      if (step === "done") return data.ok ? sized(data, body) : failed(data, body);
      put("status", STEPS[step]?.(data) ?? "");
    }
    throw new Error("the stream ended without an answer");
  });
}

// Answers

const span = (seconds) => (seconds < 120 ? `${Math.ceil(seconds)} s` : seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`);
const codec = (name) => CODECS.find(([pattern]) => pattern.test(name ?? ""))?.[1] ?? (name === "none" ? "" : name);
const known = (size) => [size.accuracy, size.reason].filter(Boolean).join(": ");

function row(table, [name, ...cells], before = -1) {
  const made = table.tBodies[0].insertRow(before), head = document.createElement("th");
  head.scope = "row";
  head.textContent = name;
  made.append(head);
  cells.forEach((text, index) => {
    const cell = made.insertCell();
    cell.textContent = text;
    if (index === 0) cell.className = "number";
  });
  return made;
}

function sized(answer, body) {
  const { audio, best } = answer;
  put("h-title", answer.title ?? url);
  put("facts", [answer.human.duration, answer.live && "live", answer.extractor].filter(Boolean).join(" · "));
  put("why", best ? "" : answer.reason ?? "");
  picture(answer.thumbnail);
  get("said").hidden = true;
  get("sizes").tBodies[0].replaceChildren();
  const rows = answer.resolutions.map((size) => [size.resolution, size, [codec(size.codec), size.fps && `${Math.round(size.fps)} fps`]]);
  if (audio) rows.push(["Audio", audio, [codec(audio.codec), audio.bitrate && `${Math.round(audio.bitrate / 1000)} kbit/s`, audio.language]]);
  if (best) rows.push(["What yt-dlp would take", { ...best, format: best.formats }, []]);
  for (const [name, size, facts] of rows) {
    const made = row(get("sizes"), [name, size.human ?? "–", facts.filter(Boolean).join(", "), known(size), size.format ?? ""]);
    made.classList.toggle("none", !size.human);
  }
  get("sizes").hidden = rows.length === 0;
  get("result").hidden = false;
  offer(answer, body);
  return "Done.";
}

function failed(answer, body) {
  const { video = {}, code, retryAfter } = answer;
  const isList = code === "IS_A_LIST", count = video.playlistCount;
  const begins = video.release_timestamp && `begins ${new Date(video.release_timestamp * 1000).toLocaleString()}`;
  put("h-error", answer.error);
  put("about", [video.title, begins, isList && count && `${count} entries`].filter(Boolean).join(" · "));
  put("advice", [advice(code), retryAfter && `Try again in ${span(retryAfter)}.`].filter(Boolean).join(" "));
  put("code", code);
  put("request", answer.requestId);
  get("entries").hidden = !isList;
  put("entries", `Sizes of the first ${Math.min(count ?? PAGE, PAGE)} entries`);
  get("error").hidden = false;
  if (body) offer(answer, body);
  return ""; // the error is announced itself
}

function askForTranscript() {
  ask(`subtitles?${new URLSearchParams({ url })}`, null, "text/plain", async (response) => {
    put("words", await response.text());
    get("said").hidden = false;
    get("said").open = true;
    return "Done.";
  });
}

// Lists: a line of JSON for each entry as it is done, then their sum

function askForEntries(start) {
  const body = { url, entries: true, start, count: PAGE };
  get("more").hidden = true;
  ask("size", body, "application/x-ndjson", async (response) => {
    const seen = [];
    if (start === 1) { get("entry-sizes").tBodies[0].replaceChildren(); put("h-list", url); }
    put("sum", "");
    get("list").hidden = false;
    for await (const line of lines(response.body)) {
      seen.push(line);
      if (line.sum) totalled(line, start);
      else entry(line, start, seen.length);
    }
    offer(seen, body);
    return "Done.";
  });
}

function entry(line, start, count) {
  const { best, reason, title } = { ...line.result, ...line.title && { title: line.title } };
  const how = line.ok ? known(best ?? { accuracy: "unknown", reason }) : `${line.error} (${line.code})`;
  const place = start + line.index, later = [...get("entry-sizes").tBodies[0].rows].findIndex((made) => made.dataset.place > place);
  row(get("entry-sizes"), [`${place}. ${title ?? line.url}`, best?.human ?? "–", how], later).dataset.place = place;
  put("sum", `${count} so far`);
}

function totalled({ sum, title, playlistCount, hasMore }, start) {
  if (title) put("h-list", title);
  const unknown = sum.unknown ? `, ${sum.unknown} of them unknown` : "";
  put("sum", `${sum.human} (${sum.accuracy}) for entries ${start} to ${start + sum.entries - 1}${playlistCount ? ` of ${playlistCount}` : ""}${unknown}`);
  get("more").hidden = !hasMore;
  put("more", `The next ${PAGE} entries`);
  get("more").onclick = () => askForEntries(start + PAGE);
}

// Copies

function offer(answer, body) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const key = kept() ? ' -H "X-API-Key: $API_KEY"' : "";
  put("json", Array.isArray(answer) ? answer.map((line) => JSON.stringify(line)).join("\n") : JSON.stringify(answer, null, 2));
  put("curl", `curl -sN ${quoted(new URL("api/v1/size", location.href).href)} -H 'Content-Type: application/json'${key} -d ${quoted(JSON.stringify(body))}`);
  get("copies").hidden = false;
}

async function copy(id) {
  const place = get(id);
  try {
    await navigator.clipboard.writeText(place.textContent);
    put("status", "Copied.");
  } catch { // not over plain HTTP from another machine
    place.parentElement.open = true;
    getSelection().selectAllChildren(place);
    put("status", "Your browser does not let this page copy; the text is selected.");
  }
}

// The key

function askForKey(why) {
  if (why) put("key-why", why);
  if (!get("key-dialog").open) get("key-dialog").showModal();
  get("key").focus();
}

get("ask").addEventListener("submit", (event) => { event.preventDefault(); begin(); });
get("cancel").addEventListener("click", () => { asked?.abort(); get("url").focus(); });
addEventListener("keydown", (event) => { if (event.key === "Escape" && !get("key-dialog").open) asked?.abort(); });
get("say").addEventListener("click", askForTranscript);
get("entries").addEventListener("click", () => askForEntries(1));
get("copy-json").addEventListener("click", () => copy("json"));
get("copy-curl").addEventListener("click", () => copy("curl"));
get("key-button").addEventListener("click", () => askForKey(""));
get("key-cancel").addEventListener("click", () => get("key-dialog").close());
get("key-form").addEventListener("submit", () => {
  keep(get("key").value.trim());
  get("key").value = "";
  begin();
});
