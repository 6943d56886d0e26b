// The page for people: asks for the sizes of a URL and shows the answer. No framework, no build step.

import { advice } from "./advice.js";

const get = (id) => document.getElementById(id);
const put = (id, text) => { get(id).textContent = text; };
const KEY = "ytdlpd key"; // the dashboard keeps it in the same place
const PAGE = 10; // entries of a list at a time; each counts as a request
const WAITING = [[0, "Asking the site."], [4, "Still waiting: the site is slow, or others were here before."],
  [12, "Still waiting: what passes is tried again until the deadline."]];

let asked = null; // what is being asked, to be cancelled
let url = "";

// Asking

const credentials = () => { const key = sessionStorage.getItem(KEY); return key ? { "X-API-Key": key } : {}; };

async function ask(body, show) {
  asked?.abort();
  const mine = asked = new AbortController();
  const timers = WAITING.map(([after, words]) => setTimeout(() => put("status", words), after * 1000));
  get("cancel").hidden = false;
  get("error").hidden = true;
  let told = "";
  try {
    const response = await fetch("api/v1/size", {
      method: "POST", signal: mine.signal, cache: "no-store", body: JSON.stringify(body),
      headers: { ...credentials(), "Content-Type": "application/json" },
    });
    if (response.status === 401) askForKey("This service asks for a key.");
    told = response.ok ? await show(response) : failed(await response.json());
  } catch (error) {
    told = mine.signal.aborted ? "Cancelled." : "The service did not answer; see whether it runs, and try again.";
  }
  timers.forEach(clearTimeout);
  if (mine !== asked) return; // something else is asked by now
  put("status", told);
  get("cancel").hidden = true;
}

function begin() {
  url = get("url").value.trim();
  if (!url) return;
  for (const id of ["result", "list", "copies"]) get(id).hidden = true;
  ask({ url }, async (response) => sized(await response.json()));
}

// Answers

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

function sized(answer) {
  const { audio, best } = answer;
  put("h-title", answer.title ?? url);
  put("facts", [answer.human.duration, answer.live && "live", answer.extractor].filter(Boolean).join(" · "));
  put("why", best ? "" : answer.reason ?? "");
  get("sizes").tBodies[0].replaceChildren();
  const rows = answer.resolutions.map((size) => [size.resolution, size]);
  if (audio) rows.push([["Audio", audio.codec].filter(Boolean).join(", "), audio]);
  if (best) rows.push(["What yt-dlp would take", { ...best, format: best.formats }]);
  for (const [name, size] of rows) row(get("sizes"), [name, size.human ?? "–", known(size), size.format ?? ""]);
  get("sizes").hidden = rows.length === 0;
  get("result").hidden = false;
  offer(answer, { url });
  return "Done.";
}

function failed(answer) {
  const { video = {}, code } = answer;
  const isList = code === "IS_A_LIST", count = video.playlistCount;
  put("h-error", answer.error);
  put("about", [video.title, isList && count && `${count} entries`].filter(Boolean).join(" · "));
  put("advice", [advice(code), answer.retryAfter && `Try again in ${answer.retryAfter} s.`].filter(Boolean).join(" "));
  put("code", code);
  put("request", answer.requestId);
  get("entries").hidden = !isList;
  put("entries", `Sizes of the first ${Math.min(count ?? PAGE, PAGE)} entries`);
  get("error").hidden = false;
  offer(answer, { url });
  return ""; // the error is announced itself
}

// Lists: a line of JSON for each entry as it is done, then their sum

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const pieces = (text + value).split("\n");
    text = pieces.pop();
    for (const piece of pieces) if (piece) yield JSON.parse(piece);
  }
}

function askForEntries(start) {
  const body = { url, entries: true, start, count: PAGE };
  get("more").hidden = true;
  ask(body, async (response) => {
    const seen = [];
    if (start === 1) { get("entry-sizes").tBodies[0].replaceChildren(); put("h-list", url); }
    put("sum", "");
    get("list").hidden = false;
    for await (const line of lines(response.body)) {
      seen.push(line);
      if (line.sum) totalled(line, start);
      else entry(line, start);
    }
    offer(seen, body);
    return "Done.";
  });
}

function entry(line, start) {
  const { best, reason, title } = line.result ?? {};
  const how = line.ok ? known(best ?? { accuracy: "unknown", reason }) : `${line.error} (${line.code})`;
  const place = start + line.index, later = [...get("entry-sizes").tBodies[0].rows].findIndex((made) => made.dataset.place > place);
  row(get("entry-sizes"), [`${place}. ${title ?? line.url}`, best?.human ?? "–", how], later).dataset.place = place;
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
  const key = sessionStorage.getItem(KEY) ? ' -H "X-API-Key: $API_KEY"' : "";
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
get("entries").addEventListener("click", () => askForEntries(1));
get("copy-json").addEventListener("click", () => copy("json"));
get("copy-curl").addEventListener("click", () => copy("curl"));
get("key-button").addEventListener("click", () => askForKey(""));
get("key-cancel").addEventListener("click", () => get("key-dialog").close());
get("key-form").addEventListener("submit", () => {
  const key = get("key").value.trim();
  if (key) sessionStorage.setItem(KEY, key); else sessionStorage.removeItem(KEY);
  get("key").value = "";
  begin();
});
