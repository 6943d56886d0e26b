"""What the reports share: the words about the machine, tables, sections, and files of plots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Results = Mapping[str, Any]


def run_on(results: Results) -> str:
    """When and where the results were measured."""
    machine = results["machine"]
    return (
        f"Run on {results['date']} in {results['seconds']} s: Python {machine['python']},"
        f" {machine['cores']} cores ({machine['cpu']}), load {machine['load']:.1f} before it began."
        + (" A quick run: too short to be quoted." if results["quick"] else "")
    )


def table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in lines)


def sections(results: Results, renderers: Mapping[str, Callable[[Any], str]]) -> list[str]:
    """The section of each result there is, in the order of `renderers`; of one that failed, why."""
    return [
        f"## {name}\n\nFailed: {found['error']}" if "error" in found else render(found)
        for name, render in renderers.items()
        if (found := results.get(name)) is not None
    ]


def plots(
    results: Results, folder: Path, drawings: Mapping[str, Callable[[Any, Any], None]], prefix: str = ""
) -> list[Path]:
    """Draw each result there is into a file of `folder`; none where matplotlib is missing.

    Args:
        drawings: each given a figure and what was found.
        prefix: of the files' names.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        return []
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    files = []
    for name, draw in drawings.items():
        found = results.get(name)
        if found is None or "error" in found:
            continue
        figure = plt.figure(figsize=(7, 4), layout="constrained")
        draw(figure, found)
        file = folder / f"{prefix}{name}.png"
        figure.savefig(file, dpi=90)
        plt.close(figure)
        files.append(file)
    return files
