"""A fleet: three instances behind HAProxy that share a Valkey; what they save, and what a loss costs.

    python -m bench fleet [--quick]

How many extractions a trace of URLs in Zipf's distribution costs, how exact a limit is over all instances,
what the engine costs, how 1, 2 and 3 instances scale, and what clients meet while the engine hangs or dies,
and while instances are killed or restarted. It takes six minutes, `--quick` about two and a half, and writes
fleet.json, fleet.md and plots. A request is repeated nowhere but in HAProxy, as the files in deploy/ say.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from service.keys import new_key
from tests.internet import Internet
from tests.support.engine import engine

from . import _fleet_report
from ._contenders import here
from ._fleet_measures import COMPARE, FULL, LIMIT, MEASURES, QUICK, Bench, Found
from ._fleet_members import fleet

OUT = Path(__file__).parent / "report"
SETTINGS = {"SCALING": "fixed:4", "MAX_TASKS_PER_WORKER": 0, "TRUSTED_PROXIES": "127.0.0.0/8"}
DRAIN_DELAY = 7000  # ms, as in the image


def main(arguments: Sequence[str]) -> int:
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m bench fleet", description=summary)
    parser.add_argument("--quick", action="store_true", help="about two minutes; too short to be quoted")
    parser.add_argument("--only", metavar="NAMES", help=f"of {', '.join(MEASURES)}; comma-separated")
    parser.add_argument("--out", type=Path, default=OUT, help="where the report goes")
    given = parser.parse_args(arguments)
    names = given.only.split(",") if given.only else list(MEASURES)
    if unknown := set(names) - set(MEASURES):
        parser.error(f"there is no measurement {', '.join(unknown)}")
    scale = QUICK if given.quick else FULL

    results: Found = {"machine": here(), "quick": given.quick, "date": time.strftime("%Y-%m-%d")}
    began = time.monotonic()
    key, digest = new_key()
    keys = {"limited": {"hash": digest, "rate": LIMIT / scale.window, "burst": LIMIT}}
    settings = {**SETTINGS, "KEYS": json.dumps(keys)}
    # Whoever ends this ends all that it has started.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    with ExitStack() as stack:
        internet = stack.enter_context(Internet.spawn())
        valkey = stack.enter_context(engine())
        linked = {**settings, "CLUSTER_URL": valkey.url, "DRAIN_DELAY_MS": DRAIN_DELAY}
        shared = stack.enter_context(fleet(internet, linked))
        if compared := [name for name in names if name in COMPARE]:
            with fleet(internet, settings) as alone:
                _measure(compared, Bench(internet, valkey, shared, alone, key, scale), results)
        others = [name for name in names if name not in COMPARE]
        _measure(others, Bench(internet, valkey, shared, None, key, scale), results)
    results["seconds"] = round(time.monotonic() - began)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "fleet.json").write_text(json.dumps(results, separators=(",", ":")) + "\n")
    report = _fleet_report.markdown(results)
    (given.out / "fleet.md").write_text(report)
    for file in _fleet_report.plots(results, given.out):
        print(file, file=sys.stderr)
    print(report)
    return int(_fleet_report.failed(results))


def _measure(names: Sequence[str], bench: Bench, results: Found) -> None:
    for name in names:
        started = time.monotonic()
        try:
            results[name] = MEASURES[name](bench)
        except Exception as error:  # the other measurements still count
            results[name] = {"error": f"{type(error).__name__}: {error}"}
            traceback.print_exc()
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
