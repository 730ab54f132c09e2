"""Rows of results to ratios, and ratios to Markdown."""

import collections
import statistics

from measure import SCENARIOS, Cell

METRICS = {"throughput": "msgs_per_s", "p50": "p50_us", "p99": "p99_us"}
UNITS = {"throughput": "msg/s", "p50": "p50 µs", "p99": "p99 µs"}


class Results:
    """All rows of a run, with medians over their repetitions."""

    def __init__(self, rows, peers):
        self.peers = peers
        self.runs = collections.defaultdict(dict)
        self.failed = []
        self.flawed = []
        for row in rows:
            cell = Cell(row["scenario"], row["size"], row["streams"], row["conns"])
            where = f"{row['name']} {cell}"
            if "failed" in row:
                self.failed.append(f"{where}: {row['failed']}")
                continue
            result = row["result"]
            self.runs[row["name"], cell][row["rep"]] = result
            if result["errors"] or result["stuck"]:
                self.flawed.append(f"{where}: {result['errors']} errors, {result['stuck']} streams stuck")

    def values(self, name, cell, metric):
        """The metric in each repetition."""
        runs = self.runs.get((name, self.peers[name].own(cell)), {})
        values = {rep: result[METRICS[metric]] for rep, result in runs.items()}
        return {rep: value for rep, value in values.items() if value is not None}

    def median(self, name, cell, metric):
        values = self.values(name, cell, metric)
        return statistics.median(values.values()) if values else None

    def ratio(self, subject, name, cell, metric):
        """The subject's median divided by the peer's."""
        above, below = self.median(subject, cell, metric), self.median(name, cell, metric)
        return above / below if above is not None and below else None

    def spread(self, subject, name, cell, metric):
        """The least and the greatest ratio of one repetition."""
        above, below = self.values(subject, cell, metric), self.values(name, cell, metric)
        ratios = [above[rep] / below[rep] for rep in above.keys() & below.keys() if below[rep]]
        return (min(ratios), max(ratios)) if ratios else None

    def notes(self):
        return [f"- failed: {line}" for line in self.failed] + [f"- flawed: {line}" for line in self.flawed]


def ratios(results, subject, names, cells):
    """A table for each scenario: a row for each cell, a column for each peer."""
    names = [name for name in names if name != subject]
    lines = [
        f"Each peer's column: throughput · p50 · p99 of {subject} divided by the peer's, or the throughput alone where "
        f"a message has no latency. {subject} is ahead where the first is above 1 and the others are below it."
    ]
    for scenario in SCENARIOS:
        chosen = [cell for cell in cells if cell.scenario == scenario]
        columns = [name for name in names if any(results.median(name, cell, "throughput") for cell in chosen)]
        if not columns:
            continue
        timed = any(results.median(subject, cell, "p50") for cell in chosen)
        metrics = list(METRICS) if timed else ["throughput"]
        head = ["size", "streams", "conns", *(f"{subject} {UNITS[metric]}" for metric in metrics), *columns]
        lines += ["", f"### {scenario}", "", *header(head, left=0)]
        for cell in chosen:
            own = [number(results.median(subject, cell, metric)) for metric in metrics]
            beside = [
                " · ".join(fraction(results.ratio(subject, name, cell, metric)) for metric in metrics)
                for name in columns
            ]
            lines.append(line([cell.size, cell.streams, cell.conns or "own", *own, *beside]))
    return "\n".join(lines)


def codec_ratios(rows, subject):
    """One table: a row for each value and operation, a column for each codec."""
    medians = codec_medians(rows)
    codecs = [codec for codec in dict.fromkeys(row["codec"] for row in rows) if codec != subject]
    operations = dict.fromkeys((row["value"], row["op"], row["bytes"]) for row in rows)
    lines = [
        f"Each codec's column: its time divided by that of {subject}. {subject} is ahead where it is above 1.",
        "",
        *header(["value", "op", "bytes", f"{subject} ns", *codecs], left=2),
    ]
    for value, op, size in operations:
        own = medians.get((subject, value, op))
        beside = [codec_ratio(medians, subject, codec, value, op) for codec in codecs]
        lines.append(line([value, op, size, number(own), *map(fraction, beside)]))
    return "\n".join(lines)


def codec_medians(rows):
    times = collections.defaultdict(list)
    for row in rows:
        times[row["codec"], row["value"], row["op"]].append(row["ns_per_op"])
    return {key: statistics.median(values) for key, values in times.items()}


def codec_ratio(medians, subject, codec, value, op):
    own, other = medians.get((subject, value, op)), medians.get((codec, value, op))
    return other / own if own and other else None


def header(words, left):
    return [line(words), line(["---"] * left + ["---:"] * (len(words) - left))]


def line(words):
    return "| " + " | ".join(map(str, words)) + " |"


def number(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def fraction(value):
    return "-" if value is None else f"{value:.2f}"
