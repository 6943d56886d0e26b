"""Pure: what the engine keeps, and what is believed of it."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.cluster.entries import FORMAT, LONGEST, WORTH_PACKING, Entry, NotOurs, pack, unpack
from service.cluster.keys import job_digest
from service.codes import Code
from service.dispatch.request import Answer
from service.errors import ExtractionError
from service.wire import Job, Kind

MAX = 10 << 20
JOB = Job(Kind.EXTRACT, "https://example.com/1")


def answer(body: bytes = b'{"ok":true}', **more: object) -> Answer:
    etag = hashlib.blake2b(body, digest_size=12).hexdigest()
    return Answer(body, "youtube", etag=etag, ytdlp="2026.8.19", egress="fra1", **more)  # type: ignore[arg-type]


def packed(entry: Entry) -> bytes:
    data = pack(entry)
    assert data is not None
    return data


@given(st.binary(min_size=1, max_size=3 * WORTH_PACKING), st.none() | st.floats(60, 1e6), st.floats(0, 300))
def test_an_answer_comes_back_with_its_age(body: bytes, lifetime: float | None, left: float) -> None:
    found = unpack(packed(Entry(answer(body, lifetime=lifetime), 300.0)), left, max_body=MAX).ended
    assert isinstance(found, Answer)
    assert (found.body, found.extractor, found.ytdlp) == (body, "youtube", "2026.8.19")
    assert found.egress == "fra1"
    assert found.age == pytest.approx(300 - left)
    assert found.lifetime == (None if lifetime is None else pytest.approx(lifetime - (300 - left)))


def test_a_long_body_is_packed() -> None:
    body = json.dumps({"formats": ["the same"] * 10_000}).encode()
    assert len(packed(Entry(answer(body), 300.0))) < len(body) / 10


def test_what_is_too_long_stays_here() -> None:
    noise = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(LONGEST // 32 + 1))
    assert pack(Entry(answer(noise), 300.0)) is None


def test_a_refusal_comes_back() -> None:
    refusal = ExtractionError(Code.PRIVATE, "the video is private", about={"title": "t"}, retry_after=3.0)
    found = unpack(packed(Entry(refusal, 60.0)), 10.0, max_body=MAX).ended
    assert isinstance(found, ExtractionError)
    assert (found.code, str(found), found.about) == (Code.PRIVATE, "the video is private", {"title": "t"})
    assert found.retry_after == 3.0


@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 255))
def test_whatever_is_there_is_ours_or_a_miss(garbage: bytes, place: int, byte: int) -> None:
    whole = packed(Entry(answer(), 300.0))
    changed = bytearray(whole)
    changed[place % len(whole)] = byte
    for data in (garbage, bytes([FORMAT]) + garbage, bytes(changed), whole[: place % len(whole)]):
        try:
            found = unpack(data, 10.0, max_body=MAX).ended
        except NotOurs:
            continue
        assert isinstance(found, Answer)
        assert found.body == b'{"ok":true}'


def rewritten(body: bytes, **head: object) -> bytes:
    whole = packed(Entry(answer(), 300.0))
    length = struct.unpack_from("!BH", whole)[1]
    values = json.loads(whole[3 : 3 + length]) | head
    text = json.dumps(values).encode()
    return struct.pack("!BH", FORMAT, len(text)) + text + body


@pytest.mark.parametrize(
    "data",
    [
        rewritten(b'{"ok":TRUE}'),  # another body
        rewritten(b'{"ok":true}', etag='"\r\nX: y'),
        rewritten(b'{"ok":true}', size=MAX + 1),
        rewritten(b'{"ok":true}', life=1e300),
        rewritten(b'{"ok":true}', lifetime="soon"),
        rewritten(b'{"ok":true}', extractor="a\nb"),
        rewritten(b'{"ok":true}', ytdlp=None),
        rewritten(b"", code="UNAUTHORIZED_NOT", message="m", about={}, retry_after=None),
        rewritten(b"", code="SHUTTING_DOWN", message="m", about={}, retry_after=None),
        rewritten(b"", code="PRIVATE", message="m", about=[], retry_after=None),
        rewritten(zlib.compress(b"x" * (1 << 24)), gzip=True, size=11),
        rewritten(b"not gzip", gzip=True),
        b"\x02" + packed(Entry(answer(), 300.0))[1:],  # a newer version's
    ],
)
def test_what_is_not_ours_is_a_miss(data: bytes) -> None:
    with pytest.raises(NotOurs):
        unpack(data, 10.0, max_body=MAX)


def test_equal_jobs_have_one_key() -> None:
    assert job_digest(JOB, "", "1") == job_digest(Job(Kind.EXTRACT, "https://example.com/1"), "", "1")
    others = [
        job_digest(Job(Kind.SIZE, "https://example.com/1"), "", "1"),
        job_digest(Job(Kind.EXTRACT, "https://example.com/1", fields=("title",)), "", "1"),
        job_digest(JOB, "proxy:3128", "1"),
        job_digest(JOB, "", "2"),
    ]
    assert len({job_digest(JOB, "", "1"), *others}) == 5


def test_a_job_with_cookies_has_none() -> None:
    with pytest.raises(ValueError, match="never shared"):
        job_digest(Job(Kind.EXTRACT, "https://example.com/1", cookies="x"), "", "1")
