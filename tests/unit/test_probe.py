"""Collaboration: the health check against a service, and against ports without one."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import pytest
import trio

from service.probe import local, problem
from tests.support.running_service import PATIENCE, ROOT
from tests.support.web_app import serving, web


async def ask(port: int) -> str | None:
    return await trio.to_thread.run_sync(problem, local(port))


async def test_a_service_is_ready_until_it_drains() -> None:
    it = web()
    async with serving(it.app, it.lifecycle) as port:
        assert await ask(port) is None
        it.lifecycle.drain()
        assert "503" in str(await ask(port))
        assert "shut" in str(await ask(port))


async def test_a_port_without_the_service_is_not_ready() -> None:
    async with trio.open_nursery() as nursery:

        async def babble(stream: trio.SocketStream) -> None:
            await stream.receive_some()
            await stream.send_all(b"220 mail.example ESMTP\r\n")
            await stream.aclose()

        listeners = await nursery.start(partial(trio.serve_tcp, babble, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        assert "no answer" in str(await ask(port))
        nursery.cancel_scope.cancel()
    assert "no answer" in str(await ask(port))
    assert "no answer" in str(problem("nonsense://:port"))


@pytest.mark.parametrize("body", ['{"status": "ready"}', '{"ok": true}', "<html>welcome</html>", "[]"])
async def test_a_stranger_that_answers_200_is_none(body: str) -> None:
    response = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    async with trio.open_nursery() as nursery:

        async def greet(stream: trio.SocketStream) -> None:
            await stream.receive_some()
            await stream.send_all(response)
            await stream.aclose()

        listeners = await nursery.start(partial(trio.serve_tcp, greet, 0, host="127.0.0.1"))
        found = await ask(listeners[0].socket.getsockname()[1])
        assert "it is not ytdlpd" in str(found)
        nursery.cancel_scope.cancel()


async def test_the_commands_exit_code_is_the_answer() -> None:
    it = web()
    async with serving(it.app, it.lifecycle) as port:
        for command in (("service.probe",), ("service", "health")):
            run = partial(
                subprocess.run,
                (sys.executable, "-m", *command),
                cwd=ROOT,
                env={"PORT": str(port), "http_proxy": "http://127.0.0.1:9"},
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
            assert (await trio.to_thread.run_sync(run)).returncode == 0
            it.lifecycle.phase = type(it.lifecycle.phase).STARTING
            failed = await trio.to_thread.run_sync(run)
            assert failed.returncode == 1
            assert "503" in failed.stderr
            assert "Traceback" not in failed.stderr
            it.lifecycle.ready()


async def test_it_imports_next_to_nothing() -> None:
    script = (
        "import sys, service.probe; sys.exit(any(name in sys.modules for name in ('trio', 'quart', 'click')))"
    )
    done = await trio.run_process([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert done.returncode == 0
