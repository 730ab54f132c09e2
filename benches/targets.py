"""What thrill is to reach, and whether it does."""

import dataclasses

from measure import SCENARIOS, Cell
from table import codec_medians, codec_ratio, fraction, header, line

TONIC, KITEX, RAW, RAW_TCP, REFERENCE = "tonic", "kitex-grpc", "raw-h2", "raw-tcp", "h2proto"
PIPELINED = ["bidi-pipelined", "server-stream", "client-stream"]


@dataclasses.dataclass(frozen=True)
class Goal:
    """A bound for the ratio of one metric to the best of some peers: a least throughput or a greatest latency."""

    cell: Cell
    metric: str
    bound: float
    peers: tuple
    strictly: bool = False
    ending: str = ""
    """Of the subject's name, where not its streams but another protocol is meant."""

    def reached(self, ratio):
        if self.metric == "throughput":
            return ratio >= self.bound
        return ratio < self.bound if self.strictly else ratio <= self.bound

    def __str__(self):
        sign = "≥" if self.metric == "throughput" else "<" if self.strictly else "≤"
        best = "the best of " if len(self.peers) > 1 else ""
        own = f"{self.ending[1:]}: " if self.ending else ""
        return f"{own}{self.metric} {sign} {self.bound:g} × {best}{' and '.join(self.peers)}"


def goals():
    """All goals but the codecs', cell by cell."""
    listed = [*small(), *medium(), *large()]
    cells = dict.fromkeys(goal.cell for goal in listed)
    # What the h2 crate yields with the write path alone, less what the rest of a framework may cost.
    near = [Goal(cell, "throughput", 0.9, (REFERENCE,)) for cell in cells]
    return [*sorted(listed + near, key=lambda goal: list(cells).index(goal.cell)), *pingpong()]


def small():
    """64 bytes: system calls and wake-ups decide."""

    def cell(scenario, streams, conns):
        return Cell(scenario, 64, streams, conns)

    yield Goal(cell("bidi-pingpong", 1, 1), "p50", 1.05, (RAW,))
    for conns in (1, 4):
        yield Goal(cell("bidi-pingpong", 32, conns), "p50", 1, (TONIC, KITEX))
        yield Goal(cell("bidi-pingpong", 32, conns), "p99", 1, (TONIC, KITEX), strictly=True)
    yield Goal(cell("bidi-pingpong", 200, 1), "throughput", 2.5, (TONIC,))
    yield Goal(cell("bidi-pingpong", 200, 1), "throughput", 1.1, (KITEX,))
    yield Goal(cell("bidi-pingpong", 200, 4), "throughput", 5, (TONIC,))
    yield Goal(cell("bidi-pingpong", 200, 4), "throughput", 2.5, (KITEX,))
    for scenario, over_tonic in zip(PIPELINED, (1.5, 1.7, 2)):
        for streams, conns in ((1, 1), (32, 1), (32, 4), (200, 1), (200, 4)):
            yield Goal(cell(scenario, streams, conns), "throughput", over_tonic, (TONIC,))
            yield Goal(cell(scenario, streams, conns), "throughput", 5, (KITEX,))
    for conns in (1, 4):
        yield Goal(cell("open-close", 200, conns), "throughput", 1.5, (TONIC,))
        yield Goal(cell("open-close", 200, conns), "throughput", 1.3, (KITEX,))
    yield Goal(cell("pingpong", 200, 4), "throughput", 2.5, (TONIC, KITEX))


def medium():
    """1 KiB."""
    for scenario in SCENARIOS:
        yield Goal(Cell(scenario, 1024, 32, 4), "throughput", 1.5, (TONIC, KITEX))


def large():
    """64 KiB: copies decide."""
    for scenario in SCENARIOS:
        bound = 1.2 if scenario == "bidi-pipelined" else 1
        yield Goal(Cell(scenario, 65536, 32, 4), "throughput", bound, (TONIC, KITEX))


def pingpong():
    """Ping-pong: a connection for each caller, and multiplexed."""

    def own(streams, size=64):
        return Cell("pingpong", size, streams, 0)

    for ending in ("-framed", "-ttheader"):
        peers = ("volo-thrift", f"kitex{ending}")
        yield Goal(own(1), "p50", 1.03, (RAW_TCP,), ending=ending)
        for streams in (32, 200):
            yield Goal(own(streams), "throughput", 1.2, peers, ending=ending)
            yield Goal(own(streams), "p99", 1, peers, ending=ending)
            yield Goal(own(streams), "throughput", 0.8, (RAW_TCP,), ending=ending)
        yield Goal(own(32, 65536), "throughput", 1.2, ("volo-thrift",), ending=ending)
    for conns in (1, 4):
        peers = ("volo-thrift-mux", "kitex-ttheader-mux")
        yield Goal(Cell("pingpong", 64, 200, conns), "throughput", 2, peers, ending="-ttheader-mux")


CODEC_PEERS = {"pilota": "", "apache-thrift-rs": "-string", "kitex-fastcodec": ""}
"""At least as fast as each, for every value: the Rust codecs without unsafe code, and Kitex's. Like is held against like: beside
a peer that copies strings and sorts maps, the subject's codec of this ending does so too."""


def report(results, subject, chosen):
    """A table of the goals, and how many are reached, missed, and without a ratio."""
    lines = header(["cell", "goal", "ratio", "range", "verdict"], left=2)
    verdicts = []
    for goal in chosen:
        own = subject + goal.ending
        best = [name for name in goal.peers if results.median(name, goal.cell, goal.metric)]
        # One peer absent: the others are no proof.
        best = best if len(best) == len(goal.peers) else []
        pick = min if goal.metric == "throughput" else max
        ratio, name = pick(
            ((results.ratio(own, name, goal.cell, goal.metric) or 0, name) for name in best), default=(0, None)
        )
        spread = results.spread(own, name, goal.cell, goal.metric) if ratio else None
        verdicts.append(("reached" if goal.reached(ratio) else "MISSED") if ratio else "not measured")
        low_high = "–".join(map(fraction, spread)) if spread else "-"
        lines.append(line([goal.cell, goal, fraction(ratio or None), low_high, verdicts[-1]]))
    return "\n".join(lines), verdicts


def codec_report(rows, subject):
    """The same for the codecs; the ratio is one of speed."""
    medians = codec_medians(rows)
    operations = dict.fromkeys((row["value"], row["op"]) for row in rows)
    lines = header(["value", "op", "goal", "ratio", "verdict"], left=3)
    verdicts = []
    for value, op in operations:
        for peer, ending in CODEC_PEERS.items():
            ratio = codec_ratio(medians, subject + ending, peer, value, op)
            verdicts.append("not measured" if ratio is None else "reached" if ratio >= 1 else "MISSED")
            goal = f"{subject}{ending}: speed ≥ {peer}"
            lines.append(line([value, op, goal, fraction(ratio), verdicts[-1]]))
    return "\n".join(lines), verdicts
