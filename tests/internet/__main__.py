"""`python -m tests.internet --port N`: the small internet by hand; prints one JSON line when it listens."""

from __future__ import annotations

import argparse
import json
import signal
from pathlib import Path

import trio

from .proxy import World, serve
from .settings import REALISTIC, Settings


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.internet", description=__doc__)
    parser.add_argument("--port", type=int, default=8900, help="0 picks a free one")
    parser.add_argument(
        "--ca-file", type=Path, default=None, help="where to write the CA's certificate (PEM)"
    )
    parser.add_argument(
        "--settings", type=json.loads, default={}, help="JSON; settings.py names them: how the sites play"
    )
    parser.add_argument("--until-eof", action="store_true", help="end when standard input does")
    given = parser.parse_args()
    trio.run(_main, given.port, given.ca_file, given.until_eof, REALISTIC.changed(given.settings))


async def _main(port: int, ca_file: Path | None, until_eof: bool, settings: Settings) -> None:
    async with trio.open_nursery() as nursery:
        world: World = await nursery.start(_serve_on, port, settings)
        if ca_file is not None:
            await trio.Path(ca_file).write_bytes(world.authority.pem)
        ready = {"port": world.port, "proxy": world.proxy, "ca_file": ca_file and str(ca_file)}
        print(json.dumps(ready), flush=True)
        if until_eof:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is for the parent process
            await trio.lowlevel.wait_readable(0)  # never written to, so readable means closed
        else:
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                await anext(signals)
        nursery.cancel_scope.cancel()


async def _serve_on(port: int, settings: Settings, *, task_status: trio.TaskStatus[World]) -> None:
    await serve(port=port, settings=settings, task_status=task_status)


if __name__ == "__main__":
    main()
