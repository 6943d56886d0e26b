"""Reads Markdown documents: fences, inline code, links, headings and shell commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"^```([\w-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_COMMENT = re.compile(r"(^|\s)#\s.*$", re.MULTILINE)
_ASSIGNMENT = re.compile(r"[A-Z_][A-Z0-9_]*=")
_OPERATORS = re.compile(r"[();<>|&\n]+")


@dataclass(frozen=True)
class Fence:
    """A block of code and the language that it names."""

    language: str
    code: str


def fences(text: str, *languages: str) -> list[Fence]:
    """The fences of `text`, in these languages or in all."""
    found = [Fence(*match.groups()) for match in _FENCE.finditer(text)]
    return [fence for fence in found if not languages or fence.language in languages]


def prose(text: str) -> str:
    """`text` without its fences."""
    return _FENCE.sub("", text)


def inline_code(text: str) -> list[str]:
    return _INLINE.findall(prose(text))


def links(text: str) -> list[str]:
    return _LINK.findall(prose(text))


def anchors(text: str) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    headings = (heading.replace("`", "").strip().lower() for heading in _HEADING.findall(prose(text)))
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


def commands(text: str) -> Iterator[list[str]]:
    """The words of each shell command, in fences and in inline code, without assignments before it."""
    sources = [fence.code for fence in fences(text, "sh", "bash", "console")]
    for source in (*sources, *inline_code(text)):
        yield from _split(source)


def _split(source: str) -> Iterator[list[str]]:
    source = _COMMENT.sub("", source.replace("\\\n", " "))
    lexer = shlex.shlex(source, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    words: list[str] = []
    try:
        tokens = [*lexer]
    except ValueError:  # inline code that is no command, with a lone quotation mark
        return
    for token in (*tokens, "\n"):
        if not _OPERATORS.fullmatch(token):
            words.append(token)
            continue
        while words and _ASSIGNMENT.match(words[0]):
            del words[0]
        if words:
            yield words
        words = []
