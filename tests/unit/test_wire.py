"""Pure: each message survives encoding and decoding; anything else is a ProtocolError."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import wire
from service.codes import Code
from service.egress.route import Route
from service.wire import Failure, Job, Kind, ProtocolError, Ready, Success, Usage

seconds = st.floats(0, 1e6, allow_nan=False)
usages = st.builds(
    Usage,
    cpu=seconds,
    wall=seconds,
    requests=st.integers(0, 1000),
    statuses=st.lists(st.integers(100, 599)).map(tuple),
    sidecars=st.lists(st.tuples(st.text(), st.text()), max_size=2).map(tuple),
)
jobs = st.builds(
    Job,
    kind=st.sampled_from(Kind),
    url=st.text(max_size=200),
    fields=st.lists(st.text(max_size=20), max_size=5).map(tuple),
    playlist=st.integers(0, 100),
    duration_hint=st.none() | seconds,
    cookies=st.none() | st.text(),
)
outcomes = st.builds(
    Success,
    body=st.binary(),
    extractor=st.text(),
    usage=usages,
    lifetime=st.none() | seconds,
    etag=st.text("0123456789abcdef", max_size=24),
) | st.builds(
    Failure,
    code=st.sampled_from(Code),
    message=st.text(),
    retry_after=st.none() | seconds,
    generic=st.booleans(),
    waiting=st.booleans(),
    extractor=st.text(),
    usage=usages,
)


def split(frame: bytes) -> tuple[bytes, bytes]:
    size = wire.HEADER.size
    head, body = wire.lengths(frame[:size], max_head=wire.MAX_JOB, max_body=1 << 20)
    assert len(frame) == size + head + body
    return frame[size : size + head], frame[size + head :]


@given(st.text(), st.text(max_size=200))
def test_the_frame_of_a_job_is_hardly_longer_than_the_body_that_asked_for_it(cookies: str, url: str) -> None:
    body = json.dumps({"url": url, "cookies": cookies}, ensure_ascii=False).encode()
    frame = wire.encode_job(Job(Kind.EXTRACT, url, cookies=cookies), 25.0)
    assert len(frame) <= len(body) + 200


def test_a_job_over_the_bound_is_refused_before_a_worker_is_told() -> None:
    with pytest.raises(wire.JobTooLarge):
        wire.encode_job(Job(Kind.EXTRACT, "https://a.example/", cookies="é" * (wire.MAX_JOB // 2)), 25.0)


@given(jobs, seconds)
def test_a_job_arrives_as_it_was_sent(job: Job, timeout: float) -> None:
    head, body = split(wire.encode_job(job, timeout))
    assert wire.decode_job(head) == (job, timeout)
    assert body == b""


@given(outcomes)
def test_an_outcome_arrives_as_it_was_sent(outcome: wire.Outcome) -> None:
    assert wire.decode_outcome(*split(b"".join(wire.encode_outcome(outcome)))) == outcome


def test_ready_arrives_as_it_was_sent() -> None:
    head, _ = split(wire.encode_ready(Ready(pid=42)))
    assert wire.decode_ready(head) == Ready(pid=42)


def test_a_frame_over_its_bound_is_refused_on_the_header() -> None:
    header = wire.HEADER.pack(10, 64 << 20)
    with pytest.raises(ProtocolError, match="over the bound"):
        wire.lengths(header, max_head=wire.MAX_HEAD, max_body=8 << 20)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


near_misses = st.dictionaries(st.sampled_from(["ready", "job", "timeout", "success", "failure"]), json_values)


def test_a_job_takes_its_egress_along_and_does_not_show_it() -> None:
    route = Route("http://user:secret@proxy.example:3128", "2001:db8::1")
    job = Job(Kind.EXTRACT, "https://site.example/", egress="de", route=route)
    found, _ = wire.decode_job(wire.encode_job(job, 1.0)[wire.HEADER.size :])
    assert (found.route, found.egress) == (route, "de")
    assert found == replace(job, route=None), "jobs that differ in their egress alone share a result"
    assert "secret" not in repr(job)


@given(st.binary() | (json_values | near_misses).map(lambda value: json.dumps(value).encode()))
def test_any_other_head_is_a_protocol_error(head: bytes) -> None:
    for decode in (wire.decode_ready, wire.decode_job, lambda head: wire.decode_outcome(head, b"")):
        with pytest.raises(ProtocolError):
            decode(head)


def test_cookies_and_bodies_stay_out_of_reprs() -> None:
    job = Job(kind=Kind.EXTRACT, url="https://a.example/", cookies="SECRET")
    assert "SECRET" not in repr(job)
    assert "SECRET" not in repr(Success(body=b"SECRET"))
