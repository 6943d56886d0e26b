"""The baselines: the alternatives to this service, each with the same route, and the ceilings.

`python -m bench._baselines NAME --proxy URL --ca-file FILE` serves `GET /api/v1/extract?url=…` on a free
port, and prints that port:

    spawn    `yt-dlp -J` for each request, ten at once, behind Quart on asyncio: the usual way
    threads  ten threads that share one YoutubeDL, behind the same
    bare     no yt-dlp at all: a bare ASGI app that returns one body, on this service's own HTTP server

`python -m bench._baselines stock …` and `… workers …` serve nothing: ten warm processes extract for some
seconds without any HTTP, as fast as they can, and it prints the extractions per second. `stock` uses a
YoutubeDL as yt-dlp ships it; `workers` does what this service's own workers do.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import itertools
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

WORKERS = 10
PAGE = "https://www.youtube.com/watch?v="


def spawned(proxy: str) -> Any:
    """An app that starts `yt-dlp -J` for each request."""
    from quart import Quart, Response, request

    app = Quart("spawn")
    slots = asyncio.Semaphore(WORKERS)
    command = [sys.executable, "-m", "yt_dlp", "-J", "--ignore-config", "--no-warnings"]
    command += ["--compat-options", "no-certifi", "--proxy", proxy]

    @app.get("/api/v1/extract")
    async def extract() -> Response:
        async with slots:
            process = await asyncio.create_subprocess_exec(
                *command, request.args["url"], stdout=asyncio.subprocess.PIPE
            )
            body, _ = await process.communicate()
        return Response(body, 200 if process.returncode == 0 else 502, content_type="application/json")

    return app


def threaded(proxy: str) -> Any:
    """An app whose threads share one YoutubeDL."""
    from quart import Quart, Response, request

    app = Quart("threads")
    pool = ThreadPoolExecutor(WORKERS)
    work = stock(proxy)

    @app.get("/api/v1/extract")
    async def extract() -> Response:
        body = await asyncio.get_running_loop().run_in_executor(pool, work, request.args["url"])
        return Response(body, content_type="application/json")

    return app


def serve_asyncio(app: Any) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
        config.bind = [f"fd://{listener.fileno()}"]
        print(listener.getsockname()[1], flush=True)
        asyncio.run(serve(app, config))


def serve_bare(length: int) -> None:
    """The bare app on the service's own HTTP server."""
    import trio

    from service.config import Config
    from service.lifecycle import Lifecycle
    from service.web.http.listener import serve

    body = b"x" * length
    head = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % length)],
    }

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
        await receive()
        await send(head)
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            urls = await nursery.start(serve, app, Config.load(port=0), Lifecycle())
            print(urls[0].rpartition(":")[2], flush=True)

    trio.run(run)


def stock(proxy: str) -> Callable[[str], bytes]:
    """A function that extracts with a warm YoutubeDL and returns JSON."""
    import yt_dlp

    options = {"quiet": True, "no_warnings": True, "proxy": proxy, "compat_opts": {"no-certifi"}}
    downloader = yt_dlp.YoutubeDL(options)

    def extract(url: str) -> bytes:
        info = downloader.extract_info(url, download=False)
        return json.dumps(downloader.sanitize_info(info)).encode()

    return extract


def workers(proxy: str, ca_file: str) -> Callable[[str], bool]:
    """A function that runs a job as a worker does, guard included, and returns whether it succeeded."""
    from service.template_wire import WorkerSettings
    from service.wire import Job, Kind, Success
    from service.worker import runner, warmup
    from service.worker.egress import Guard

    settings = WorkerSettings(proxy=proxy, ca_file=ca_file)
    tables = warmup.prepare(settings)

    @functools.cache
    def guard() -> Guard:
        guard = Guard(settings, programs=(tables.runtime.info.path,))
        guard.install()
        return guard

    def extract(url: str) -> bool:
        return isinstance(runner.run(Job(Kind.EXTRACT, url), 30, settings, tables, guard()), Success)

    return extract


def loop(extract: Callable[[str], object], seconds: float, processes: int, salt: str) -> float:
    """Extractions per second of processes that do nothing else for `seconds`."""
    start = time.monotonic() + 1.5

    def work(process: int) -> tuple[int, float]:
        """How many succeeded, and when the last one had."""
        done = 0
        for number in itertools.count():
            succeeded = extract(f"{PAGE}{salt}{process:02d}{number:05d}")
            if number == 0:  # a process's first is slower
                time.sleep(max(0.0, start - time.monotonic()))
                continue
            done += bool(succeeded)
            if time.monotonic() > start + seconds:
                break
        return done, time.monotonic() - start

    readers = []
    for process in range(processes):
        reader, writer = os.pipe()
        if os.fork() == 0:
            try:
                os.write(writer, json.dumps(work(process)).encode())
            finally:
                os._exit(0)
        os.close(writer)
        readers.append(reader)
    results = []
    for reader in readers:
        with os.fdopen(reader) as pipe:
            results.append(json.load(pipe))
    return float(sum(done / took for done, took in results))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench._baselines", description=__doc__)
    parser.add_argument("name", choices=("spawn", "threads", "bare", "stock", "workers"))
    parser.add_argument("--proxy", default="")
    parser.add_argument("--ca-file", type=Path, default=Path())
    parser.add_argument("--length", type=int, default=100, help="bytes of the bare app's body")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--salt", default="loop", help="four characters of the videos' ids")
    given = parser.parse_args()
    os.environ["SSL_CERT_FILE"] = str(given.ca_file)
    if given.name == "bare":
        serve_bare(given.length)
    elif given.name in ("stock", "workers"):
        ours = functools.partial(workers, ca_file=str(given.ca_file))
        extract = (stock if given.name == "stock" else ours)(given.proxy)
        print(loop(extract, given.seconds, given.workers, given.salt))
    else:
        serve_asyncio((spawned if given.name == "spawn" else threaded)(given.proxy))


if __name__ == "__main__":
    main()
