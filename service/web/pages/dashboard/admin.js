// What an administrator does here: signs in and out, and operates breakers and releases, with a way back.

import { credentials, keep, kept } from "./key.js";
import { again, refusal } from "./stream.js";
import { fill, get, put } from "./text.js";

const BREAKER = "api/v1/admin/circuit-breaker", RELEASES = "api/v1/admin/releases";
const PATIENCE = 20000; // ms for which a way back is offered

// Signing in

let answered = () => {};

export function signIn(why = "") {
  put("key-problem", why);
  const dialog = get("key-dialog");
  if (!dialog.open) dialog.showModal();
  get("key").focus();
  return new Promise((resolve) => { answered = resolve; });
}

// After a refusal: resolves when there is another key, or none any more.
export async function refused() {
  if (kept()) {
    if (!await signIn("The key in this tab is not known any more.")) keep("");
    return;
  }
  account({ admin: false });
  while (!await signIn("This service asks for a key.")) await new Promise((resolve) => get("sign-in").addEventListener("click", resolve, { once: true }));
}

export function account({ admin, admins = "" }) {
  document.body.classList.toggle("is-admin", admin);
  get("sign-in").hidden = admin || kept() !== null;
  get("sign-out").hidden = kept() === null;
  put("who", kept() ? (admin ? "Signed in as administrator" : "Signed in, not as administrator") : admin ? "Administrator, as on this machine no key is needed" : "");
  put("admins", admins && `Administrators here: ${admins}.`);
}

async function submit(event) {
  event.preventDefault(); // the dialog stays open until the key is known to be good
  const key = get("key").value.trim(), problem = key ? await refusal(key) : "Enter a key, or cancel.";
  put("key-problem", problem ?? "");
  get("key").setAttribute("aria-invalid", String(problem !== null));
  if (problem !== null) { get("key").select(); return; }
  keep(key);
  get("key-dialog").close("signed in");
  [get("sign-in").hidden, get("sign-out").hidden] = [true, false];
  get("sign-out").focus();
  again();
}

get("sign-in").addEventListener("click", () => signIn());
get("sign-out").addEventListener("click", () => {
  keep("");
  account({ admin: false });
  get("sign-in").focus();
  notice("Signed out.");
  again();
});
get("key-form").addEventListener("submit", submit);
get("key-cancel").addEventListener("click", () => get("key-dialog").close("cancelled"));
get("key-dialog").addEventListener("close", () => {
  get("key").value = "";
  get("key").setAttribute("aria-invalid", "false");
  answered(get("key-dialog").returnValue === "signed in");
  get("key-dialog").returnValue = "";
});

// Operations. Each is { path, body, done }, with what to `ask` before, and the operation that is the way back.

const on = (site, action, done) => ({ path: `${BREAKER}/${action}`, body: { site }, done });
const block = (site) => ({ ...on(site, "open", `${site} is blocked.`),
  ask: `Block ${site}? Every request for it is refused, for all clients, until an administrator unblocks it.` });
const letThrough = (site) => ({ ...on(site, "disable", `Everything passes to ${site}.`),
  ask: `Let everything through to ${site}? Its breaker protects neither the site nor the workers until an administrator has it guarded again.` });
const guard = (site) => on(site, "close", `${site} is guarded by its breaker again.`);
const inMode = { AUTOMATIC: guard, FORCED_OPEN: block, DISABLED: letThrough, METRICS_ONLY: guard };

// What the buttons of a site do in the present mode: [its name, the button's text, its label, the operation].
export function siteActions({ site, mode }) {
  const back = { ...inMode[mode](site), ask: "" };
  return [
    mode === "FORCED_OPEN" ? ["block", "Unblock", `Unblock ${site}`, guard(site)] : ["block", "Block", `Block ${site}`, { ...block(site), back }],
    mode === "DISABLED" ? ["let", "Guard again", `Guard ${site} again`, guard(site)] : ["let", "Let through", `Let everything through to ${site}`, { ...letThrough(site), back }],
    ["reset", "Reset", `Reset the breaker of ${site}`, on(site, "reset", `The breaker of ${site} is as new.`)],
  ];
}

export const releaseActions = (version) => [
  ["promote", "Promote", `Promote yt-dlp ${version}`, { path: `${RELEASES}/promote`, body: {}, done: `yt-dlp ${version} serves all requests.`, ask: `Promote yt-dlp ${version}? It serves all requests from now on.` }],
  ["rollback", "Roll back", `Roll back yt-dlp ${version}`, { path: `${RELEASES}/rollback`, body: { reason: "taken back on the dashboard" }, done: `yt-dlp ${version} is taken back; that takes a moment.`, ask: `Roll back yt-dlp ${version}? The release before serves, and this one stays barred until an administrator allows it again.` }],
  ["pin", "Pin", `Pin yt-dlp ${version}`, { path: `${RELEASES}/pin`, body: { version }, done: `yt-dlp ${version} is pinned.`, ask: `Pin yt-dlp ${version}? It alone is used, and newer ones are not tried until it is unpinned.`,
    back: { path: `${RELEASES}/unpin`, body: {}, done: "Newer releases are followed again." } }],
];

// The buttons of these actions in `place`; they stay the same elements.
export function buttons(place, actions) {
  for (const [name, text, label, operation] of actions) {
    let button = place.querySelector(`[data-action=${name}]`);
    if (!button) {
      button = document.createElement("button");
      Object.assign(button, { type: "button" }).dataset.action = name;
      button.addEventListener("click", () => operate(button.operation, button));
      place.append(button);
    }
    fill(button, text);
    button.setAttribute("aria-label", label);
    button.operation = operation;
  }
}

async function operate({ path, body, done, ask, back }, button) {
  if (ask && !await confirmed(ask, button.textContent)) return;
  try {
    const headers = { ...credentials(), "Content-Type": "application/json" };
    const answer = await (await fetch(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
    notice(answer.ok ? done : answer.error, answer.ok ? back : null, button);
  } catch {
    notice("The service did not answer.");
  }
}

function confirmed(question, text) {
  const dialog = get("confirm-dialog");
  put("confirm-question", question);
  put("confirm-yes", text);
  dialog.returnValue = "";
  dialog.showModal();
  get("confirm-no").focus();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

let clearing = 0;
function notice(text, back = null, button = null) {
  if (get("undo") === document.activeElement) button?.focus(); // it is about to vanish
  put("notice-text", text);
  get("undo").hidden = !back;
  get("undo").onclick = () => operate(back, button);
  clearTimeout(clearing);
  clearing = setTimeout(vanish, PATIENCE);
}
function vanish() {
  if (get("notice").matches(":hover, :focus-within")) { clearing = setTimeout(vanish, PATIENCE); return; }
  put("notice-text", "");
  get("undo").hidden = true;
}
