"""A worker without a template, for tests: a warmed process.

    with LoneWorker.spawn(WorkerSettings()) as worker:
        outcome = worker.run(Job(Kind.EXTRACT, "https://site.example/page"))

With `raw=True` a result is yt-dlp's whole info, as `yt-dlp -J` prints it. With `heads=False` no server is
asked for a size. With `cpu` a job has that many seconds of CPU. Where the settings name a solver, `solve`
answers in its place.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from service.template_wire import WorkerSettings, decode_settings
from service.wire import (
    HEADER,
    Challenges,
    Job,
    Outcome,
    Permission,
    Solution,
    decode_challenges,
    decode_outcome,
    decode_ready,
    decode_visit,
    encode_job,
    encode_permission,
    encode_solution,
    is_challenges,
    is_visit,
)
from service.worker.job_record import MAX_CPU
from service.worker.visits import anywhere

MEASURED = "COVERAGE_PROCESS_CONFIG"
_ROOT = Path(__file__).resolve().parents[2]


def unsolved(challenges: Challenges, script: bytes) -> Solution:
    """The answer where there is no solver."""
    return Solution(problem="there is no solver")


@dataclass(frozen=True, slots=True)
class LoneWorker:
    """The server's end of the worker's socket, and its process."""

    sock: socket.socket
    process: subprocess.Popen[bytes]
    solve: Callable[[Challenges, bytes], Solution]
    may_visit: Callable[[str], Permission]

    @classmethod
    @contextmanager
    def spawn(
        cls,
        settings: WorkerSettings,
        *,
        raw: bool = False,
        heads: bool = True,
        cpu: float = MAX_CPU,
        solve: Callable[[Challenges, bytes], Solution] = unsolved,
        may_visit: Callable[[str], Permission] = anywhere,
    ) -> Iterator[LoneWorker]:
        """A warm worker that is ready; it ends when its socket closes. It may print nothing."""
        ours, theirs = socket.socketpair()
        command = [
            sys.executable,
            "-m",
            "tests.support.lone_worker",
            str(theirs.fileno()),
            json.dumps(asdict(settings)),
            str(cpu),
        ]
        with (
            ours,
            TemporaryDirectory() as scratch,
            subprocess.Popen(
                [*command, *(["raw"] if raw else []), *([] if heads else ["no heads"])],
                cwd=_ROOT,
                env=os.environ | {"HOME": scratch, "TMPDIR": scratch, "DENO_DIR": f"{scratch}/deno"},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
            ) as process,
        ):
            theirs.close()
            assert process.stdout is not None
            try:
                worker = cls(ours, process, solve, may_visit)
                head, _ = worker._frame()
                assert decode_ready(head).pid == process.pid
                yield worker
                ours.shutdown(socket.SHUT_RDWR)
                printed = process.stdout.read()
                assert process.wait(10) == 0
                assert printed == b"", "a worker never prints"
            finally:
                process.kill()

    def run(self, job: Job, timeout: float = 20.0) -> Outcome:
        """The outcome of `job`; raises TimeoutError where none comes."""
        self.sock.settimeout(90)
        self.sock.sendall(encode_job(job, timeout))
        while True:
            head, body = self._frame()
            if is_challenges(head):
                self.sock.sendall(encode_solution(self.solve(decode_challenges(head), body)))
            elif is_visit(head):
                self.sock.sendall(encode_permission(self.may_visit(decode_visit(head))))
            else:
                return decode_outcome(head, body)

    def _frame(self) -> tuple[bytes, bytes]:
        head, body = HEADER.unpack(self._exactly(HEADER.size))
        return self._exactly(head), self._exactly(body)

    def _exactly(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            chunk = self.sock.recv(length - len(data))
            assert chunk, f"the worker ended with {self.process.wait(10)}"
            data += chunk
        return data


def _main(descriptor: str, settings_json: str, cpu: str, *mode: str) -> None:
    from yt_dlp import YoutubeDL

    from service.wire import Success
    from service.worker import content_length, runner, sandbox

    settings = decode_settings(json.loads(settings_json))
    vars(runner)["MAX_CPU"] = float(cpu)
    if "raw" in mode:
        runner._published = lambda job, info, max_result, usage, *_: Success(
            json.dumps(YoutubeDL.sanitize_info(info)).encode(), "", usage()
        )
    if "no heads" in mode:
        content_length.MAX_FORMATS = 0
    if MEASURED in os.environ:  # the sandbox would not let coverage write its data
        vars(sandbox)["enter_sandbox"] = lambda *_: None
    runner.warm(settings)
    runner.work(socket.socket(fileno=int(descriptor)), settings)


if __name__ == "__main__":
    _main(*sys.argv[1:])
