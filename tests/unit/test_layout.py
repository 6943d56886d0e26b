"""Pure: no import circles, a worker without Trio, a server without yt-dlp, a client without the service."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for folder in ("service", "tests", "bench")
    for path in (ROOT / folder).rglob("*.py")
}


def imports(module: str) -> set[str]:
    """The modules of this repository that `module` imports anywhere, for type checkers included."""
    path = FILES[module]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{source}.{alias.name}"
                found.add(whole if whole in FILES else source)
    return (found & FILES.keys()) - {module}


def test_no_import_circles() -> None:
    order = TopologicalSorter({module: imports(module) for module in FILES})
    assert len([*order.static_order()]) == len(FILES)


def test_the_worker_imports_no_trio_and_the_server_no_yt_dlp() -> None:
    for module, path in FILES.items():
        if module.startswith("service."):
            names = set(re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), re.MULTILINE))
            assert ("trio" if module.startswith("service.worker") else "yt_dlp") not in names, module


def test_the_client_imports_nothing_of_the_service_but_the_codes() -> None:
    for module in FILES:
        if module.startswith("service.client"):
            others = {name for name in imports(module) if not name.startswith("service.client")}
            assert others <= {"service.codes"}, module
