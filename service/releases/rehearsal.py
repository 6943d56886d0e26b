"""The rehearsal of a release: its template, its workers, a page of each kind, and a JavaScript challenge.

    python -P -m service.releases.rehearsal PATH [SECONDS]

It is a process of its own, with the same template and the same confined workers as the service, and its
pages are served on loopback. It prints what it found as JSON and exits with 0; where the release is not fit
to serve it says why, in a sentence, and exits with 1.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import trio

from ..config import Config
from ..events import Events
from ..pool.accounting import cost_of
from ..pool.process import Process, WorkerDied
from ..pool.template import COMMAND, ForkFailed, StartError, Template
from ..template_wire import Warm
from ..wire import Failure, Job, Kind, ProtocolError
from ..worker.pages import pages, visits
from ..worker.template import die_with_parent

LIMIT = 120.0  # seconds; it takes a few on an idle machine
ROUNDS = 4  # of all pages, on one worker: a release that crashes one job in five does not get through
JOB = 30.0  # seconds for one page
LEAK = 96 << 20  # bytes that a worker may grow by after the first round
GRACE = 1.0  # seconds for a worker to end


class Unfit(Exception):
    """The release must not serve; the text is a sentence that says why."""


async def rehearse(release: Path | None, *, limit: float = LIMIT) -> Warm:
    """Try a release before it serves; what its template reports.

    Raises:
        Unfit: it is broken, or too slow.
    """
    try:
        with trio.fail_after(limit):
            return await _rehearse(release)
    except trio.TooSlowError:
        raise Unfit(f"it did not pass its rehearsal within {limit:g} s") from None
    except BaseExceptionGroup as errors:
        found: BaseException | None = errors.subgroup((StartError, Unfit))
        if found is None:
            raise
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        raise Unfit(str(found)) from None


async def _rehearse(release: Path | None) -> Warm:
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, _serve, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        config = Config.load(egress_allow=(f"127.0.0.1:{port}",))
        template = Template(config, Events(), command=(*COMMAND, "self-test"), release=release)
        await nursery.start(template.run)
        try:
            process = await template.spawn()
        except ForkFailed as error:
            raise Unfit(f"its template cannot fork a worker: {error}") from error
        try:
            await _visit(process, f"http://127.0.0.1:{port}")
        finally:
            with trio.CancelScope(shield=True):  # bounded by GRACE and a kill
                await process.end(GRACE)
        nursery.cancel_scope.cancel()
    assert template.warm is not None
    return template.warm


async def _visit(process: Process, host: str) -> None:
    """Extract each page ROUNDS times. Raises Unfit."""
    first = 0
    try:
        await process.ready()
        for _ in range(ROUNDS):
            for url in visits(host):
                page = url.rpartition("/")[2]
                with trio.fail_after(JOB):
                    outcome = await process.run(Job(Kind.EXTRACT, url), JOB)
                if isinstance(outcome, Failure):
                    raise Unfit(f"it fails on {page}: {outcome.message}")
                if problem := _missing(page, json.loads(outcome.body)):
                    raise Unfit(f"it reads {page} wrongly: {problem}")
            first = first or cost_of(process.pid).rss
    except (WorkerDied, ProtocolError):
        raise Unfit("its worker died on a page that other versions read") from None
    except trio.TooSlowError:
        raise Unfit(f"it hangs on {page}") from None
    if (grown := cost_of(process.pid).rss - first) > LEAK:
        raise Unfit(f"its worker grew by {grown >> 20} MB in a few jobs")


def _missing(page: str, info: dict[str, Any]) -> str | None:
    """What the result of `page` lacks, or None."""
    if "entries" in info:
        return None if [entry for entry in info["entries"] if entry] else "no entries"
    formats = info.get("formats") or []
    if not formats and not info.get("url"):
        return "no formats"
    if page.endswith((".m3u8", ".mpd")) and [each.get("height") for each in formats] != [360]:
        return "its height is not there"
    return None


async def _serve(stream: trio.SocketStream) -> None:
    """Answer one request for a page."""
    request = b""
    while b"\r\n\r\n" not in request:
        received = await stream.receive_some(65536)
        if not received:
            return
        request += received
    method, target, _ = request.split(b" ", 2)
    port = stream.socket.getsockname()[1]
    host = f"http://127.0.0.1:{port}"
    kind, text = pages(host).get(f"{host}{target.decode()}", ("", ""))
    body = text.encode()
    status = b"200 OK" if kind else b"404 Not Found"
    head = b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    await stream.send_all(
        head % (status, kind.encode() or b"text/plain", len(body)) + (body if method != b"HEAD" else b"")
    )


def main() -> None:
    """Entry point."""
    die_with_parent()
    path, limit = Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else LIMIT
    try:
        report = trio.run(partial(rehearse, path, limit=limit))
    except Unfit as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    print(json.dumps(asdict(report)))


if __name__ == "__main__":
    main()
