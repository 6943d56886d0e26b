"""The exception of a template that cannot be warmed for a known reason."""

from __future__ import annotations


class ColdTemplate(Exception):
    """The template could not be warmed; the text says what is missing and what to do."""
