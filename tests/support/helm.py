"""Helm's own linter and templates on a chart, in a process of its own: they bring the runtime of Go.

python -m tests.support.helm deploy/helm/ytdlpd < values.json
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any


def main(chart: Path) -> None:
    """Prints what the linter says, and the documents that the chart makes of the values on standard input."""
    helm: Any = import_module("helm_python")  # there are wheels for x86_64 alone
    values = json.load(sys.stdin)
    report = helm.lint(chart, values)
    made = helm.Chart.load(chart).render(values, name="ytdlpd", namespace="default")
    json.dump({"lint": report, "made": "\n---\n".join(made.values())}, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
