// The stream of snapshots. EventSource cannot send a key, so this reads the same format by fetch.

import { credentials } from "./key.js";

const SILENCE = 15000; // ms; a snapshot comes every second
let current = new AbortController();

const ask = (headers, signal) => fetch("api/v1/dashboard/stream", { headers, signal, cache: "no-store" });

// Ask anew, with the key that is kept now.
export const again = () => current.abort("again");

// Why `key` is refused, in a sentence; null where it is not.
export async function refusal(key) {
  const trial = new AbortController();
  try {
    const response = await ask(credentials(key), trial.signal);
    return response.ok ? null : (await response.json()).error;
  } catch {
    return "The service did not answer";
  } finally {
    trial.abort();
  }
}

// Shows snapshots for ever. `refused` resolves when asking again makes sense.
export async function follow({ show, lost, refused }) {
  let pause = 500;
  for (;;) {
    try {
      current = new AbortController();
      const response = await ask(credentials(), current.signal);
      if (response.status === 401) { await refused(); continue; }
      if (!response.ok) throw new Error(response.statusText);
      for await (const snapshot of parsed(response.body, current)) {
        pause = 500;
        show(snapshot);
      }
    } catch {
      if (current.signal.reason === "again") continue;
    }
    lost();
    await new Promise((resume) => setTimeout(resume, pause));
    pause = Math.min(pause * 2, 10000);
  }
}

async function* parsed(body, controller) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const silence = setTimeout(() => controller.abort("silence"), SILENCE);
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
