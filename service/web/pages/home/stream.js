// Streamed answers, piece by piece: lines of JSON, and server-sent events.

async function* pieces(body, separator) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const whole = (text + value).split(separator);
    text = whole.pop();
    yield* whole;
  }
}

export async function* lines(body) {
  for await (const line of pieces(body, "\n")) if (line) yield JSON.parse(line);
}

export async function* events(body) {
  for await (const block of pieces(body, "\n\n")) {
    const [, name, data] = block.match(/^event: (.*)\ndata: (.*)$/) ?? []; // a comment keeps the connection alive
    if (name) yield [name, JSON.parse(data)];
  }
}
