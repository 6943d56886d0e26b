"""The bodies of requests: bounded, decompressed, without a byte order mark."""

from __future__ import annotations

import zlib

from quart import request

from ...codes import Code
from ..errors import Refused, too_large

MAX_BODY = 256 * 1024
BOM = b"\xef\xbb\xbf"
_GZIP = 16 + zlib.MAX_WBITS


async def read() -> bytes:
    """The body of the request being handled, at most MAX_BODY bytes also where it is compressed.

    Raises:
        Refused: PAYLOAD_TOO_LARGE, INVALID_REQUEST, or UNSUPPORTED_MEDIA_TYPE where it is not gzip.
    """
    data: bytes = await request.data  # at most MAX_CONTENT_LENGTH; more is refused while it arrives
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("gzip", "x-gzip"):
        data = _decompressed(data)
    elif encoding != "identity":
        message = "The body may be compressed by gzip alone"
        raise Refused(Code.UNSUPPORTED_MEDIA_TYPE, message, headers={"Accept-Encoding": "gzip"})
    return data.removeprefix(BOM)


def _decompressed(data: bytes) -> bytes:
    stream = zlib.decompressobj(_GZIP)
    try:
        found = stream.decompress(data, MAX_BODY + 1)
    except zlib.error:
        found = b""
    if len(found) > MAX_BODY:
        raise too_large()
    if not stream.eof:
        raise Refused(Code.INVALID_REQUEST, "The body is not what gzip makes")
    return found
