"""The results of the fleet's benchmark as Markdown and as plots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import _document
from ._document import Results, run_on, sections, table

Claim = tuple[str, str, str, bool]  # what, wanted, found, whether it holds

LONG_RUN = 23.0  # requests of a window that are admitted at most, where 20 are allowed
DEAREST = 0.05  # of an extraction's CPU
SCALES = 0.9  # of the ideal


def markdown(results: Results) -> str:
    """The report: the claims first, then each measurement's table."""
    claims = [
        [what, wanted, found, "yes" if holds else "**no**"]
        for name, judge in _CLAIMS.items()
        if name in results and "error" not in results[name]
        for what, wanted, found, holds in judge(results[name])
    ]
    parts = [
        "# What the fleet's benchmark says",
        f"{run_on(results)} Three instances with four workers each, HAProxy, a Valkey, the sites and the load"
        " generator shared the machine, so trust counts and ratios.",
        table(["claim", "wanted", "found", "holds"], claims),
        *sections(results, _SECTIONS),
    ]
    return "\n\n".join(parts) + "\n"


def failed(results: Results) -> bool:
    """Whether a measurement ended in an error, or a request was lost."""
    errors = any("error" in found for found in results.values() if isinstance(found, dict))
    return errors or any(row["failed"] for row in results.get("losses", {}).get("rows", ()))


def per_window(found: Any, who: str) -> float:
    """Requests admitted in a window, on average over all of them, the burst included."""
    return len(found[who]) / float(found["windows"])


def shares(found: Any) -> dict[str, float]:
    """What the engine costs, as shares of an extraction's CPU: to keep a result, and to take it elsewhere.

    A kept result costs its instance what the server takes more than without an engine; to take it costs what
    a hit takes more than one in the instance's own cache. What the engine itself used comes to both.
    """
    whole = found["alone_all"]
    kept = found["kept_server"] - found["alone_server"]
    taken = found["shared_server"] - found["own_server"]
    return {
        "kept": kept / whole,
        "kept, engine": found["kept_engine"] / whole,
        "taken": taken / whole,
        "taken, engine": found["shared_engine"] / whole,
    }


def _judge_sharing(found: Any) -> list[Claim]:
    return [
        (
            f"extractions of a distinct URL with the engine, {row['balancing']}",
            "1.00",
            f"{row['extractions'] / row['distinct']:.2f}",
            row["extractions"] == row["distinct"],
        )
        for row in found["rows"]
        if row["engine"]
    ]


def _judge_limit(found: Any) -> list[Claim]:
    admitted = per_window(found, "engine")
    what = f"admitted by three instances, where {found['limit']} are allowed, in the long run"
    return [(what, f"≤ {LONG_RUN:.0f}", f"{admitted:.1f}", admitted <= LONG_RUN)]


def _judge_cost(found: Any) -> list[Claim]:
    part = shares(found)
    costs = {
        "CPU to keep a result in the engine, of an extraction": part["kept"] + part["kept, engine"],
        "CPU to take a result from the engine, of an extraction": part["taken"] + part["taken, engine"],
    }
    return [(what, f"≤ {DEAREST:.0%}", f"{cost:.1%}", cost <= DEAREST) for what, cost in costs.items()]


def _judge_scaling(found: Any) -> list[Claim]:
    rates = [row["rate"] for row in found["rows"]]
    ratio = rates[-1] / rates[0] if rates[0] else 0.0
    wanted = SCALES * len(rates)
    return [
        (
            f"extractions per second of {len(rates)} instances, of one",
            f"≥ {wanted:.1f}",
            f"{ratio:.2f}",
            ratio >= wanted,
        )
    ]


def _judge_losses(found: Any) -> list[Claim]:
    return [
        (f"failed requests: {_name(row)}", "0", f"{row['failed']} of {_asked(row)}", row["failed"] == 0)
        for row in found["rows"]
    ]


_CLAIMS: Mapping[str, Callable[[Any], list[Claim]]] = {
    "scaling": _judge_scaling,
    "sharing": _judge_sharing,
    "limit": _judge_limit,
    "cost": _judge_cost,
    "losses": _judge_losses,
}


def _asked(row: Any) -> int:
    return len(row["answers"])


def _name(row: Any) -> str:
    return f"{row['name']}, HAProxy's defaults" if row["balancer"] == "defaults" else str(row["name"])


def _scaling(found: Any) -> str:
    first = found["rows"][0]["rate"]
    rows: list[list[object]] = [
        [
            row["instances"],
            f"{row['rate']:.1f}",
            f"{row['rate'] / first:.2f}" if first else "",
            f"{row['share']:.2f}",
            f"{row['rate'] / row['share'] / row['instances']:.0f}",
        ]
        for row in found["rows"]
    ]
    return (
        f"## New URLs on 1, 2 and 3 instances, {found['share']:g} of a core each\n\n"
        + table(
            [
                "instances",
                "extractions per second",
                "of one",
                "cores that each used",
                "extractions per CPU second",
            ],
            rows,
        )
        + "\n\nThe benchmark stops an instance (SIGSTOP) for some milliseconds when it has used up its share."
        " A machine that is busy with something else gives it less; then the last column tells more."
        "\n\n![Extractions per second by instances](fleet-scaling.png)"
    )


def _sharing(found: Any) -> str:
    rows: list[list[object]] = [
        [
            "yes" if row["engine"] else "no",
            row["balancing"],
            row["requests"],
            row["distinct"],
            row["extractions"],
            f"{row['extractions'] / row['distinct']:.2f}",
            f"{1 - row['extractions'] / row['requests']:.3f}",
        ]
        for row in found["rows"]
    ]
    head = ["engine", "balancing", "requests", "distinct URLs", "extractions", "for each URL", "hit ratio"]
    return (
        "## A trace in Zipf's distribution, three instances\n\n"
        + table(head, rows)
        + "\n\n![Extractions for each URL and hit ratio](fleet-sharing.png)"
    )


def _limit(found: Any) -> str:
    window = found["window"]
    rows: list[list[object]] = [
        [
            name,
            sum(moment < window for moment in found[who]),
            f"{per_window(found, who):.1f}",
        ]
        for who, name in (("engine", "with the engine"), ("none", "each by itself"))
    ]
    return (
        f"## {found['limit']} requests in {window:g} s, and {found['demand'] * window:.0f} that are made\n\n"
        + table(["", "admitted in the first window", f"in a window, over all {found['windows']}"], rows)
        + f"\n\nA client may begin with a burst of {found['limit']}, and what was admitted too much before"
        " all instances knew is a debt."
        "\n\n![Requests admitted](fleet-limit.png)"
    )


def _cost(found: Any) -> str:
    whole, part, idle = found["alone_all"], shares(found), found["idle"]
    rows: list[list[object]] = [
        ["an extraction without an engine: server, template, workers", f"{whole:.2f}", "100 %"],
    ]
    for what, name in (
        ("kept", "to keep a result: instance"),
        ("kept, engine", "to keep a result: engine"),
        ("taken", "to take it at another instance: instance"),
        ("taken, engine", "to take it at another instance: engine"),
    ):
        rows.append([name, f"{part[what] * whole:.2f}", f"{part[what]:.1%}"])
    return (
        f"## CPU of the engine, YouTube, {found['rounds']} rounds of {found['videos']} videos\n\n"
        + table(["", "ms", "of an extraction"], rows)
        + "\n\nTo keep a result costs what the instance's server takes more than without an engine; to take"
        " one costs what it takes more than from its own cache. What they use without any request is left"
        f" out: {idle['alone']:.1%} of a core for a server without an engine, {idle['shared']:.1%} with one,"
        f" {idle['engine']:.1%} for the engine of three."
    )


def _losses(found: Any) -> str:
    calm = found["rows"][0]
    rows: list[list[object]] = [
        [
            _name(row),
            _asked(row),
            row["failed"],
            f"{row['p50']:.0f}",
            f"{row['p99']:.0f}",
            f"{row['p99'] - calm['p99']:+.0f}" if row is not calm else "",
            ", ".join(f"{count} of {problem}" for problem, count in row["problems"].items()),
        ]
        for row in found["rows"]
    ]
    head = ["meanwhile", "requests", "failed", "p50 ms", "p99 ms", "added to p99", "problems"]
    kills = "an instance is" if found["kills"] == 1 else f"{found['kills']} instances are, one after another,"
    return (
        f"## What clients meet, {found['rate']:g} requests per second, a third of them new URLs\n\n"
        + table(head, rows)
        + f"\n\nThe site takes {found['latency'] * 1000:.0f} ms for each reply, so that work is under way."
        f' "Instances killed": {kills} killed with SIGKILL. "Rolling restart": each instance in turn gets'
        " SIGTERM and comes back, behind `deploy/haproxy.fleet.cfg` and, at the same time, behind HAProxy's"
        " defaults (round robin, checks every 2 s)."
        "\n\n![Each answer](fleet-losses.png)"
    )


_SECTIONS: Mapping[str, Callable[[Any], str]] = {
    "scaling": _scaling,
    "sharing": _sharing,
    "limit": _limit,
    "cost": _cost,
    "losses": _losses,
}


def plots(results: Results, folder: Path) -> list[Path]:
    """Draw the plots into `folder`; none where matplotlib is missing."""
    return _document.plots(results, folder, _PLOTS, prefix="fleet-")


def _draw_scaling(figure: Any, found: Any) -> None:
    axes = figure.subplots()
    counts, rates = [row["instances"] for row in found["rows"]], [row["rate"] for row in found["rows"]]
    axes.bar(counts, rates, 0.5, label="measured")
    axes.plot(
        [0, *counts], [0, *(count * rates[0] for count in counts)], "k--", lw=1, label="of one, so often"
    )
    axes.set_xticks(counts)
    axes.set(
        xlabel="instances",
        ylabel="extractions per second",
        title=f"New URLs, {found['share']:g} of a core for each instance",
        xlim=(0.5, counts[-1] + 0.5),
    )
    axes.legend()
    axes.grid(alpha=0.3)


def _draw_sharing(figure: Any, found: Any) -> None:
    each, ratio = figure.subplots(1, 2)
    for place, engine in enumerate((True, False)):
        rows = [row for row in found["rows"] if row["engine"] == engine]
        places = [number + 0.4 * place - 0.2 for number in range(len(rows))]
        label = "with the engine" if engine else "without"
        bars = each.bar(places, [row["extractions"] / row["distinct"] for row in rows], 0.4, label=label)
        each.bar_label(bars, fmt="%.2f", fontsize=8)
        bars = ratio.bar(places, [1 - row["extractions"] / row["requests"] for row in rows], 0.4, label=label)
        ratio.bar_label(bars, fmt="%.3f", fontsize=8)
        for axes in (each, ratio):
            axes.set_xticks(range(len(rows)), [row["balancing"] for row in rows])
    each.set(title="Extractions for each distinct URL")
    ratio.set(title="Hit ratio", ylim=(0, 1))
    each.legend(fontsize=8, loc="lower center")
    for axes in (each, ratio):
        axes.grid(alpha=0.3, axis="y")


def _draw_limit(figure: Any, found: Any) -> None:
    axes = figure.subplots()
    end = found["window"] * found["windows"]
    for who, label in (("engine", "with the engine"), ("none", "each by itself")):
        moments = [*found[who], end]
        axes.step(moments, [*range(1, len(found[who]) + 1), len(found[who])], where="post", label=label)
    most = found["limit"] * (1 + found["windows"])
    axes.plot([0, end], [found["limit"], most], "k--", lw=1, label="allowed, a burst included")
    axes.set(
        xlabel="seconds",
        ylabel="requests admitted",
        title=f"{found['limit']} requests in {found['window']:g} s, three instances",
        ylim=0,
    )
    axes.legend()
    axes.grid(alpha=0.3)


def _draw_losses(figure: Any, found: Any) -> None:
    figure.set_size_inches(7, 1.5 * len(found["rows"]) + 0.5)
    panels = figure.subplots(len(found["rows"]), sharey=True, squeeze=False)[:, 0]
    for axes, row in zip(panels, found["rows"], strict=True):
        for good, colour in ((True, "tab:green"), (False, "tab:red")):
            rows = [answer for answer in row["answers"] if (answer[2] == 200) is good]
            axes.semilogy(
                [one[0] for one in rows], [max(one[1], 1e-3) for one in rows], ".", ms=3, color=colour
            )
        axes.axvspan(*row["span"], alpha=0.1, color="grey" if row["name"] == "nothing" else "red")
        axes.set_title(f"{_name(row)}: {row['failed']} of {_asked(row)} failed", fontsize=9)
        axes.set_ylabel("s", fontsize=8)
        axes.grid(alpha=0.3)
    panels[-1].set_xlabel("seconds")


_PLOTS: Mapping[str, Callable[[Any, Any], None]] = {
    "scaling": _draw_scaling,
    "sharing": _draw_sharing,
    "limit": _draw_limit,
    "losses": _draw_losses,
}
