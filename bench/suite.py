"""The load suite: throughput, cache, spike, outage, drain and soak, against the alternatives.

It takes about ten minutes, `--quick` under two, and writes results.json, report.md and plots. The load comes
from a process of its own; the origin is the small internet with a given latency; all contenders run in the
same session, in turns, and the median of the rounds counts.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.internet import Internet

from . import _report, _scenarios
from ._challenges import challenges
from ._contenders import here
from ._scenarios import FULL, QUICK, Bench, raise_file_limit

OUT = Path(__file__).parent / "report"
SCENARIOS = {"challenges": challenges, **_scenarios.SCENARIOS}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench suite", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under two minutes; too short to be quoted")
    parser.add_argument("--only", metavar="NAMES", help=f"of {', '.join(SCENARIOS)}; comma-separated")
    parser.add_argument("--soak", type=int, help="extractions of the soak")
    parser.add_argument("--out", type=Path, default=OUT, help="where the report goes")
    given = parser.parse_args(arguments)
    names = given.only.split(",") if given.only else list(SCENARIOS)
    if unknown := set(names) - set(SCENARIOS):
        parser.error(f"there is no scenario {', '.join(unknown)}")
    scale = QUICK if given.quick else FULL
    if given.soak:
        scale = replace(scale, soak=given.soak)
    raise_file_limit()
    try:
        from tqdm import tqdm
    except ImportError:
        parser.error("the suite needs the extra bench: pip install -e '.[bench,dev]'")

    results: dict[str, object] = {"machine": here(), "quick": given.quick, "date": time.strftime("%Y-%m-%d")}
    failed = False
    began = time.monotonic()
    with (
        Internet.spawn() as internet,
        tqdm(total=len(names), unit="scenario", file=sys.stderr, dynamic_ncols=True) as bar,
    ):
        bench = Bench(internet, scale, bar.set_postfix_str)
        for name in names:
            bar.set_description(name)
            internet.reset()
            started = time.monotonic()
            try:
                results[name] = SCENARIOS[name](bench)
            except Exception as error:  # the other scenarios still count
                failed = True
                results[name] = {"error": f"{type(error).__name__}: {error}"}
                bar.write(traceback.format_exc())
            bar.write(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
            bar.update()
    results["seconds"] = round(time.monotonic() - began)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "results.json").write_text(json.dumps(results, separators=(",", ":")) + "\n")
    (given.out / "report.md").write_text(_report.markdown(results))
    for file in _report.plots(results, given.out):
        print(file, file=sys.stderr)
    print(_report.markdown(results))
    return int(failed)
