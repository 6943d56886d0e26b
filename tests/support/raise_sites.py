"""The texts with which the installed yt-dlp gives up, mined from the literals at its raise sites.

`python -m tests.support.raise_sites` prints those that tests/unit/worker/corpus.tsv does not classify yet.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yt_dlp

CORPUS = Path(__file__).parents[1] / "unit" / "worker" / "corpus.tsv"
HOLE = "…"  # stands for values that are known only when the text is raised

_RAISERS = frozenset(
    (
        "ExtractorError",
        "GeoRestrictedError",
        "UserNotLive",
        "raise_geo_restricted",
        "raise_login_required",
        "raise_no_formats",
    )
)
_ROOT = Path(yt_dlp.__file__).parent

Names = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Saying:
    """A line of the corpus.

    Attributes:
        code: the meaning, classified by a person.
        where: file and class that raise it, or the site or purpose for which it was written down.
        raised: how, in the words that tests/unit/worker/test_corpus.py knows.
        text: with HOLE for what is filled in.
    """

    code: str
    where: str
    raised: str
    text: str


def corpus() -> list[Saying]:
    """The classified texts."""
    _, *lines = CORPUS.read_text(encoding="utf-8").splitlines()
    sayings = (Saying(*line.split("\t")) for line in lines)
    return [Saying(it.code, it.where, it.raised, it.text.replace("\\n", "\n")) for it in sayings]


def raised() -> Iterator[tuple[str, str]]:
    """File and text of each raise site that has a text of its own."""
    for path in sorted([*(_ROOT / "extractor").rglob("*.py"), _ROOT / "YoutubeDL.py"]):
        file = path.relative_to(_ROOT).as_posix().removeprefix("extractor/")
        for text in raised_in(path.read_text(encoding="utf-8")):
            yield file, text


def raised_in(source: str) -> Iterator[str]:
    """The non-empty texts of the raise sites in `source`."""
    return (text for text in _visit(ast.parse(source), {}) if re.search(r"[^\W\d_]{2}", text))


def not_yet_judged() -> list[tuple[str, str]]:
    """File and text of the raise sites that are missing from the corpus."""
    judged = {saying.text for saying in corpus()}
    return sorted({(file, text) for file, text in raised() if text not in judged})


def _visit(node: ast.AST, names: Names) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        names = {**names, **_assigned(node)}
    elif isinstance(node, ast.Call) and _called(node) in _RAISERS:
        given = [word.value for word in node.keywords if word.arg == "msg"]
        for argument in (given or node.args)[:1]:
            yield from _texts(argument, names)
    for child in ast.iter_child_nodes(node):
        yield from _visit(child, names)


def _assigned(function: ast.AST) -> dict[str, list[str]]:
    """The texts that a function gives its variables."""
    found: dict[str, list[str]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).extend(_texts(node.value, {}))
    return found


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _texts(node: ast.expr, names: Names) -> list[str]:
    """The texts that an expression may stand for."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(_part(part, names) for part in parts)]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            ends = _texts(right, names) or [HOLE]
            return [head + end for head in _texts(left, names) or [HOLE] for end in ends]
        case ast.BinOp(left=left, op=ast.Mod()):
            return [re.sub(r"%(?:\(\w+\))?[sdri]", HOLE, text) for text in _texts(left, names)]
        case ast.IfExp(body=body, orelse=other):
            return _texts(body, names) + _texts(other, names)
        case ast.BoolOp(values=values):
            return [text for value in values for text in _texts(value, names)]
        case ast.Call(func=ast.Attribute(value=template, attr="format")):
            return [re.sub(r"\{[^}]*\}", HOLE, text) for text in _texts(template, names)]
        case ast.Name(id=name):
            return names.get(name, [])
    return []


def _part(part: ast.expr, names: Names) -> str:
    """A piece of an f-string: its text, that of a variable which has only one, or HOLE."""
    match part:
        case ast.Constant(value=text):
            return str(text)
        case ast.FormattedValue(value=ast.Name(id=name)) if len(names.get(name, ())) == 1:
            return names[name][0]
    return HOLE


if __name__ == "__main__":
    for file, text in not_yet_judged():
        print(f"{file}\t{text!r}")
