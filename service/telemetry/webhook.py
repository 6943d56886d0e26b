"""The webhook: events as POST requests to WEBHOOK_URL, signed, in order, retried with growing pauses.

One delivery at a time is under way. The others wait in a bounded queue; where it is full an event is dropped
and counted, and the next delivery has the number. Deliveries follow the Standard Webhooks specification:

    POST, Content-Type: application/json
    {"id": "…", "event": "BreakerChanged", "at": "2026-01-31T12:00:00.000Z", "level": "warning",
     "service": "ytdlpd", "version": "…", "dropped": 0, "fields": {…}}
    webhook-id: …                         the id of the body
    webhook-timestamp: 1769860800         seconds; refuse what is much older than now
    webhook-signature: v1,BASE64          HMAC-SHA256 of "ID.TIMESTAMP.BODY"

Its key is what WEBHOOK_SECRET has in base64 after `whsec_`, or the bytes of any other secret. For one release
the headers of the first version are sent, too: X-Ytdlpd-Timestamp, and X-Ytdlpd-Signature, `sha256=` and the
HMAC-SHA256 of "TIMESTAMP.BODY" in hexadecimal. The id stays the same when a delivery is retried. Ordinary
starts and ends of workers are not sent.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import random
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog
import trio

from .. import __version__, events
from ..config import Config, ConfigError
from ..logs import fields_of, scrub, timestamp
from .sinks import level_of

if TYPE_CHECKING:
    import httpx

log = structlog.get_logger(__name__)

QUEUE = 1000  # events, of about 500 bytes each
ATTEMPTS = 6
FIRST_PAUSE = 1.0  # seconds; doubled after each attempt up to LONGEST_PAUSE, spread by ±25 %
LONGEST_PAUSE = 60.0
TIMEOUT = 10.0  # seconds for one attempt
LAST_DELIVERIES = 2.0  # seconds at the end for what still waits


PREFIX = "whsec_"
KEY_SIZES = range(24, 65)  # bytes that the specification allows


def key_of(secret: str) -> bytes:
    """The key that signs. Raises ValueError where the secret has the prefix, but no key in base64."""
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if len(key) not in KEY_SIZES:
        raise ValueError(f"after {PREFIX} it must have 24 to 64 random bytes in base64")
    return key


def signed(secret: str, identity: str, timestamp: str, body: bytes) -> dict[str, str]:
    """The headers with the signatures."""
    head = timestamp.encode() + b"."
    digest = hmac.digest(key_of(secret), identity.encode() + b"." + head + body, "sha256")
    first_version = hmac.new(secret.encode(), head + body, hashlib.sha256)
    return {
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        "X-Ytdlpd-Signature": f"sha256={first_version.hexdigest()}",
    }


class Webhook:
    """Delivers events to WEBHOOK_URL.

    Args:
        draw: a number from 0 to 1, for the pauses.
    """

    def __init__(self, url: str, secret: str | None, *, draw: Callable[[], float] = random.random) -> None:
        self._url = url
        self._secret = secret
        self._draw = draw
        self._send, self._waiting = trio.open_memory_channel[dict[str, Any]](QUEUE)
        self._unreported = 0
        self._idle = trio.Event()
        self._idle.set()
        self.delivered = self.failed = self.dropped = 0

    def on_event(self, event: events.Event) -> None:
        """A sink."""
        level = level_of(event)
        if level == "debug":
            return
        record = {
            "id": str(uuid.uuid4()),
            "event": type(event).__name__,
            "at": timestamp(),
            "level": level,
            "service": "ytdlpd",
            "version": __version__,
            "fields": {
                name: scrub(value) if isinstance(value, str) else value
                for name, value in fields_of(event).items()
            },
        }
        if self._idle.is_set():
            self._idle = trio.Event()
        try:
            self._send.send_nowait(record)
        except trio.WouldBlock:
            self.dropped += 1
            self._unreported += 1

    async def run(self) -> None:
        """Deliver events until cancelled."""
        import httpx

        async with httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False, trust_env=False) as client:
            while True:
                if not self._waiting.statistics().current_buffer_used:
                    self._idle.set()
                record = await self._waiting.receive()
                dropped, self._unreported = self._unreported, 0
                body = json.dumps({**record, "dropped": dropped}, ensure_ascii=False).encode()
                if await self._deliver(client, record["id"], body):
                    self.delivered += 1
                else:
                    self.failed += 1
                    self._unreported += dropped

    async def finish(self) -> None:
        """Return when all is delivered, or after LAST_DELIVERIES seconds."""
        with trio.move_on_after(LAST_DELIVERIES):
            await self._idle.wait()

    async def _deliver(self, client: httpx.AsyncClient, identity: str, body: bytes) -> bool:
        """Whether the receiver has accepted it."""
        for attempt in range(ATTEMPTS):
            if attempt:
                pause = min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE)
                await trio.sleep(pause * (0.75 + 0.5 * self._draw()))
            problem = await self._attempt(client, identity, body)
            if problem is None:
                return True
        log.warning("webhook_failed", attempts=ATTEMPTS, problem=problem)
        return False

    async def _attempt(self, client: httpx.AsyncClient, identity: str, body: bytes) -> str | None:
        """The problem; None where the receiver answered 2xx."""
        import httpx

        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": identity,
            "webhook-timestamp": timestamp,
            "X-Ytdlpd-Timestamp": timestamp,
        }
        if self._secret is not None:
            headers |= signed(self._secret, identity, timestamp, body)
        try:
            with trio.fail_after(TIMEOUT):  # as a whole; httpx bounds each step
                async with client.stream("POST", self._url, content=body, headers=headers) as response:
                    return None if response.is_success else f"status {response.status_code}"
        except (httpx.HTTPError, trio.TooSlowError, OSError) as error:
            return type(error).__name__  # its text may name the URL, which may hold a secret


def webhook_of(config: Config) -> Webhook | None:
    """The webhook that the settings ask for; None where they ask for none.

    Raises:
        ConfigError: WEBHOOK_URL is set but the extra is not installed, or WEBHOOK_SECRET has no key.
    """
    if config.webhook_url is None:
        return None
    try:
        import httpx  # noqa: F401  (to know now)
    except ImportError:
        raise ConfigError("WEBHOOK_URL is set but httpx is missing; pip install httpx") from None
    secret = None if config.webhook_secret is None else config.webhook_secret.get_secret_value()
    try:
        key_of(secret or "")
    except ValueError as error:
        raise ConfigError(f"WEBHOOK_SECRET is no key: {error}") from None
    return Webhook(config.webhook_url.get_secret_value(), secret)
