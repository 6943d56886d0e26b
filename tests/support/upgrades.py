"""Requests for other protocols on an HTTP/1.1 port: HTTP/2, h2c and WebSockets.

Each table names well-formed and hostile input; `attacks` draws mixtures and damages them.
"""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass

import h11
import hpack
from hypothesis import strategies as st

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST, SETTINGS, PROMISE, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED = 0x1, 0x4, 0x8


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0, length: int = -1) -> bytes:
    """An HTTP/2 frame; `length` overrides the true length."""
    size = len(payload) if length < 0 else length
    return size.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def block(*headers: tuple[bytes, bytes], **pseudo: bytes) -> bytes:
    """The headers of a request for /health/live, compressed; a pseudo-header given as b"" is left out."""
    usual = {"method": b"GET", "scheme": b"http", "authority": b"test", "path": b"/health/live"} | pseudo
    named = [(b":" + name.encode(), value) for name, value in usual.items() if value]
    encoded: bytes = hpack.Encoder().encode([*named, *headers], huffman=False)
    return encoded


def ask(headers: bytes, *, stream: int = 1, flags: int = END_STREAM | END_HEADERS) -> bytes:
    return frame(HEADERS, headers, flags=flags, stream=stream)


POST = ask(block(method=b"POST", path=b"/api/v1/size"), flags=END_HEADERS)
FRAMES = {
    "settings": frame(SETTINGS, struct.pack("!HIHI", 3, 100, 4, 65535)),
    "settings-of-five-bytes": frame(SETTINGS, b"\x00\x03\x00\x00\x00"),
    "settings-too-large-a-window": frame(SETTINGS, struct.pack("!HI", 4, 1 << 31)),
    "settings-on-a-stream": frame(SETTINGS, struct.pack("!HI", 3, 1), stream=1),
    "settings-acknowledged-with-payload": frame(SETTINGS, b"x" * 6, flags=1),
    "get": ask(block()),
    "path-not-ascii": ask(block(path=b"/\xff\xfe")),
    "path-empty": ask(block(path=b"")),
    "method-not-ascii": ask(block(method=b"\xff")),
    "connect-without-path": ask(block(method=b"CONNECT", path=b"", scheme=b"")),
    "connect-to-a-websocket": ask(block(method=b"CONNECT", protocol=b"websocket")),
    "no-pseudo-headers": ask(hpack.Encoder().encode([(b"a", b"b")])),
    "a-header-of-a-connection": ask(block((b"connection", b"upgrade"), (b"Upper", b"\x00"))),
    "a-long-header": ask(block((b"x", b"x" * 12_000))),
    "a-table-of-four-gigabytes": ask(b"\x3f\xe1\xff\xff\xff\x0f" + block()),
    "an-index-without-end": ask(b"\x7f" + b"\xff" * 200),
    "post-with-data": POST + frame(DATA, b"{}", flags=END_STREAM, stream=1),
    "data-after-an-early-response": POST + 3 * frame(DATA, b"x" * 16_000, stream=1),
    "data-after-the-end": ask(block()) + frame(DATA, b"late", stream=1),
    "data-of-no-stream": frame(DATA, b"x", stream=0) + frame(DATA, b"x", stream=77),
    "more-padding-than-data": POST + frame(DATA, b"\xffx", flags=PADDED, stream=1),
    "continuations-without-end": ask(block(), flags=0) + 2000 * frame(CONTINUATION, stream=1),
    "long-continuations": ask(block(), flags=0) + 4 * frame(CONTINUATION, b"\x00" * 16_384, stream=1),
    "a-continuation-of-nothing": frame(CONTINUATION, block(), flags=END_HEADERS, stream=1),
    "rapid-resets": b"".join(
        ask(block(), stream=number) + frame(RST, struct.pack("!I", 8), stream=number)
        for number in range(1, 1001, 2)
    ),
    "a-reset-of-nothing": frame(RST, struct.pack("!I", 0), stream=99),
    "pings": 1000 * frame(PING, b"12345678"),
    "a-short-ping": frame(PING, b"1234"),
    "a-window-of-nothing": frame(WINDOW, struct.pack("!I", 0)),
    "too-large-a-window": 3 * frame(WINDOW, struct.pack("!I", 0x7FFFFFFF)),
    "a-priority-on-itself": frame(PRIORITY, struct.pack("!IB", 1, 16), stream=1),
    "a-promise-of-a-client": frame(PROMISE, struct.pack("!I", 2) + block(), flags=END_HEADERS, stream=1),
    "goaway": frame(GOAWAY, struct.pack("!II", 0, 0)),
    "of-an-unknown-kind": frame(0xBE, b"?", flags=0xFF, stream=0x7FFFFFFF),
    "oversized": frame(DATA, b"x" * 100, stream=1, length=0xFFFFFF),
    "over-the-limit": POST + frame(DATA, b"x" * 17_000, flags=END_STREAM, stream=1),
}


def request(target: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    return "\r\n".join((f"{method} {target} HTTP/1.1", "Host: test", *headers, "", "")).encode() + body


GOOD_SETTINGS = base64.urlsafe_b64encode(FRAMES["settings"][9:]).decode().rstrip("=")
H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c")
JSON = "Content-Type: application/json"
H2C_UPGRADES = {
    "good": (*H2C, f"HTTP2-Settings: {GOOD_SETTINGS}"),
    "without-settings": H2C,
    "with-empty-settings": (*H2C, "HTTP2-Settings:"),
    "with-malformed-settings": (*H2C, "HTTP2-Settings: !!!not-base64!!!"),
    "with-settings-of-five-bytes": (*H2C, "HTTP2-Settings: AAMAAAA"),
    "with-settings-twice": (*H2C, f"HTTP2-Settings: {GOOD_SETTINGS}", f"HTTP2-Settings: {GOOD_SETTINGS}"),
    "with-long-settings": (*H2C, "HTTP2-Settings: " + "AAMAAABk" * 1400),
    "among-others": ("Connection: close, Upgrade", "Upgrade: TLS/1.0, h2c, websocket", "Upgrade: h2c"),
}

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
VERSION = "Sec-WebSocket-Version: 13"
WEBSOCKET = ("Connection: Upgrade", "Upgrade: websocket")
WEBSOCKET_UPGRADES = {
    "good": (*WEBSOCKET, KEY, VERSION),
    "with-extensions": (*WEBSOCKET, KEY, VERSION, "Sec-WebSocket-Extensions: permessage-deflate; x=y"),
    "with-protocols": (
        *WEBSOCKET,
        KEY,
        VERSION,
        "Sec-WebSocket-Protocol: a, b",
        "Origin: https://evil.example",
    ),
    "without-key": (*WEBSOCKET, VERSION),
    "with-a-malformed-key": (*WEBSOCKET, "Sec-WebSocket-Key: \x09!!", VERSION),
    "with-two-keys": (*WEBSOCKET, KEY, KEY, VERSION),
    "with-a-long-key": (*WEBSOCKET, "Sec-WebSocket-Key: " + "A" * 9000, VERSION),
    "without-version": (*WEBSOCKET, KEY),
    "of-version-0": (*WEBSOCKET, KEY, "Sec-WebSocket-Version: 0"),
    "of-version-x": (*WEBSOCKET, KEY, "Sec-WebSocket-Version: 13, x"),
    "without-connection": ("Upgrade: websocket", KEY, VERSION),
}
UPGRADES = {f"h2c-{name}": headers for name, headers in H2C_UPGRADES.items()}
UPGRADES |= {f"websocket-{name}": headers for name, headers in WEBSOCKET_UPGRADES.items()}


def message(kind: int, payload: bytes = b"", *, masked: bool = True, length: int = -1) -> bytes:
    """A WebSocket frame; `kind` is its first byte, `length` overrides the true length."""
    size = len(payload) if length < 0 else length
    mask = 0x80 if masked else 0
    head = bytes((kind, mask | size)) if size < 126 else bytes((kind, mask | 127)) + struct.pack("!Q", size)
    return head + (b"\x00\x00\x00\x00" if masked else b"") + payload


MESSAGES = {
    "text": message(0x81, b"hello"),
    "unmasked": message(0x81, b"hello", masked=False),
    "not-utf-8": message(0x81, b"\xff\xfe"),
    "fragments": message(0x01, b"hel") + message(0x00, b"l") + message(0x80, b"o"),
    "a-fragment-of-nothing": message(0x80, b"o"),
    "fragments-without-end": message(0x01, b"x") + 2000 * message(0x00, b"x"),
    "a-fragmented-ping": message(0x09, b"x"),
    "a-long-ping": message(0x89, b"x" * 1000),
    "pings": 1000 * message(0x89, b"ping"),
    "reserved": message(0xF3, b"x"),
    "oversized": message(0x82, b"x" * 100, length=(1 << 63) - 1),
    "of-a-megabyte": message(0x82, b"x" * 1_000_000),
    "close": message(0x88, struct.pack("!H", 1000)),
    "close-of-one-byte": message(0x88, b"x"),
    "a-request-inside": message(0x81, request("/health/live"), masked=False),
}

# Whose answer is complete, whatever is asked for: no stream, and no work for a worker.
TARGETS = ("/", "/health", "/health/live", "/api/v1/size", "/api/v1/extract", "/api/v1/metrics", "/no", "*")


@dataclass(frozen=True, slots=True)
class Attack:
    """Bytes in the pieces in which they are sent, and how the client disconnects.

    Attributes:
        leaves: `waits` for the server's end, says that it has nothing more to say (`eof`), `hangs up`
            or `resets` the connection.
    """

    pieces: tuple[bytes, ...]
    leaves: str


@st.composite
def attacks(draw: st.DrawFn) -> Attack:
    """Another protocol's opening, frames behind it, and some damage to all of it."""
    frames = draw(st.lists(st.sampled_from([*FRAMES.values(), *MESSAGES.values()]), max_size=5))
    data = draw(_openings()) + b"".join(frames)
    for _ in range(draw(st.sampled_from([0, 0, 1, 2, 5]))):
        data = draw(_damage(data))
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=3)))
    pieces = tuple(data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True))
    return Attack(pieces, draw(st.sampled_from(["waits", "waits", "eof", "hangs up", "resets"])))


@st.composite
def _openings(draw: st.DrawFn) -> bytes:
    if draw(st.booleans()):
        return PREFACE + draw(st.sampled_from([b"", FRAMES["settings"], FRAMES["settings"] + FRAMES["get"]]))
    body = draw(st.sampled_from([b"", b"", b"{}", b'{"url": 1}', b"x" * 3000]))
    framing: tuple[str, ...] = ()
    if body:
        framing = (JSON, f"Content-Length: {len(body)}")
        if draw(st.booleans()):
            framing, body = (JSON, "Transfer-Encoding: chunked"), b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    headers = draw(st.sampled_from(list(UPGRADES.values())))
    method = draw(st.sampled_from(["GET", "POST", "OPTIONS"]))
    return request(draw(st.sampled_from(TARGETS)), *headers, *framing, method=method, body=body)


@st.composite
def _damage(draw: st.DrawFn, data: bytes) -> bytes:
    # Mostly near the start, where the openings and the heads of the first frames are.
    start = draw(st.integers(0, len(data)) | st.integers(0, min(200, len(data))))
    end = draw(st.integers(start, min(start + 20, len(data))))
    noise = draw(st.binary(max_size=12))
    kind = draw(st.sampled_from(["replace", "insert", "remove", "repeat", "truncate"]))
    if kind == "truncate":
        return data[:start]
    middle = {
        "replace": noise,
        "insert": noise + data[start:end],
        "remove": b"",
        "repeat": 3 * data[start:end],
    }
    return data[:start] + middle[kind] + data[end:]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def answers(data: bytes) -> list[Answer]:
    """The responses that `data` consists of, to requests other than HEAD.

    Raises:
        h11.RemoteProtocolError: it is something else, or the last one is cut short.
    """
    found = []
    while data:
        client = h11.Connection(h11.CLIENT)
        client.send(h11.Request(method="GET", target="/", headers=[("Host", "test")]))
        client.send(h11.EndOfMessage())
        client.receive_data(data)
        response, body = None, b""
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                client.receive_data(b"")
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
        assert response is not None
        headers = {name.decode().lower(): value.decode() for name, value in response.headers}
        found.append(Answer(response.status_code, headers, body))
        data = client.trailing_data[0]
    return found
