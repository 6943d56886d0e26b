"""The worker that most files here ask: one for each file, behind the small internet's proxy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.template_wire import WorkerSettings
from tests.internet import Internet
from tests.support.lone_worker import LoneWorker


@pytest.fixture(scope="module")
def worker(internet: Internet) -> Iterator[LoneWorker]:
    with LoneWorker.spawn(WorkerSettings(proxy=internet.proxy, ca_file=str(internet.ca_file))) as running:
        yield running
