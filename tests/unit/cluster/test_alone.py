"""Collaboration: a service without CLUSTER_URL, whose cluster is no more than a function call."""

from __future__ import annotations

import subprocess
import sys

import pytest

from service.cluster.choice import cluster_of
from service.cluster.port import Alone, Cluster
from service.config import Config, ConfigError
from service.dispatch.request import Answer
from service.events import Events
from service.wire import Job, Kind
from tests.support.running_service import ROOT

BUILT = """
import sys
from service.config import Config
from service.events import Events
from service.main import Core
Core.build(Config.load(), Events(), Events())
found = [name for name in sys.modules if name == "hiredis" or name.startswith("service.cluster.")]
print(*sorted(found))
"""


def test_nothing_of_it_is_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BUILT], cwd=ROOT, env={}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [
        f"service.cluster.{name}" for name in ("address", "choice", "messages", "port")
    ]


async def test_a_job_just_runs() -> None:
    async def run() -> Answer:
        return answer

    answer = Answer(b"{}")
    alone: Cluster = cluster_of(Config.load(), Events())
    assert isinstance(alone, Alone)
    assert await alone.once(Job(Kind.EXTRACT, "https://example.com"), run, fresh=False) is answer
    await alone.run()


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hiredis", None)
    for name in [name for name in sys.modules if name.startswith("service.cluster.")]:
        if name.rpartition(".")[2] not in ("address", "choice", "messages", "port"):
            monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ConfigError, match="pip install hiredis"):
        cluster_of(Config.load(cluster_url="redis://cache"), Events())
