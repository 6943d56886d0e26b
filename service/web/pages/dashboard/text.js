// Numbers and times in words.

export const get = (id) => document.getElementById(id);
export const fill = (place, text) => { if (place.textContent !== text) place.textContent = text; };
export const put = (id, text) => fill(get(id), text);

export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}
export const precise = (seconds) => seconds === null ? "–" : seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
export const bytes = (count) => count < 1e9 ? `${(count / 1e6).toFixed(count < 1e7 ? 1 : 0)} MB` : `${(count / 1e9).toFixed(1)} GB`;
export const percent = (part, whole) => whole ? `${(100 * part / whole).toFixed(part && part / whole < 0.1 ? 1 : 0)} %` : "–";
export const number = (count) => count.toLocaleString("en");
export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

// The time of day `age` seconds ago; with the weekday where `age` may be yesterday's.
export function clock(age, day = false) {
  const at = new Date(Date.now() - age * 1000);
  return day ? at.toLocaleString("en-GB", { weekday: "short", hour: "2-digit", minute: "2-digit" }) : at.toLocaleTimeString("en-GB");
}
