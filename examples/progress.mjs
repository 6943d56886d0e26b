// An extraction with its progress, as it comes: for Node, Deno and browsers.
const env = globalThis.Deno?.env.toObject() ?? globalThis.process?.env ?? {};
const service = env.YTDLPD_URL ?? "http://127.0.0.1:3000";
const query = new URLSearchParams({ url: "https://www.youtube.com/watch?v=dQw4w9WgXcQ", fields: "title,duration" });

const response = await fetch(`${service}/api/v1/extract?${query}`, { headers: { Accept: "text/event-stream" } });
if (!response.ok) throw new Error((await response.json()).error);

let text = "";
for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
  text += chunk;
  const events = text.split("\n\n");
  text = events.pop(); // the last one may not be whole yet
  for (const event of events) {
    const [, name, data] = event.match(/^event: (.*)\ndata: (.*)$/) ?? [];
    if (name === "done") console.log(JSON.parse(data).title);
    else if (name) console.log(name, data);
  }
}
