"""One worker: read a job, run it, write the outcome.

The template calls `warm` once and, in each process it forks, `work`. A worker enforces no deadline: only the
server ends a job that takes too long, by killing the worker.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import itertools
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from yt_dlp.version import __version__ as ytdlp_version

from .. import sizes
from ..breaker.sites import endpoint_of, site_of
from ..codes import Code
from ..template_wire import Warm, WorkerSettings
from ..wire import (
    HEADER,
    MAX_HEAD,
    MAX_JOB,
    Failure,
    Job,
    Kind,
    Outcome,
    Ready,
    Success,
    Usage,
    decode_job,
    encode_outcome,
    encode_ready,
    lengths,
)
from ..ytdlp_options import options_of
from . import (
    completion,
    expiry,
    failures,
    operator_options,
    paging,
    patches,
    publish,
    sandbox,
    scratch,
    selection,
    state,
    visits,
    warmup,
    withheld,
)
from .alarms import alarm
from .challenges import Solve, solver_on
from .egress import Guard
from .extraction import Downloader, Shared, extract, parameters, shared
from .job_record import MAX_BYTES, MAX_CPU, JobRecord
from .refused import Refused
from .scope import scope_of
from .visits import MayVisit

_SELDOM = (50_000, 20, 100)  # with the default thresholds, collections take a sixth of a job's CPU
_WHOLE = 20  # jobs between full collections; the garbage of one job is young


def warm(settings: WorkerSettings) -> Warm:
    """Warm this process, the template, and report what it has.

    Raises:
        ColdTemplate, MissingRuntime: something is missing; the text says what.
    """
    tables = warmup.prepare(settings)
    info, loaded = tables.runtime.info, tables.plugins
    return Warm(
        ytdlp=ytdlp_version,
        runtime=f"{info.name} {info.version}",
        layers=sandbox.layers(settings),
        lost=patches.lost(),
        plugins=loaded.names,
        providers=loaded.providers,
        broken=loaded.broken,
    )


def work(sock: socket.socket, settings: WorkerSettings) -> None:
    """Serve jobs on `sock` until the server closes it.

    Raises:
        ProtocolError: the server broke the framing; this process must end.
    """
    warmup.environment(settings)
    tables = shared(settings)
    guard = Guard(settings, programs=(tables.runtime.info.path,))
    sandbox.enter_sandbox(settings, tables.runtime.info.path)
    guard.install()
    snapshot = state.snapshot()
    gc.set_threshold(*_SELDOM)
    solve = solver_on(sock) if settings.solver else None
    may_visit = visits.permissions_on(sock)
    sock.sendall(encode_ready(Ready(os.getpid())))
    for number in itertools.count(1):
        if not (header := _receive(sock, HEADER.size)):
            return
        head_length, body_length = lengths(header, max_head=MAX_JOB, max_body=0)
        job, timeout = decode_job(_receive(sock, head_length + body_length))
        _answer(sock, run(job, timeout, settings, tables, guard, solve, may_visit))
        # After the answer, so that no client waits. Where the state cannot be restored this process ends.
        snapshot.restore(guard.job_record.modules)
        gc.collect(0 if number % _WHOLE else 2)  # without this, ten workers take 40 MB more
        if not scratch.clean_scratch():
            return


def run(
    job: Job,
    timeout: float,
    settings: WorkerSettings,
    tables: Shared,
    guard: Guard,
    solve: Solve | None = None,
    may_visit: MayVisit = visits.anywhere,
) -> Outcome:
    """Run `job`. Every error becomes an outcome.

    Args:
        timeout: seconds the job has, for the sockets' own timeouts.
        solve: asks the solver.
        may_visit: asks whether an endpoint that the job is led to may be asked.
    """
    job_record = guard.job_record = JobRecord(
        endpoint_of(job.url), may_visit, max_bytes=MAX_BYTES + paging.allowance(job)
    )
    usage = _meter(job_record)
    downloader = None
    try:
        guard.leave_by(job.route)
        _check(job, guard)
        options = options_of(settings.options, site_of(job.url))
        if job.route is not None and job.route.source is not None:
            options = replace(options, impersonate="")  # see impersonation.handlers
        operator_options.use_addresses(options)
        params = parameters(settings, job.playlist, timeout, job.start, job.route)
        params |= operator_options.parameters(options)
        downloader = Downloader(params, tables, guard, settings.ca_file, scope_of(job), solve)
        budget = alarm(signal.ITIMER_PROF, MAX_CPU, job_record.computing_too_long, again=1.0)
        with contextlib.closing(downloader), budget:
            wanted = _wanted(job, downloader)
            info = extract(downloader, job)
            # A denial that yt-dlp swallowed, or a result that names refused places only.
            if (denied := job_record.denied or downloader.media_urls.prune(info)) is not None:
                raise job_record.deny(denied)
            added = completion.complete(downloader, job, info, wanted, timeout - usage().wall)
        if job_record.denied is not None:  # in what was asked for after that
            raise job_record.deny(job_record.denied)
    except Refused as refused:
        extractor = downloader.extractor if downloader is not None else ""
        generic = extractor == "Generic"
        return Failure(
            refused.code,
            str(refused),
            generic=generic,
            extractor=extractor,
            usage=usage(),
            about=refused.about,
        )
    except BaseException as error:
        found = failures.classify(error, job_record)
        extractor = downloader.extractor if downloader is not None else ""
        about = _about(downloader)
        return Failure(
            found.code,
            found.message,
            retry_after=found.retry_after or withheld.seconds_until(about, found.code, time.time()),
            about=about,
            generic=extractor == "Generic",
            extractor=extractor,
            usage=usage(),
            unsolved=job_record.unsolved,
            culprit=found.culprit,
        )
    if job_record.refused is not None:
        info["partial"] = True
    outcome = _published(job, info, settings.max_result, usage, job_record.unsolved, added)
    if isinstance(outcome, Success) and job_record.refused is not None:
        return replace(outcome, lifetime=0.0)  # the refusal may be over in a moment
    return outcome


def _wanted(job: Job, downloader: Downloader) -> selection.Choose | None:
    """The choice of formats that `job` asks for; it is understood before anything is requested."""
    if job.kind is Kind.SUBTITLES:
        return None
    expression = job.format or (completion.WHOLE if job.kind is Kind.LOCATION else "")
    return selection.parse(downloader, expression) if expression else None


def _about(downloader: Downloader | None) -> dict[str, Any]:
    """What is known of a video that cannot be had, without links to refused places."""
    if downloader is None:
        return {}
    known = withheld.about(downloader.described)
    downloader.media_urls.links(known)
    return known


def _check(job: Job, guard: Guard) -> None:
    """Check the URL again: a worker does not rely on the check of the web layer."""
    try:
        parts = urlsplit(job.url)
    except ValueError:
        raise Refused(Code.INVALID_URL) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or publish.SMUGGLED in job.url:
        raise Refused(Code.INVALID_URL)
    guard.check_url(job.url)


def _published(
    job: Job,
    info: dict[str, Any],
    max_result: int,
    usage: Callable[[], Usage],
    unsolved: str = "",
    added: Mapping[str, Any] = MappingProxyType({}),
) -> Outcome:
    extractor = str(info.get("extractor_key") or "")
    if unsolved:
        info["partial"] = True
    try:
        if job.kind is Kind.EXTRACT:
            fields = publish.publish(info, _fields(job))
        elif job.kind is Kind.SIZE and (report := sizes.report(info, job.duration_hint)):
            fields = {**report, **publish.publish(report, ("thumbnail",))}  # without credentials
        else:
            fields = {}
        encode = publish.encode_lines if job.lines else publish.encode
        body = added["text"].encode("utf-8", "replace") if "text" in added else encode({**fields, **added})
    except Exception:
        code = Code.INTERNAL
    else:
        if len(body) <= max_result:
            useful = expiry.lifetime(info, time.time(), urls=job.kind is not Kind.SIZE or bool(job.format))
            etag = hashlib.blake2b(body, digest_size=12).hexdigest()
            return Success(body, extractor, usage(), useful, etag, unsolved)
        code = Code.RESULT_TOO_LARGE
    return Failure(code, failures.sentence(code), extractor=extractor, usage=usage(), unsolved=unsolved)


def _fields(job: Job) -> tuple[str, ...]:
    """The fields to keep; a request for lines includes the entries."""
    return (*job.fields, "entries") if job.fields and job.lines else job.fields


def _answer(sock: socket.socket, outcome: Outcome) -> None:
    frame, body = encode_outcome(outcome)
    head_length, _ = HEADER.unpack(frame[: HEADER.size])
    assert head_length <= MAX_HEAD, "messages and statuses are bounded"
    sent = sock.sendmsg((frame, body))  # both at once, so that the server wakes up once
    for part in (frame, body):
        if sent < len(part):
            sock.sendall(memoryview(part)[sent:])
        sent = max(0, sent - len(part))


def _meter(job_record: JobRecord) -> Callable[[], Usage]:
    """A function that returns what was spent since this call, the runtime's processes included."""
    wall, cpu = time.monotonic(), _cpu()
    return lambda: Usage(
        _cpu() - cpu,
        time.monotonic() - wall,
        job_record.requests,
        job_record.site_requests,
        tuple(job_record.statuses),
        job_record.elsewhere(),
        tuple(job_record.sidecars.items()),
    )


def _cpu() -> float:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _receive(sock: socket.socket, length: int) -> bytes:
    """`length` bytes; none at all once the server closed its end."""
    received = bytearray()
    while len(received) < length:
        chunk = sock.recv(length - len(received))
        if not chunk:
            return b""
        received += chunk
    return bytes(received)
