"""Results and refusals as the engine keeps them. Pure; what is read is not trusted.

An entry is a byte for the format, the length of a JSON head (two bytes), the head, and the body: the JSON of
the result, gzipped where that is worth it. How old an entry is follows from the time that it has left in the
engine, so no two clocks are compared.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import struct
import zlib
from dataclasses import dataclass
from typing import Any

from ..codes import TRAITS, Blame, Code
from ..dispatch.request import Answer
from ..errors import ExtractionError

FORMAT = 1  # another one is another entry to an older instance: a miss
WORTH_PACKING = 8192  # bytes of a body
LONGEST = 1 << 20  # bytes of an entry; a longer result stays with its instance
MAX_TEXT = 2000  # characters of a refusal

_PREFIX = struct.Struct("!BH")


class NotOurs(ValueError):
    """What was read is no entry that this version writes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is kept of a job: how it ended, and for how long that holds from when it ended.

    Attributes:
        life: seconds.
    """

    ended: Answer | ExtractionError
    life: float


def pack(entry: Entry) -> bytes | None:
    """The bytes of `entry`; None for one that is too long to be shared."""
    ended = entry.ended
    head: dict[str, Any] = {"life": round(entry.life, 3)}
    body = b""
    if isinstance(ended, ExtractionError):
        head |= {"code": ended.code, "message": str(ended)[:MAX_TEXT], "about": dict(ended.about)}
        head["retry_after"] = ended.retry_after
    else:
        body = ended.body
        gzipped = len(body) > WORTH_PACKING
        head |= {
            "etag": ended.etag,
            "extractor": ended.extractor,
            "ytdlp": ended.ytdlp,
            "egress": ended.egress,
        }
        head |= {"lifetime": ended.lifetime, "size": len(body), "gzip": gzipped}
        if gzipped:
            body = gzip.compress(body, 1, mtime=0)
    text = json.dumps(head, default=str).encode(errors="surrogatepass")
    if len(text) > 0xFFFF or len(text) + len(body) + _PREFIX.size > LONGEST:
        return None
    return _PREFIX.pack(FORMAT, len(text)) + text + body


def unpack(data: bytes, left: float, *, max_body: int) -> Entry:
    """The entry in `data`, with its age where `left` seconds are left of its life.

    Raises:
        NotOurs: it is not whole, or not written by this version.
    """
    try:
        form, length = _PREFIX.unpack_from(data)
        if form != FORMAT:
            raise NotOurs(f"its format is {form}")
        head = json.loads(data[_PREFIX.size : _PREFIX.size + length])
        body = data[_PREFIX.size + length :]
        life = _seconds(head["life"])
        if "code" in head:
            return Entry(_refusal(head), life)
        age = max(0.0, life - left)
        return Entry(_answer(head, body, age, max_body), life)
    except (KeyError, TypeError, ValueError, AttributeError, struct.error, zlib.error, EOFError) as error:
        raise NotOurs(str(error)) from None


def _refusal(head: dict[str, Any]) -> ExtractionError:
    code = Code(head["code"])
    if not is_shared(code):
        raise NotOurs(f"{code} is not shared")
    about, retry_after = head["about"], head["retry_after"]
    if not isinstance(about, dict):
        raise NotOurs("about is no object")
    retry_after = None if retry_after is None else _seconds(retry_after)
    return ExtractionError(code, _text(head["message"]), about=about, retry_after=retry_after)


def is_shared(code: Code) -> bool:
    """Whether the failure of one instance's extraction is the answer for those who wait at another."""
    return TRAITS[code].cacheable or TRAITS[code].blame in (Blame.CLIENT, Blame.SITE)


def _answer(head: dict[str, Any], body: bytes, age: float, max_body: int) -> Answer:
    size = head["size"]
    if type(size) is not int or not 0 < size <= max_body:
        raise NotOurs("its size is out of bounds")
    if head["gzip"] is True:
        unpacking = zlib.decompressobj(16 + zlib.MAX_WBITS)
        body = unpacking.decompress(body, size + 1)
    etag = hashlib.blake2b(body, digest_size=12).hexdigest()
    if len(body) != size or head["etag"] != etag:  # the worker makes it of these very bytes
        raise NotOurs("its body is another one")
    lifetime = head["lifetime"]
    return Answer(
        body,
        _text(head["extractor"]),
        etag=etag,
        lifetime=None if lifetime is None else _seconds(lifetime) - age,
        age=age,
        ytdlp=_text(head["ytdlp"]),
        egress=_text(head["egress"]),
    )


def _seconds(value: Any) -> float:
    number = float(value)
    if not (math.isfinite(number) and 0 <= number < 1e9):
        raise NotOurs("a time is out of bounds")
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
        raise NotOurs("a text is none")
    return value
