"""The entry point: signals and standard error first, then the command line, whose imports take a second."""

from __future__ import annotations

from . import log_stream
from .signals import stop


def cli() -> None:
    stop.catch()
    log_stream.install()
    from .command_line import cli

    cli(prog_name="ytdlpd")


if __name__ == "__main__":
    cli()
