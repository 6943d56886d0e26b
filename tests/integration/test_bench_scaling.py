"""Contract: the benchmark dispatcher, and a short run of the scaling benchmark."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import benchmarks, main

ROOT = Path(__file__).resolve().parents[2]


def test_every_benchmark_is_listed_with_its_first_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    assert "scaling" in benchmarks()
    assert all(
        f"  {name} " in listed and summary in listed and summary for name, summary in benchmarks().items()
    )


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nonsense"]) == 2
    assert "no benchmark 'nonsense'" in capsys.readouterr().err


def test_the_scaling_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scaling", "--minutes", "3", "--seeds", "1"]) == 0
    table = capsys.readouterr().out
    assert table.count("self-tuning") == 4
    assert "short bursts" in table


def test_plots_are_drawn(tmp_path: Path) -> None:
    """In a process of its own, because numpy leaves threads behind."""
    if importlib.util.find_spec("matplotlib") is None:
        pytest.skip("needs the extra bench")
    command = [
        sys.executable,
        "-m",
        "bench",
        "scaling",
        "--minutes",
        "3",
        "--seeds",
        "1",
        "--plot",
        str(tmp_path),
    ]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60, stdout=subprocess.DEVNULL)
    assert len(list(tmp_path.glob("scaling-*.svg"))) == 5
