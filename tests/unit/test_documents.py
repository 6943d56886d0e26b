"""Pure and collaboration: what the documents name exists, and the commands of the API's document work.

Each check takes a text and returns what is wrong with it, so that it can be shown a text that is wrong.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import re
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest
import trio

from bench.__main__ import benchmarks
from service import events
from service.codes import TRAITS, Code
from service.command_line import cli
from service.config import Config
from service.setting_sources import SECRETS
from tests.support import markdown
from tests.support.web_app import web
from tests.unit.telemetry.test_metrics import observed

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
)
FOLDERS = ("service", "tests", "bench", "deploy", "examples", "docs")
SETTINGS = {name.upper() for name in Config.model_fields} | {f"{name.upper()}_FILE" for name in SECRETS}
NAMES_OF_OTHERS = {
    "YTDLPD_CONFIG",  # environment of the command line, and of the examples
    "YTDLPD_URL",
    "YTDLPD_KEY",
    "HALF_OPEN",
    "FORCED_OPEN",
    "METRICS_ONLY",
    "TCP_NODELAY",
    "SOCK_SEQPACKET",
    "RLIMIT_DATA",
    "RLIMIT_NPROC",
    "ITIMER_PROF",
}
OURS = re.compile(r"/(?:api|health|metrics|dashboard)\b")
DIAGRAMS = ("flowchart", "sequenceDiagram", "stateDiagram-v2")

Check = Callable[[str], list[str]]


@cache
def routes() -> frozenset[str]:
    """Each endpoint as "METHOD /path"."""
    rules = web().app.url_map.iter_rules()
    return frozenset(f"{method} {rule.rule}" for rule in rules for method in rule.methods or ())


@cache
def class_names() -> frozenset[str]:
    trees = [ast.parse(path.read_text()) for path in (ROOT / "service").rglob("*.py")]
    kinds = re.findall(r"^kind: (\w+)$", "".join(p.read_text() for p in ROOT.glob("deploy/**/*.yaml")), re.M)
    classes = (node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    return frozenset({*classes, *kinds, "YoutubeDL"})


@cache
def metric_names() -> frozenset[str]:
    async def collected() -> frozenset[str]:
        found = set()
        for metric in observed().telemetry.metrics.registry.collect():
            found |= {metric.name, f"{metric.name}_total", *(sample.name for sample in metric.samples)}
            if metric.type == "histogram":
                found |= {f"{metric.name}_{suffix}" for suffix in ("bucket", "count", "sum")}
        return frozenset(found)

    return trio.run(collected)


def wrong_files(text: str) -> list[str]:
    """Paths of this repository that do not exist; a star stands for any name."""
    named = re.findall(rf"(?<![\w/.-])(?:{'|'.join(FOLDERS)})/[\w/.*-]*[\w/*]", text)
    return [path for path in named if not [*ROOT.glob(path.rstrip("/"))]]


def wrong_links(text: str, document: Path = ROOT / "README.md") -> list[str]:
    wrong = []
    for link in markdown.links(text):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        file = document.parent / target if target else document
        if not file.exists() or (anchor and anchor not in markdown.anchors(file.read_text())):
            wrong.append(link)
    return wrong


def wrong_commands(text: str) -> list[str]:
    return [" ".join(words) for words in markdown.commands(text) if not _is_right(words)]


def _is_right(words: list[str]) -> bool:
    program, arguments = words[0].removeprefix(".venv/bin/"), words[1:]
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
        return all(word in targets for word in arguments if "=" not in word)
    if program == "ytdlpd":
        return _is_command(cli, arguments)
    if program in ("python", "python3") and "-m" in arguments:
        module, *rest = arguments[arguments.index("-m") + 1 :]
        if module == "bench":
            return not rest or rest[0] in benchmarks() or rest[0].isupper()
        return importlib.util.find_spec(module) is not None
    return True


def _is_command(command: click.Command, words: list[str]) -> bool:
    """Whether the command line has the subcommands and options that are named; values are not judged."""
    options = {name for option in command.params for name in option.opts} | {"--help", "-h"}
    values = 0
    for position, word in enumerate(words):
        if values:
            values -= 1
        elif word.startswith("-"):
            if word.partition("=")[0] not in options:
                return False
            taken = [option for option in command.params if word in option.opts]
            values = sum(isinstance(option, click.Option) and not option.is_flag for option in taken)
        elif isinstance(command, click.Group):
            found = command.commands.get(word)
            return found is not None and _is_command(found, words[position + 1 :])
    return True


def wrong_settings(text: str) -> list[str]:
    """Names in capitals that are no setting, code or well-known name; and keys of TOML that are none."""
    shell = "\n".join(fence.code for fence in markdown.fences(text, "sh", "bash", "console", "ini"))
    named = re.findall(r"(?<![\w.$])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?![\w*])", markdown.prose(text))
    named += re.findall(r"`([A-Z][A-Z0-9_]+)=", text)
    named += re.findall(r"(?<![\w.])([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)=", shell)
    keys = {key.upper() for fence in markdown.fences(text, "toml") for key in tomllib.loads(fence.code)}
    known = SETTINGS | NAMES_OF_OTHERS | {code.value for code in Code}
    return [name for name in (*named, *sorted(keys)) if name not in known]


def wrong_endpoints(text: str) -> list[str]:
    """Endpoints, paths and URLs of the service that no route answers."""
    named = re.findall(r"\b((?:GET|POST) /[\w/.-]*)", text)
    urls = re.findall(r"https?://(?:127\.0\.0\.1|localhost):\d+/[^\s'\"`]*", text)
    code = [code for code in markdown.inline_code(text) if OURS.match(code)]
    paths = [urlsplit(each).path for each in (*code, *urls)]
    known = {route.partition(" ")[2] for route in routes()}
    prefixes = {path.rpartition("/")[0] for path in known}
    wrong = [path for path in paths if path not in known | prefixes]
    return [endpoint for endpoint in named if endpoint not in routes()] + wrong


def wrong_names(text: str) -> list[str]:
    """Metrics, events and classes that the code does not have."""
    code = markdown.inline_code(text)
    metrics = re.findall(r"\bytdlpd_\w+", text)
    classes = [name for name in code if re.fullmatch(r"(?:[A-Z][a-z]+){2,}", name)]
    return [name for name in metrics if name not in metric_names()] + [
        name for name in classes if name not in class_names()
    ]


def wrong_fences(text: str) -> list[str]:
    """JSON that does not parse, unless an ellipsis stands for the rest; diagrams of no known kind."""
    wrong = [fence.code for fence in markdown.fences(text, "mermaid") if not fence.code.startswith(DIAGRAMS)]
    for fence in markdown.fences(text, "json"):
        if "…" in fence.code:
            continue
        lines = fence.code.splitlines()
        documents = lines if len(lines) > 1 and all(line.startswith("{") for line in lines) else [fence.code]
        for document in documents:
            try:
                json.loads(document)
            except ValueError:
                wrong.append(document)
    return wrong


CHECKS: tuple[Check, ...] = (
    wrong_files,
    wrong_commands,
    wrong_settings,
    wrong_endpoints,
    wrong_names,
    wrong_fences,
)
BROKEN = (
    (wrong_files, "see `service/nowhere.py`"),
    (wrong_files, "or deploy/kubernetes/nowhere.yaml"),
    (wrong_links, "[there](docs/nowhere.md)"),
    (wrong_links, "[there](CONTRIBUTING.md#nowhere)"),
    (wrong_commands, "```sh\nmake nothing\n```"),
    (wrong_commands, "`ytdlpd nothing`"),
    (wrong_commands, "```sh\nPORT=1 ytdlpd serve \\\n  --nothing 1\n```"),
    (wrong_commands, "`python -m bench nothing`"),
    (wrong_commands, "`.venv/bin/python -m service.nothing`"),
    (wrong_settings, "`MAX_NOTHING`"),
    (wrong_settings, "```sh\nNOTHING=1 ytdlpd serve\n```"),
    (wrong_settings, "```toml\nnothing = 1\n```"),
    (wrong_endpoints, "`POST /api/v1/extracts`"),
    (wrong_endpoints, "`GET /api/v1/batch`"),
    (wrong_endpoints, "`/health/nothing`"),
    (wrong_endpoints, "```sh\ncurl http://127.0.0.1:3000/nothing\n```"),
    (wrong_names, "`ytdlpd_nothing_total`"),
    (wrong_names, "`NothingHappened`"),
    (wrong_fences, '```json\n{"ok": True}\n```'),
    (wrong_fences, "```mermaid\nnothing LR\n```"),
)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_names_exists(document: Path, check: Check) -> None:
    assert check(document.read_text()) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    assert wrong_links(document.read_text(), document) == []


@pytest.mark.parametrize(
    "picture", sorted((ROOT / "deploy" / "screenshots").iterdir()), ids=lambda it: it.name
)
def test_a_picture_is_small_and_shown(picture: Path) -> None:
    assert picture.stat().st_size < 150_000
    assert any(f"deploy/screenshots/{picture.name})" in document.read_text() for document in DOCUMENTS)


@pytest.mark.parametrize(("check", "text"), BROKEN)
def test_each_check_finds_what_is_wrong(check: Check, text: str) -> None:
    assert len(check(text)) == 1


def shown(default: object) -> str:
    if default in (None, (), {}):
        return "\u2013"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


@pytest.mark.parametrize("name", Config.model_fields)
def test_every_setting_is_in_the_readme_as_it_is(name: str) -> None:
    label = f"`{name.upper()}`" if name in Config.command_line_names() else f"`[{name}.…]`"
    field = Config.model_fields[name]
    assert f"| {label} | {shown(field.default)} | {field.description} |" in (ROOT / "README.md").read_text()


def test_every_dependency_has_its_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = (project["dependencies"], *project["optional-dependencies"].values())
    named = {re.split(r"[\[=>]", wanted)[0].lower() for group in groups for wanted in group}
    table = (ROOT / "ARCHITECTURE.md").read_text().partition("## Dependencies")[2].lower()
    assert [name for name in sorted(named) if name not in table] == []


def test_the_architecture_is_read_in_ten_minutes() -> None:
    lines = (ROOT / "ARCHITECTURE.md").read_text().splitlines()
    assert len(lines) <= 250
    assert [line for line in lines if len(line) > 125] == []


API = (ROOT / "docs" / "api.md").read_text()


def test_every_code_is_in_the_table_with_its_status() -> None:
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", API, re.M)
    assert {code: int(status) for status, code in rows} == {code.value: TRAITS[code].status for code in Code}
    assert len(rows) == len(Code)


def test_every_event_is_in_the_table() -> None:
    kinds = [
        kind for kind in vars(events).values() if isinstance(kind, type) and kind.__base__ is events.Event
    ]
    assert len(kinds) >= 10
    assert [kind.__name__ for kind in kinds if kind.__name__ not in markdown.inline_code(API)] == []


def curl() -> argparse.ArgumentParser:
    """The options of curl that the documents use."""
    parser = argparse.ArgumentParser("curl")
    parser.add_argument("url")
    parser.add_argument("-s", "-N", action="store_true")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="body")
    return parser


@pytest.mark.parametrize(
    "words",
    [
        words
        for document in ("README.md", "docs/api.md")
        for words in markdown.commands((ROOT / document).read_text())
        if words[0] == "curl" and len(words) > 1
    ],
    ids=lambda words: urlsplit(next(word for word in words if "://" in word)).path,
)
async def test_a_request_of_the_documents_is_answered(words: list[str]) -> None:
    asked = curl().parse_args(words[1:])
    headers = dict(header.split(": ", 1) for header in asked.headers)
    url = urlsplit(asked.url)
    service = web()
    service.lifecycle.close()  # so that the stream of events ends
    given: dict[str, Any] = {"headers": headers, **({"data": asked.body} if asked.body else {})}
    method = asked.method or ("POST" if asked.body else "GET")
    response = await service.request(method, f"{url.path}?{url.query}", **given)
    assert response.status_code == 200, await response.get_data()
