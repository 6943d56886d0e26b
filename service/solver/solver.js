// What runs inside a process of the solver (engine.py): `prepare` takes one script apart, `evaluate` keeps the
// functions of one script. A message is its length, 32 bits, and UTF-8; an answer begins with "=" or, where it
// is an error's text, with "!". Input and output are synchronous and the event loop is never reached, so
// nothing that a script has put off (timers, promises) ever runs.
//
// A script may do here whatever it likes: the process has no rights, knows nothing but this script's
// challenges, and serves no other script. That Deno and threads are out of its sight is a courtesy.

const { stdin, stdout, args, exit } = Deno;
delete globalThis.Deno;
delete globalThis.Worker;

function receive() {
  const length = new DataView(take(4).buffer).getUint32(0);
  return new TextDecoder().decode(take(length));
}

function take(length) {
  const bytes = new Uint8Array(length);
  for (let have = 0; have < length; ) {
    const count = stdin.readSync(bytes.subarray(have));
    if (count === null) exit(0);
    have += count;
  }
  return bytes;
}

function send(text) {
  const body = new TextEncoder().encode(text);
  const message = new Uint8Array(4 + body.length);
  new DataView(message.buffer).setUint32(0, body.length);
  message.set(body, 4);
  for (let sent = 0; sent < message.length; ) sent += stdout.writeSync(message.subarray(sent));
}

function attempt(action) {
  try {
    return `=${action()}`;
  } catch (error) {
    return `!${error}`.slice(0, 500);
  }
}

// yt-dlp-ejs would also evaluate what it has made of the script, with `Function`. Here it gets one that does
// nothing: a script that is being taken apart does not run.
function prepare(lib, core, player) {
  const { meriyah, astring } = new Function(`${lib};return lib`)();
  const jsc = new Function("meriyah", "astring", "Function", `${core};return jsc`)(meriyah, astring, () => () => {});
  const { preprocessed_player } = jsc({ type: "player", player, requests: [], output_preprocessed: true });
  if (typeof preprocessed_player !== "string") throw "yt-dlp-ejs does not give what it has made of the script";
  return preprocessed_player;
}

function load(prepared) {
  const functions = { n: null, sig: null };
  new Function("_result", prepared)(functions);
  return functions;
}

// To each challenge its answer, or null.
function solve(functions, challenges) {
  const answers = {};
  for (const kind of ["n", "sig"]) {
    answers[kind] = challenges[kind].map((challenge) => {
      try {
        return functions[kind](challenge);
      } catch {
        return null;
      }
    });
  }
  return JSON.stringify(answers);
}

if (args[0] === "prepare") {
  send(attempt(() => prepare(receive(), receive(), receive())));
} else {
  let functions;
  send(attempt(() => ((functions = load(receive())), "")));
  for (;;) send(attempt(() => solve(functions, JSON.parse(receive()))));
}
