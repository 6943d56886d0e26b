"""Runs one benchmark: `python -m bench NAME [options]`.

Each module of this package is one; it has a docstring and a `main(arguments)` that returns an exit status.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent


def benchmarks() -> dict[str, str]:
    """Each benchmark's name and the first line of its docstring, without importing any."""
    names = sorted(module.name for module in pkgutil.iter_modules([str(HERE)]))
    return {name: _summary(name) for name in names if name != "__main__" and not name.startswith("_")}


def _summary(name: str) -> str:
    file = HERE / f"{name}.py"
    source = file if file.is_file() else HERE / name / "__init__.py"
    docstring = ast.get_docstring(ast.parse(source.read_text())) or ""
    return docstring.partition("\n")[0]


def usage() -> str:
    found = benchmarks()
    width = max(map(len, found), default=0)
    lines = [f"  {name:<{width}}  {summary}" for name, summary in found.items()]
    return "\n".join(["usage: python -m bench NAME [options]", "", *lines])


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark that `arguments` name first, with the rest of them."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0
    name, *rest = arguments
    if name not in benchmarks():
        print(f"there is no benchmark {name!r}\n\n{usage()}", file=sys.stderr)
        return 2
    status: int = importlib.import_module(f"bench.{name}").main(rest)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
