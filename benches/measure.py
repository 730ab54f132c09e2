"""Peers and the processes that measure them."""

import dataclasses
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
BIN = Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target")) / "release"

STREAMS = ["bidi-pingpong", "bidi-pipelined", "server-stream", "client-stream", "open-close"]
SCENARIOS = ["pingpong", *STREAMS]

START_SECONDS = 10
"""For a server to listen."""

SPARE_SECONDS = 15
"""For a client to connect and to end, on top of what it measures."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """One load, whatever the peer."""

    scenario: str
    size: int
    streams: int
    conns: int

    def __str__(self):
        return f"{self.scenario} size={self.size} streams={self.streams} conns={self.conns or 'own'}"


@dataclasses.dataclass(frozen=True)
class Peer:
    """One row of peers.txt."""

    name: str
    family: str
    shares: bool
    scenarios: tuple
    server: tuple
    client: tuple

    def runs(self, cell):
        return cell.scenario in self.scenarios

    def own(self, cell):
        """The cell as this peer's results have it: without shared connections their number says nothing."""
        return cell if self.shares else dataclasses.replace(cell, conns=0)

    def missing(self):
        """Why the peer cannot run, or None."""
        program = self.server[0]
        if Path(program).is_file() and os.access(program, os.X_OK):
            return None
        if program == NO_KITEX:
            return "no Kitex binary: set KITEX_PERF, or install Go and run `go generate` in benches/kitex"
        return f"{program} is not there"


@dataclasses.dataclass(frozen=True)
class Timing:
    """How long a run takes."""

    seconds: float
    warm: float


def read_peers(kitex):
    """The rows of peers.txt, by name."""
    groups = {"all": SCENARIOS, "streams": STREAMS}
    peers = {}
    for line in (HERE / "peers.txt").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, family, connections, scenarios, server, client = [part.strip() for part in line.split(";")]
        scenarios = groups.get(scenarios) or scenarios.split()
        commands = [
            [word.format(bin=BIN, kitex=kitex or NO_KITEX, addr="{addr}") for word in command.split()]
            for command in (server, client)
        ]
        peers[name] = Peer(name, family, connections == "shared", tuple(scenarios), *map(tuple, commands))
    return peers


def build():
    """Brings the Rust binaries up to date, or ends the run: old binaries would be measured as if they were new.

    Package by package: in one build cargo would give every peer the features that any of them asks for, and `tracing/log`,
    for one, costs h2 a fifth of its speed.
    """
    manifest = ["--manifest-path", str(HERE / "Cargo.toml")]
    question = ["cargo", "metadata", "--no-deps", "--format-version=1", *manifest]
    metadata = subprocess.run(question, capture_output=True)
    if metadata.returncode != 0:
        sys.exit(metadata.stderr.decode())
    for package in json.loads(metadata.stdout)["packages"]:
        done = subprocess.run(["cargo", "build", "--release", "--quiet", "-p", package["name"], *manifest])
        if done.returncode != 0:
            sys.exit(f"{package['name']} does not build; --no-build measures the binaries that are there")


def kitex_binary(variable, package):
    """A Kitex binary: what the environment names, else one built here when Go and the generated code are there."""
    if variable in os.environ:
        return os.environ[variable]
    if not shutil.which("go") or not (HERE / "kitex/gen").is_dir():
        return None
    output = HERE / "kitex" / ("kitex-codec" if package == "./codec" else "kitex-perf")
    done = subprocess.run(["go", "build", "-o", output, package], cwd=HERE / "kitex")
    return str(output) if done.returncode == 0 else None


def prepare():
    """Files enough for the peers that open a connection for each stream, and an end to children on SIGTERM."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))


def measure(peer, cell, timing, pin):
    """Runs one cell of one peer with a fresh server. Returns its row, with `failed` when there is no result."""
    row = {"name": peer.name, **dataclasses.asdict(peer.own(cell))}
    try:
        return row | {"result": run_once(peer, cell, timing, pin)}
    except Failed as failed:
        return row | {"failed": str(failed)}


class Failed(Exception):
    """A run without a result."""


def run_once(peer, cell, timing, pin):
    with tempfile.TemporaryFile() as log:
        server, addr = start_server(peer, log, pin)
        try:
            return run_client(peer, cell, timing, pin, addr, server.pid)
        finally:
            server.kill()
            server.wait()


def start_server(peer, log, pin):
    """Starts a server on a free port and waits until it listens."""
    for _ in range(3):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        addr = f"127.0.0.1:{port}"
        server = spawn(peer.server, addr, pin and SERVER_CPUS, stdout=log, stderr=log)
        if listens(server, port):
            return server, addr
        ended = server.poll() is not None
        server.kill()
        server.wait()
        if not ended:
            break
        # It may have ended because another process took the port in between.
    log.seek(0)
    raise Failed(f"the server does not listen: {begin_of(log.read())}")


def listens(server, port):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return server.poll() is None
        except OSError:
            time.sleep(0.02)
    return False


def run_client(peer, cell, timing, pin, addr, server_pid):
    flags = {
        "scenario": cell.scenario,
        "conns": cell.conns,
        "streams": cell.streams,
        "size": cell.size,
        "seconds": timing.seconds,
        "warm": timing.warm,
        "batch": 100 if cell.size >= 65536 else 1000,
        "server-pid": server_pid,
    }
    command = [*peer.client, *(word for name, value in flags.items() for word in (f"--{name}", str(value)))]
    client = spawn(command, addr, pin and CLIENT_CPUS, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    limit = timing.warm + timing.seconds + SPARE_SECONDS
    try:
        out, err = client.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        raise Failed(f"no result after {limit:.0f} s") from None
    finally:
        client.kill()
        client.wait()
    try:
        result = json.loads(out)
    except ValueError:
        raise Failed(f"exit status {client.returncode}: {begin_of(err)}") from None
    if result["peer"] != peer.name:
        # It took a flag for another meaning, and would be measured under a wrong name.
        raise Failed(f"the client says that it measures {result['peer']}")
    if not result["messages"]:
        raise Failed(f"no messages: {begin_of(err)}")
    return result


def spawn(command, addr, cpus, **streams):
    command = [word.format(addr=addr) for word in command]
    pin = (lambda: os.sched_setaffinity(0, cpus)) if cpus else None
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=pin, **streams)


def begin_of(output):
    lines = output.decode(errors="replace").strip().splitlines()
    return " ".join(lines[:2]) or "it says nothing"


def measure_codec(command, seconds):
    """Runs one codec binary. Returns its rows, one for each codec, value and operation."""
    limit = 600 * max(seconds, 0.1)
    try:
        done = subprocess.run([*command, "--seconds", str(seconds)], capture_output=True, timeout=limit)
    except subprocess.TimeoutExpired:
        raise Failed(f"no result after {limit:.0f} s") from None
    if done.returncode != 0:
        raise Failed(begin_of(done.stderr))
    return [json.loads(line) for line in done.stdout.splitlines()]


NO_KITEX = "kitex-perf"

CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPUS = CPUS[: (len(CPUS) + 1) // 2]
CLIENT_CPUS = CPUS[(len(CPUS) + 1) // 2 :]
