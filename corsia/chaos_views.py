"""A fault run for readers: tables for people, a document for machines."""

from collections import Counter
from dataclasses import asdict
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.table import Table

from corsia.audit import ENDS, HELD, UNACCOUNTED, Promise
from corsia.chaos_report import ChaosReport, shortfalls

# With more than these something is wrong throughout, and the first few say what.
BREACHES_SHOWN_MAX: Final = 20


def as_json(report: ChaosReport) -> dict[str, object]:
    """The report by name, ready for `json.dumps`."""
    found = report.audit
    return {
        "decisions": sum(found.outcomes.values()),
        "outcomes": {name: found.outcomes.get(name, 0) for name in (HELD, *ENDS, UNACCOUNTED)},
        "held_because": dict(found.reasons),
        "not_delivered_because": {
            f"{end}: {why}": count for (end, why), count in found.ends.items()
        },
        "fcm_accepted": report.accepted,
        "shown": report.shown,
        "resent": found.resent,
        "unheard": found.unheard,
        "fcm_failures": dict(report.troubles),
        "blows": [asdict(one) for one in report.recoveries],
        "starts": dict(report.starts),
        "fell": dict(report.fell),
        "kept_out": dict(report.kept_out),
        "shortfalls": shortfalls(report),
        "violations": {
            promise.value: sum(one.promise is promise for one in found.breaches)
            for promise in Promise
        },
        "breaches": [asdict(one) for one in found.breaches],
        "failed_calls": dict(Counter(report.failed_calls)),
        "shoppers": report.shoppers,
        "seconds": report.seconds,
        "sightings_lost": report.sightings_lost,
    }


def as_tables(report: ChaosReport) -> RenderableType:
    """The report for a terminal."""
    return Group(
        _outcomes(report), _not_delivered(report), _failures(report), _blows(report),
        _violations(report), _last_line(report),
    )  # fmt: skip


def show(report: ChaosReport, console: Console) -> None:
    """Print the report, each breach and each shortfall in a line."""
    console.print(as_tables(report))
    breaches = report.audit.breaches
    for one in breaches[:BREACHES_SHOWN_MAX]:
        console.print(f"violated: {one.promise}: {' '.join(one.ids)} {one.detail}".rstrip())
    if len(breaches) > BREACHES_SHOWN_MAX:
        console.print(f"and {len(breaches) - BREACHES_SHOWN_MAX} more")
    for sentence in shortfalls(report):
        console.print(f"not a proof: {sentence}")


def _outcomes(report: ChaosReport) -> Table:
    outcomes = report.audit.outcomes
    table = Table("decision", "count", "what it means", title="every decision")
    table.columns[1].justify = "right"
    meanings = {
        HELD: f"silence, with its reasons; most often {_most_often(report)}",
        "delivered": "FCM took it",
        "expired": "of no use any more before FCM would take it",
        "refused": "FCM will never take it",
        "target_gone": "the app is no longer there",
        UNACCOUNTED: "must be 0",
    }
    for name, meaning in meanings.items():
        count = outcomes.get(name, 0)
        style = "bold red" if name == UNACCOUNTED and count else None
        table.add_row(name, str(count), meaning, style=style)
    table.add_section()
    table.add_row("all", str(sum(outcomes.values())), "")
    return table


def _most_often(report: ChaosReport) -> str:
    most = Counter(report.audit.reasons).most_common(3)
    return ", ".join(f"{reason} {count}" for reason, count in most) or "none"


def _not_delivered(report: ChaosReport) -> Table:
    table = Table("push", "because", "count", title="pushes that did not get through")
    table.columns[2].justify = "right"
    for (end, why), count in sorted(report.audit.ends.items()):
        table.add_row(end, why or "-", str(count))
    return table


def _failures(report: ChaosReport) -> Table:
    table = Table("FCM answered with", "sends", title="failures of FCM, on purpose")
    table.columns[1].justify = "right"
    for name, count in sorted(report.troubles.items()):
        table.add_row(name.replace("_", " ").lower(), str(count))
    return table


def _blows(report: ChaosReport) -> Table:
    table = Table(
        "blow", "times", "hit", "next decision after", "next push after",
        title="blows, and how long the longest (median) silence was after each, in seconds",
    )  # fmt: skip
    for column in table.columns[1:]:
        column.justify = "right"
    for one in report.recoveries:
        table.add_row(
            one.blow,
            str(one.times),
            str(one.landed),
            _silence(one.decision_longest_s, one.decision_median_s, one.decision_never),
            _silence(one.push_longest_s, one.push_median_s, one.push_never),
            style=None if one.landed else "bold red",
        )
    return table


def _silence(longest_s: float | None, median_s: float | None, never: int) -> str:
    longest = f"never {never} x" if never else _seconds(longest_s)
    return f"{longest} ({_seconds(median_s)})"


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f}"


def _violations(report: ChaosReport) -> Table:
    table = Table("promise", "broken", title="promises")
    table.columns[1].justify = "right"
    broken = Counter(one.promise for one in report.audit.breaches)
    for promise in Promise:
        style = "bold red" if broken[promise] else None
        table.add_row(promise, str(broken[promise]), style=style)
    return table


def _last_line(report: ChaosReport) -> str:
    starts = ", ".join(f"{name} {count}" for name, count in report.starts.items())
    fell = ", ".join(f"{name} {count}" for name, count in report.fell.items()) or "none"
    kept_out = ", ".join(f"{name} {count}" for name, count in report.kept_out.items()) or "none"
    calls = Counter(report.failed_calls)
    failed = ", ".join(f"{count} x {what}" for what, count in calls.most_common(5)) or "none"
    return (
        f"{report.seconds / 60:.0f} minutes, {report.shoppers} shoppers; FCM took "
        f"{report.accepted} pushes, {report.audit.resent} of them again (shown once); handsets "
        f"showed {report.shown}; "
        f"{report.audit.unheard} that it took ended otherwise, its yes unheard (their caps stay "
        "spent)\n"
        f"starts: {starts}; ended without having been killed: {fell}\n"
        f"could not start while SQL or Redis was away: {kept_out}\n"
        f"sightings that died with Redis: {report.sightings_lost}\n"
        f"calls of handsets that came to nothing: {failed}"
    )
