"""Structured logs: structlog, and the records of the standard library through the same processors.

One line per record on standard error, JSON or for a console. Credentials and queries are removed from URLs in
every record.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from datetime import UTC, datetime
from functools import partial
from typing import Any, TextIO

import orjson
import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from .config import Config
from .log_stream import LogStream

ACCESS = f"{__package__}.access"  # the logger of access lines

_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
_QUERY = re.compile(r"(https?://[^\s?#\"']+)[?#][^\s\"']*")


def scrub(text: str) -> str:
    """`text` without the credentials and queries of URLs."""
    return _QUERY.sub(r"\1", _CREDENTIALS.sub("", text)) if "://" in text else text


def _scrub_values(_logger: WrappedLogger, _method: str, record: EventDict) -> EventDict:
    for key, value in record.items():
        if isinstance(value, str):
            record[key] = scrub(value)
    return record


def _direct(stream: TextIO, render: list[Processor]) -> Processor:
    """Writes access lines directly: a record of the standard library costs three times as much."""

    def write(logger: Any, method: str, record: EventDict) -> EventDict:
        if logger.name != ACCESS:
            return record
        line: Any = record
        for processor in render:
            line = processor(logger, method, line)
        stream.write(f"{line}\n")
        stream.flush()
        raise structlog.DropEvent

    return write


def _encode(record: EventDict, **options: Any) -> str:
    try:
        return orjson.dumps(record, **options).decode()
    except TypeError:  # not Unicode, or too large a number
        return json.dumps(record, **options)


def configure(config: Config) -> None:
    """Set up logging for the process; called once, before the first record."""
    console = config.log_format == "console" or (config.log_format == "auto" and sys.stderr.isatty())
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        stamp,
        structlog.processors.StackInfoRenderer(),
    ]
    render: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty() and not os.environ.get("NO_COLOR"))]
        if console
        else [structlog.processors.format_exc_info, _scrub_values, structlog.processors.JSONRenderer(_encode)]
    )
    if console:
        render.insert(0, _scrub_values)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            _direct(sys.stderr, render),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Below a warning, libraries speak of every request that they make, with its URL: httpx of WEBHOOK_URL.
    root.setLevel(max(logging.WARNING, logging.getLevelName(config.log_level.upper())))
    logging.getLogger(__package__).setLevel(config.log_level.upper())
    if isinstance(sys.stderr, LogStream):
        sys.stderr.report = partial(_dropped, [stamp, *render])


def _dropped(processors: list[Processor], lines: int) -> str:
    """The line that tells of log lines that are lost."""
    line: Any = {"level": "warning", "event": "log_lines_dropped", "lines": lines, "logger": __name__}
    for processor in processors:
        line = processor(None, "warning", line)
    return f"{line}\n"


def timestamp() -> str:
    """The current time: ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fields_of(record: Any) -> dict[str, Any]:
    """The fields of a slotted dataclass as keyword arguments of a log call."""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}
