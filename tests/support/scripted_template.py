"""The real template process with workers that do what the job's URL says: `https://scripted.test/sleep/2`.

    python -m tests.support.scripted_template DIRECTORY FD

Files in DIRECTORY change what the template and new workers do: `no-fork`, `no-template`,
`slow-template`, `mute`, `stillborn`.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from service.codes import Code
from service.template_wire import Warm, WorkerSettings
from service.wire import (
    HEADER,
    MAX_HEAD,
    MAX_JOB,
    Challenges,
    Failure,
    Outcome,
    Ready,
    Success,
    decode_job,
    decode_solution,
    encode_challenges,
    encode_outcome,
    encode_ready,
    lengths,
)
from service.worker.template import serve

DIRECTORY = Path(sys.argv[1])
fork = os.fork


def told(name: str) -> bool:
    return (DIRECTORY / name).exists()


def refusing_fork() -> int:
    if told("no-fork"):
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return fork()


def warm(settings: WorkerSettings) -> Warm:
    if told("no-template"):
        raise ImportError("No module named 'yt_dlp'")
    if told("slow-template"):
        (DIRECTORY / "warming").write_text(str(os.getpid()))
        time.sleep(60)
    return Warm(ytdlp="scripted", runtime=None)


def exactly(server: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = server.recv(size - len(data))
        if not chunk:
            os._exit(0)
        data += chunk
    return data


def work(server: socket.socket, settings: WorkerSettings) -> None:
    if told("mute"):
        time.sleep(60)
    if told("stillborn"):
        os._exit(3)
    server.sendall(encode_ready(Ready(os.getpid())))
    while True:
        head, _ = lengths(exactly(server, HEADER.size), max_head=MAX_JOB, max_body=0)
        job, _timeout = decode_job(exactly(server, head))
        name, _, argument = job.url.removeprefix("https://scripted.test/").partition("/")
        outcome = SCRIPTS[name](server, argument)
        if outcome is not None:
            server.sendall(b"".join(encode_outcome(outcome)))


def success(**values: object) -> Success:
    return Success(body=json.dumps({"pid": os.getpid(), **values}).encode())


def ok(server: socket.socket, argument: str) -> Outcome:
    return success()


def fail(server: socket.socket, argument: str) -> Outcome:
    return Failure(Code.PRIVATE, "the video is private")


def sleep(server: socket.socket, argument: str) -> Outcome:
    time.sleep(float(argument))
    return success()


def stubborn(server: socket.socket, argument: str) -> Outcome:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (DIRECTORY / "stubborn").touch()
    return sleep(server, argument)


def die(server: socket.socket, argument: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave(server: socket.socket, argument: str) -> None:
    os._exit(0)


def once(server: socket.socket, argument: str) -> Outcome:
    """Leave the first time, and answer the second."""
    try:
        (DIRECTORY / "once").touch(exist_ok=False)
    except FileExistsError:
        return success()
    os._exit(0)


def partial(server: socket.socket, argument: str) -> None:
    server.sendall(HEADER.pack(100, 900) + b"x" * 400)
    os._exit(1)


def last_words(server: socket.socket, argument: str) -> None:
    server.sendall(b"".join(encode_outcome(success(filler="x" * int(argument)))))
    os._exit(1)


def oversized(server: socket.socket, argument: str) -> None:
    server.sendall(HEADER.pack(100, 64 << 20))
    time.sleep(60)


def garbage(server: socket.socket, argument: str) -> None:
    server.sendall(b"Traceback (most recent call last):\n")
    time.sleep(60)


def babble(server: socket.socket, argument: str) -> Outcome:
    """Answer, and send more afterwards."""
    if fork() == 0:
        time.sleep(0.1)
        server.sendall(b"and another thing")
        os._exit(0)
    return success()


def too_much(server: socket.socket, argument: str) -> None:
    """Answer with more than an answer."""
    server.sendall(b"".join(encode_outcome(success())) + b"and another thing")


def grandchild(server: socket.socket, argument: str) -> None:
    """End, and leave a child behind that holds the socket, and everything else, open."""
    if (child := fork()) == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
    (DIRECTORY / "grandchild").write_text(str(child))
    os._exit(0)


def delegate(server: socket.socket, argument: str) -> None:
    """Wait for a child that computes without end."""
    if (child := fork()) == 0:
        while True:
            pass
    os.waitpid(child, 0)


def big(server: socket.socket, argument: str) -> Outcome:
    return Success(body=b"x" * int(argument))


def hoard(server: socket.socket, argument: str) -> Outcome:
    """Use up that many bytes of memory."""
    try:
        return success(length=len(bytearray(int(argument))))
    except MemoryError:
        return Failure(Code.BUDGET_EXCEEDED, "out of memory")


def litter(server: socket.socket, argument: str) -> Outcome:
    """Leave a file behind and wait to be killed."""
    Path("litter").write_text("x")
    (DIRECTORY / "litter").write_text(str(Path("litter").resolve()))
    return sleep(server, "60")


def challenge(server: socket.socket, argument: str) -> Outcome:
    """Ask the solver so many times; return its last answer."""
    word = b""
    for _ in range(int(argument)):
        server.sendall(encode_challenges(Challenges("https://www.youtube.com/", "", n=("abc",))))
        head, _ = lengths(exactly(server, HEADER.size), max_head=MAX_HEAD, max_body=0)
        word = exactly(server, head)
    return success(problem=decode_solution(word).problem)


def huge_script(server: socket.socket, argument: str) -> None:
    """Send an invalid script to the solver."""
    server.sendall(encode_challenges(Challenges("https://www.youtube.com/", ""), 1 << 30))
    time.sleep(60)


def inspect(server: socket.socket, argument: str) -> Outcome:
    """Report the environment of the worker."""
    descriptors = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            descriptors[name] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # the descriptor that lists the directory
    return success(
        descriptors=descriptors,
        environment=dict(os.environ),
        session=os.getsid(0),
        niceness=os.getpriority(os.PRIO_PROCESS, 0),
        core=resource.getrlimit(resource.RLIMIT_CORE)[0],
        directory=os.getcwd(),
        left=os.listdir(),
        trio="trio" in sys.modules,
    )


SCRIPTS: dict[str, Callable[[socket.socket, str], Outcome | None]] = {
    script.__name__: script
    for script in (
        *(
            ok,
            fail,
            sleep,
            stubborn,
            die,
            leave,
            once,
            partial,
            last_words,
            oversized,
            garbage,
            babble,
            too_much,
        ),
        *(too_much, grandchild, delegate, big, hoard, litter, challenge, huge_script, inspect),
    )
}

if __name__ == "__main__":
    os.fork = refusing_fork
    with socket.socket(fileno=int(sys.argv[2])) as control:
        serve(control, warm, work)
