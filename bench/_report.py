"""The suite's results as Markdown and as plots."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from . import _document
from ._document import Results, run_on, sections, table


def markdown(results: Results) -> str:
    """The report: the claims first, then each scenario's table."""
    parts = [
        "# What the load suite says",
        f"{run_on(results)} Origin, load generator and service shared the machine, so trust the ratios."
        " Unless a table says otherwise, each YouTube video has a challenge with a known script.",
        _claims(results),
        *sections(results, _SECTIONS),
    ]
    return "\n\n".join(parts) + "\n"


def _claims(results: Results) -> str:
    rows: list[list[object]] = []

    def claim(name: str, what: str, wanted: str, figure: Callable[[Any], tuple[str, bool]]) -> None:
        if name in results and "error" not in results[name]:
            text, good = figure(results[name])
            rows.append([what, wanted, text, "yes" if good else "**no**"])

    def rates(found: Any, who: str, latency: float, clients: int = 10) -> list[float]:
        measured = found.get("rows", ())
        rows = (row for row in measured if row["who"] == who and row["latency_ms"] == latency)
        return next((row["rounds"] for row in rows if row["clients"] == clients), [])

    def against(who: str, latency: float, wanted: float) -> Callable[[Any], tuple[str, bool]]:
        def figure(found: Any) -> tuple[str, bool]:
            mine, theirs = rates(found, "ytdlpd", latency), rates(found, who, latency)
            ratios = [one / other for one, other in zip(mine, theirs, strict=False) if other]
            if not ratios:
                return "not measured", False
            ratio = median(ratios)
            return f"{ratio:.2f} ({median(mine):.1f}/s against {median(theirs):.1f}/s)", ratio >= wanted

        return figure

    for who, latency, wanted in (
        ("spawn", 0, 15),
        ("stock", 0, 0.95),
        ("workers", 0, 0.95),
        ("workers", 300, 0.95),
    ):
        if rates(results.get("throughput", {}), who, latency):
            what = f"uncached YouTube at 10 clients, {latency} ms, of {_WHO[who]}"
            claim("throughput", what, f"≥ {wanted:g}", against(who, latency, wanted))

    def kept(found: Any) -> tuple[str, bool]:
        row = found["rows"][0]
        return f"{row['ratio']:.2f}, {row['rate']:.0f}/s", row["ratio"] >= 0.6 and row["rate"] >= 800

    claim("repeated", "repeated URLs, of a bare ASGI app", "≥ 0.60, ≥ 800/s", kept)
    claim(
        "repeated",
        "extractions for 100 clients and one new URL",
        "1",
        lambda found: (str(found["one_new_url"]["extractions"]), found["one_new_url"]["extractions"] == 1),
    )
    claim(
        "health",
        "/health p99 saturated, of idle",
        "≤ 5",
        lambda found: (
            f"{found['ratio_p99']:.1f} ({found['saturated']['p99']:.1f} ms / {found['idle']['p99']:.1f} ms)",
            found["ratio_p99"] <= 5,
        ),
    )
    claim(
        "spike",
        "1 → 100 clients: last worker of the first burst",
        "≤ 100 ms",
        lambda found: (
            f"{found['first_burst_ms']:.0f} ms, {found['workers_after_burst']} workers",
            found["first_burst_ms"] <= 100,
        ),
    )
    claim(
        "spike",
        "answers in the spike",
        "200 and 503",
        lambda found: (_counts(found["statuses"]), set(found["statuses"]) <= {"200", "503"}),
    )
    claim(
        "soak",
        "memory of template, ten workers and solver with real scripts, and its growth",
        "≤ 600 MB, ≤ 5 %",
        lambda found: (
            f"{found['pss_late'] / 1e6:.0f} MB, {_growth(found):+.1%}",
            0 < found["pss_late"] <= 600e6 and _growth(found) <= 0.05,
        ),
    )
    claim(
        "sigterm",
        "requests without an answer after SIGTERM",
        "0",
        lambda found: (str(found["unanswered"]), found["unanswered"] == 0),
    )
    return table(["claim", "wanted", "found", "holds"], rows)


def _growth(found: Any) -> float:
    return float(found["pss_late"] / found["pss_early"] - 1) if found["pss_early"] else math.inf


def _counts(statuses: Mapping[str, int]) -> str:
    return ", ".join(f"{count} of {status}" for status, count in sorted(statuses.items()))


def _ms(found: Mapping[str, float]) -> list[object]:
    return [f"{found[name]:.1f}" if name in found else "" for name in ("p50", "p95", "p99")]


_HEAD = ["p50 ms", "p95 ms", "p99 ms"]


# The names of the contenders in words; see bench/_baselines.py.
_WHO = {
    "spawn": "`yt-dlp -J` per request",
    "threads": "threads, one YoutubeDL",
    "stock": "warm YoutubeDL processes, no HTTP",
    "workers": "our own workers, no HTTP",
}


def _throughput(found: Any) -> str:
    rows: list[list[object]] = [
        [
            _WHO.get(row["who"], row["who"]),
            row["clients"],
            f"{row['latency_ms']:.0f}",
            f"{row['rate']:.1f}",
            *_ms(row),
        ]
        for row in sorted(
            found["rows"], key=lambda row: (row["latency_ms"], row["who"] != "ytdlpd", row["clients"])
        )
    ]
    return (
        "## Uncached YouTube extractions\n\n"
        + table(["who", "clients", "origin latency ms", "per second", *_HEAD], rows)
        + "\n\nWithout HTTP, ten processes extract and discard their results: each with a warm"
        " YoutubeDL as yt-dlp ships it, or each doing what this service's workers do. The latter is what an"
        " HTTP service around them could reach if it took no CPU at all."
    )


def _challenges(found: Any) -> str:
    rows: list[list[object]] = [
        [
            row["challenge"],
            f"{row['ytdlpd']:.1f}",
            f"{row['cpu'] * 1e3:.0f}",
            f"{row['spawn']:.1f}",
            f"{row['stock']:.1f}",
        ]
        for row in found["rows"]
    ]
    new = found["new"]
    head = ["challenge", "ytdlpd per second", "CPU ms each", _WHO["spawn"], f"ten {_WHO['stock']}"]
    return (
        "## YouTube's challenges, 10 clients\n\n"
        + table(head, rows)
        + f"\n\nA new script, asked for by {new['clients']} clients at once: {new['answered']} answered, the"
        f" last after {new['last_answer']:.1f} s, for {new['cpu']:.1f} s of CPU in all. Template, workers and"
        f" solver then took {found['memory'] / 1e6:.0f} MB."
    )


def _repeated(found: Any) -> str:
    rows: list[list[object]] = [
        [row["what"], row["bytes"], f"{row['rate']:.0f}", f"{row['bare']:.0f}", *_ms(row)]
        for row in found["rows"]
    ]
    one = found["one_new_url"]
    return (
        "## Ten URLs again and again, 32 clients\n\n"
        + table(["result", "bytes sent", "per second", "bare ASGI app", *_HEAD], rows)
        + f"\n\nA hundred clients who asked for one new URL: {_counts(one['answers'])};"
        f" {one['extractions']} extraction."
    )


def _health(found: Any) -> str:
    rows: list[list[object]] = [[name, *_ms(found[name])] for name in ("idle", "saturated")]
    return "## /health, 50 times a second on schedule\n\n" + table(["", *_HEAD], rows)


def _spike(found: Any) -> str:
    return (
        "## From 1 client to 100\n\n"
        f"{found['workers_after_burst']} workers after {found['first_burst_ms']:.0f} ms;"
        f" {_counts(found['statuses'])};"
        f" of the good ones p50 {found['p50']:.0f} ms, p99 {found['p99']:.0f} ms."
    )


def _outage(found: Any) -> str:
    lasted = found["fails_until"] - found["fails_from"]
    return (
        "## An outage and the recovery, 10 requests per second\n\n"
        f"The breaker opened after {found['opened_after_s'] or 0:.1f} s and closed"
        f" {found['closed_after_s'] or 0:.1f} s after the site was well again. The failing site was asked"
        f" {found['requests_to_the_failing_site']} times in {lasted:.0f} s; a refusal took"
        f" {found['refusals']['p50']:.1f} ms (median). Answers: {_counts(found['statuses'])}."
    )


def _sigterm(found: Any) -> str:
    rows: list[list[object]] = [
        [number, _counts(run["statuses"]), run["exit"], f"{run['seconds']:.1f}"]
        for number, run in enumerate(found["runs"], 1)
    ]
    return "## SIGTERM with 20 clients at work\n\n" + table(
        ["round", "answers", "exit code", "seconds"], rows
    )


def _soak(found: Any) -> str:
    early, late, server, kept = (
        f"{found[name] / 1e6:.0f} MB" for name in ("pss_early", "pss_late", "server_rss_end", "cache_bytes")
    )
    return (
        f"## {found['jobs']} extractions on ten workers\n\n"
        f"Workers and template together: {early} early, {late} late (PSS, medians). Server: {server},"
        f" {kept} of it kept results. {_counts(found['statuses'])}."
    )


def _idle(found: Any) -> str:
    rows: list[list[object]] = [
        ["/health alone", *_ms(found["alone"])],
        [f"beside {found['connections']} idle connections", *_ms(found["crowded"])],
    ]
    return (
        "## Idle keep-alive connections\n\n"
        + table(["", *_HEAD], rows)
        + f"\n\n{found['bytes_each'] / 1e3:.1f} KB of memory for each connection."
    )


def _big(found: Any) -> str:
    rows: list[list[object]] = [
        [name, f"{found[name]['rate']:.1f}", *_ms(found[name])] for name in ("new", "kept")
    ]
    rows.append(["/health meanwhile", "", *_ms(found["health_meanwhile"])])
    return f"## Results of {found['bytes'] / 1e6:.1f} MB, 10 clients\n\n" + table(
        ["", "per second", *_HEAD], rows
    )


_SECTIONS: Mapping[str, Callable[[Any], str]] = {
    "challenges": _challenges,
    "throughput": _throughput,
    "repeated": _repeated,
    "health": _health,
    "spike": _spike,
    "outage": _outage,
    "sigterm": _sigterm,
    "idle": _idle,
    "big": _big,
    "soak": _soak,
}


def plots(results: Results, folder: Path) -> list[Path]:
    """Draw the plots into `folder`; none where matplotlib is missing."""
    return _document.plots(results, folder, {name: partial(_on_axes, draw) for name, draw in _PLOTS.items()})


def _on_axes(draw: Callable[[Any, Any], None], figure: Any, found: Any) -> None:
    axes = figure.subplots()
    draw(axes, found)
    axes.grid(alpha=0.3)


def _draw_throughput(axes: Any, found: Any) -> None:
    for latency in sorted({row["latency_ms"] for row in found["rows"]}):
        own = sorted(
            (row["clients"], row["rate"])
            for row in found["rows"]
            if row["who"] == "ytdlpd" and row["latency_ms"] == latency
        )
        (line,) = axes.plot(*zip(*own, strict=True), marker="o", label=f"ytdlpd, {latency:.0f} ms")
        for (who, name), mark in zip(_WHO.items(), "x+1_", strict=True):
            rates = [
                row["rate"] for row in found["rows"] if row["who"] == who and row["latency_ms"] == latency
            ]
            label = name.replace("`", "") if latency == 0 else None
            axes.plot([10] * len(rates), rates, mark, color=line.get_color(), ms=10, label=label)
    axes.set(xlabel="clients", ylabel="extractions per second", title="Uncached YouTube", ylim=0)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))


def _draw_repeated(axes: Any, found: Any) -> None:
    names = [row["what"] for row in found["rows"]]
    places = range(len(names))
    axes.bar([place - 0.2 for place in places], [row["rate"] for row in found["rows"]], 0.4, label="ytdlpd")
    axes.bar(
        [place + 0.2 for place in places], [row["bare"] for row in found["rows"]], 0.4, label="bare ASGI app"
    )
    axes.set_xticks(list(places), names)
    axes.set(ylabel="per second", title="Repeated URLs, 32 clients")
    axes.legend()


def _draw_health(axes: Any, found: Any) -> None:
    for name, offset in (("idle", -0.2), ("saturated", 0.2)):
        values = [found[name][share] for share in ("p50", "p95", "p99")]
        axes.bar([place + offset for place in range(3)], values, 0.4, label=name)
    axes.set_xticks(range(3), ["p50", "p95", "p99"])
    axes.set(ylabel="ms", title="/health")
    axes.legend()


def _draw_spike(axes: Any, found: Any) -> None:
    times = [row["t"] for row in found["series"]]
    axes.step(times, [row["activeWorkers"] for row in found["series"]], label="workers", where="post")
    axes.step(times, [row["queueLength"] for row in found["series"]], label="waiting", where="post")
    axes.set(xlabel="seconds", title="From 1 client to 100", ylim=0)
    axes.legend()


def _draw_outage(axes: Any, found: Any) -> None:
    colours = {200: "tab:green", 503: "tab:orange"}
    for status in sorted({row[2] for row in found["answers"]}):
        rows = [row for row in found["answers"] if row[2] == status]
        times, took = [row[0] for row in rows], [max(row[1], 1e-4) * 1000 for row in rows]
        axes.semilogy(times, took, ".", color=colours.get(status, "tab:red"), label=str(status))
    axes.axvspan(found["fails_from"], found["fails_until"], alpha=0.1, color="red", label="site fails")
    last = None
    for time, state in found["series"]:
        if state != last:
            axes.axvline(time, color="grey", lw=0.8, ls=":")
            axes.annotate(
                state, (time, 1.0), xycoords=("data", "axes fraction"), rotation=90, fontsize=6, va="top"
            )
            last = state
    axes.set(xlabel="seconds", ylabel="ms until answered", title="An outage: each answer, and the breaker")
    axes.legend(fontsize=8, loc="lower right")


def _draw_soak(axes: Any, found: Any) -> None:
    jobs = [row["jobs"] for row in found["series"]]
    axes.plot(jobs, [row["workers_pss"] / 1e6 for row in found["series"]], label="workers and template, PSS")
    axes.plot(jobs, [row["server_rss"] / 1e6 for row in found["series"]], label="server, RSS")
    axes.set(xlabel="extractions", ylabel="MB", title="Memory", ylim=0)
    axes.legend()


_PLOTS: Mapping[str, Callable[[Any, Any], None]] = {
    "throughput": _draw_throughput,
    "repeated": _draw_repeated,
    "health": _draw_health,
    "spike": _draw_spike,
    "outage": _draw_outage,
    "soak": _draw_soak,
}
