"""Contract: the solver's real processes, and scripts that try to misuse them."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio

from service.solver import ejs
from service.solver.confinement import MEMORY
from service.solver.engine import LONG, Engine, EngineFailed, ScriptRejected, started
from service.solver.script import ANSWER

PATIENCE = 60.0  # seconds; generous, for machines that are busy with something else

LETTERS = "".join(map(chr, range(80)))


async def prepare(code: bytes) -> bytes:
    found = ejs.load()
    async with started("prepare") as engine:
        return await engine.ask(found.lib, found.core, code, within=PATIENCE, longest=LONG)


async def solve(engine: Engine, *n: str, sig: tuple[str, ...] = (), within: float = PATIENCE) -> Any:
    return json.loads(await engine.ask(json.dumps({"n": n, "sig": sig}).encode(), within=within))


def told(engine: Engine, name: str) -> str:
    """A file of the process in /proc."""
    return Path(f"/proc/{engine.pid}", name).read_text()


def hostile(statements: str, n: str = "p.n") -> bytes:
    """Functions as yt-dlp-ejs makes them, with hostile code beside them."""
    code = f"{statements}; _result.n = (p) => {n.replace('p.n', 'p')}; _result.sig = (s) => s;"
    return code.encode()


async def test_a_script_is_taken_apart_and_its_functions_answer() -> None:
    functions = await prepare(ejs.SAMPLE)
    async with started("evaluate") as engine:
        assert await engine.ask(functions, within=PATIENCE) == b""
        answers = await solve(engine, "abcdefghij", "0123456789", sig=(LETTERS,))
        assert answers == {"n": ["jihgfedcba", "9876543210"], "sig": [LETTERS[2:]]}


@pytest.mark.parametrize("code", [b"", b"<html>consent</html>", b"var a = ;", b"\xff\xfe", b"var a = 1;"])
async def test_what_is_no_player_script_is_said_to_be_none(code: bytes) -> None:
    with pytest.raises(ScriptRejected):
        await prepare(code)


async def test_a_script_that_is_taken_apart_does_not_run() -> None:
    code = ejs.SAMPLE.replace(b"g.build=", b"g.never=(function(){for(;;);})();g.build=")
    assert b"for" in await prepare(code)  # the script has been prepared


async def test_a_process_owns_next_to_nothing() -> None:
    async with started("evaluate") as engine:
        await engine.ask(hostile(""), within=PATIENCE)
        process = psutil.Process(engine.pid)
        assert os.getsid(engine.pid) == engine.pid
        assert set(process.environ()) == {"DENO_DIR", "NO_COLOR", "DENO_NO_UPDATE_CHECK"}
        for name in ("cpu time", "file size", "core file size", "data size", "open files"):
            assert re.search(rf"^Max {name} +\d+ ", told(engine, "limits"), re.MULTILINE), name
        assert "NoNewPrivs:\t1" in told(engine, "status")
        targets = {os.readlink(f"/proc/{engine.pid}/fd/{fd}").partition(":")[0] for fd in (0, 1, 2)}
        assert targets == {"socket", "/dev/null"}


# Each stores its result in `found`; a script can only report through the answer to a challenge.
REACHES = {
    "a file": "Deno.readTextFileSync('/etc/hostname')",
    "a file, by import": "import('file:///etc/hostname')",
    "the environment": "Deno.env.toObject()",
    "the network": "fetch('http://127.0.0.1:9/')",
    "another program": "new Deno.Command('/bin/true').outputSync()",
    "another thread": "new Worker('data:text/javascript,1', {type: 'module'})",
    "Deno itself": "Deno",
}


@pytest.mark.parametrize("reach", REACHES.values(), ids=REACHES.keys())
async def test_a_script_gets_at_nothing(reach: str) -> None:
    tries = (
        "let found = 'nothing';"
        f"try {{ const got = {reach};"
        "  if (got instanceof Promise) got.then(() => found = 'got', () => {}); else found = 'got';"
        "} catch {}"
    )
    async with started("evaluate") as engine:
        await engine.ask(hostile(tries, "found"), within=PATIENCE)
        for _ in range(3):  # time for its delayed code to run
            assert (await solve(engine, "abc"))["n"] == ["nothing"]


async def test_what_one_script_does_another_does_not_see() -> None:
    spoils = hostile(
        "globalThis.left = 'left'; Array.prototype.map = () => ['spoiled']; JSON.stringify = () => 'spoiled';"
        "Object.prototype.n = () => 'spoiled'; String.prototype.split = () => ['spoiled']; Function = null;"
    )
    functions = await prepare(ejs.SAMPLE)
    async with started("evaluate") as one, started("evaluate") as other:
        await one.ask(spoils, within=PATIENCE)
        assert await one.ask(b'{"n": ["abc"], "sig": []}', within=PATIENCE) == b"spoiled"
        await other.ask(functions, within=PATIENCE)
        assert (await solve(other, "abc"))["n"] == ["cba"]
    async with started("evaluate") as later:
        await later.ask(hostile("", "String(globalThis.left)"), within=PATIENCE)
        assert (await solve(later, "abc"))["n"] == ["undefined"]


async def test_an_answer_that_is_too_long_is_not_read() -> None:
    async with started("evaluate") as engine:
        await engine.ask(hostile("", "'x'.repeat(1e7)"), within=PATIENCE)
        with pytest.raises(EngineFailed, match="bytes"):
            await solve(engine, "abc")


@pytest.mark.parametrize("call", ["deno.find_deno_bin", "socket.socketpair", "os.pidfd_open"])
async def test_one_that_cannot_be_started_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patched:
        patched.setattr(call, refuse)
        with pytest.raises(EngineFailed, match="cannot be started"):
            Engine("evaluate")


async def test_a_loop_without_end_is_ended() -> None:
    async with started("evaluate") as engine:
        await engine.ask(hostile("", "(() => { for (;;); })()"), within=PATIENCE)
        with pytest.raises(EngineFailed, match="did not answer"):
            await solve(engine, "abc", within=0.2)
    assert not psutil.pid_exists(engine.pid)


@pytest.mark.parametrize(
    "bomb",
    [
        "(() => { const all = []; for (;;) all.push(new Array(1e7).fill(all)); })()",
        "(() => { const all = []; for (;;) all.push(new Uint8Array(1 << 26).fill(1)); })()",
    ],
    ids=["in the heap", "outside it"],
)
async def test_a_memory_bomb_goes_off_in_its_own_process(bomb: str) -> None:
    peak = 0
    async with started("evaluate") as engine, trio.open_nursery() as nursery:
        await engine.ask(hostile("", bomb), within=PATIENCE)

        async def watch() -> None:
            nonlocal peak
            while True:
                with contextlib.suppress(psutil.NoSuchProcess):
                    peak = max(peak, psutil.Process(engine.pid).memory_info().rss)
                await trio.sleep(0.01)

        nursery.start_soon(watch)
        try:
            answers = await solve(engine, "abc", within=ANSWER)
        except EngineFailed:
            answers = None
        nursery.cancel_scope.cancel()
    assert answers in (None, {"n": [None], "sig": []})  # it is gone, or the script was refused the memory
    assert 0 < peak < MEMORY


async def test_a_process_that_is_killed_or_stopped_is_noticed() -> None:
    async with started("evaluate") as engine:
        await engine.ask(hostile(""), within=PATIENCE)
        os.kill(engine.pid, signal.SIGSTOP)
        with pytest.raises(EngineFailed, match="did not answer"):
            await solve(engine, "abc", within=0.2)
    async with started("evaluate") as engine:
        await engine.ask(hostile(""), within=PATIENCE)
        os.kill(engine.pid, signal.SIGKILL)
        with trio.fail_after(PATIENCE):
            await engine.ended()
        with pytest.raises(EngineFailed, match="ended"):
            await solve(engine, "abc")
