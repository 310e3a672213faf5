"""A cluster for a million calls a night, on paper and simulated: ``python …/scaling_model.py``.

Paper: each part (workers, driver, database, network) has a highest pace; the night goes at the
lowest. The simulation lets single calls go through claim, queue, recognition and store, with the
limits of the real program (tasks in hand, groups, one driver that does one thing at a time) and
with nodes that die, and shows whether the paper forgot something.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from dataclasses import dataclass, field, replace

AHEAD = 8
"""Tasks that a worker has at most, as `callaudit.batch.worker.AHEAD`."""

CALLS = 60_000
"""That are simulated: a night of one driver, or the better part of it."""

RESTART_S = 60.0


@dataclass(frozen=True)
class Costs:
    """What was measured (`scaling`), and what a call is.

    Attributes:
        calls: In a night.
        night_s: How long it is.
        audio_s: Mean length of a call.
        call_bytes: Mean size of a recording.
        report_bytes: Size of a result on its way to the driver.
        cpu_per_audio_s: Core seconds per second of audio, of the whole audit, on one thread.
        claim_s: The driver's time to look up and claim a call: 13 ms of CPU, and 4 ms in which
            it waits for the commit (assumed).
        store_s: The driver's time to receive and store a result: 17 ms of CPU, and the commit.
        requests: To the store of objects, by the driver: look and read, recording and sidecar.
        request_s: How long one takes before the first byte comes (assumed).
        read_bytes_s: How fast one stream is read and hashed (assumed).
        commits: Transactions per call.
        statements: SQL statements per call.
        stored_bytes: What stays in the database.
        database_commits_s: Durable transactions per second of the database (assumed).
        cores: Of a node.
        node_bytes_s: Network of a node.
    """

    calls: int = 1_000_000
    night_s: float = 8 * 3600
    audio_s: float = 120.0
    call_bytes: float = 1.92e6
    report_bytes: float = 32e3
    cpu_per_audio_s: float = 0.204
    claim_s: float = 0.017
    store_s: float = 0.021
    requests: int = 4
    request_s: float = 0.012
    read_bytes_s: float = 100e6
    commits: float = 2.0
    statements: float = 21.0
    stored_bytes: float = 18e3
    database_commits_s: float = 2_000.0
    cores: int = 32
    node_bytes_s: float = 1.25e9

    @property
    def pace(self) -> float:
        """Calls per second that the night needs."""
        return self.calls / self.night_s

    @property
    def service_s(self) -> float:
        """One worker's time for one call."""
        return self.audio_s * self.cpu_per_audio_s

    @property
    def driver_s(self) -> float:
        """One driver's time for one call."""
        return self.claim_s + self.read_s + self.store_s

    @property
    def read_s(self) -> float:
        """The driver's time to hash a recording."""
        return self.requests * self.request_s + self.call_bytes / self.read_bytes_s


@dataclass(frozen=True)
class Cluster:
    """What is there.

    Attributes:
        drivers: Batches that share the night through the claims.
        workers: All together, evenly among the drivers.
        deaths: Nodes that die in a night; each comes back after `RESTART_S`.
    """

    drivers: int
    workers: int
    deaths: int = 0


def paper(costs: Costs, cluster: Cluster) -> dict[str, float]:
    """The highest pace of every part, in calls per second."""
    nodes = math.ceil(cluster.workers / costs.cores)
    return {
        "workers": cluster.workers / costs.service_s,
        "drivers": cluster.drivers / costs.driver_s,
        "database": costs.database_commits_s / costs.commits,
        # A recording is read twice: by the driver for its hash, by the worker to be heard.
        "network of the file store (one port)": costs.node_bytes_s / (2 * costs.call_bytes),
        "network of a driver": cluster.drivers
        * costs.node_bytes_s
        / (costs.call_bytes + costs.report_bytes),
        "network of the nodes": nodes * costs.node_bytes_s / costs.call_bytes,
    }


@dataclass
class _Worker:
    waiting: deque[int] = field(default_factory=deque)
    busy: int | None = None
    life: int = 0

    @property
    def in_hand(self) -> int:
        return len(self.waiting) + (self.busy is not None)


class Simulation:
    """One driver with its workers; several drivers share nothing but the list of calls."""

    def __init__(self, costs: Costs, cluster: Cluster, calls: int, seed: int = 1) -> None:
        self._costs = costs
        self._random = random.Random(seed)
        self._todo = deque(range(calls))
        self._workers = [_Worker() for _ in range(cluster.workers)]
        self._events: list[tuple[float, int, str, int, int]] = []
        self._order = itertools.count()
        self._done: deque[int] = deque()
        # Workers that are up, by the number of tasks in their hands.
        self._in_hand: list[set[int]] = [set() for _ in range(AHEAD + 1)]
        self._in_hand[0].update(range(cluster.workers))
        self._driver_busy = False
        self.busy_s = 0.0
        self.last_claim_s = 0.0
        self.worked_s = 0.0
        self.wasted_s = 0.0
        self.stored: dict[int, float] = {}
        self._began: dict[int, float] = {}
        length_s = calls * costs.service_s / cluster.workers
        for _ in range(cluster.deaths):
            node = self._random.randrange(max(1, cluster.workers // costs.cores))
            self._at(self._random.uniform(0, length_s), "death", node, 0)

    def run(self) -> float:
        """Seconds until all is stored."""
        self._drive(0.0)
        now = 0.0
        while self._events:
            now, _, kind, what, life = heapq.heappop(self._events)
            if kind == "claimed":
                self._driver_busy = False
                self.last_claim_s = now
                self._give(now, what)
            elif kind == "stored":
                self._driver_busy = False
                assert what not in self.stored, "a call was stored twice"
                self.stored[what] = now
            elif kind == "heard" and self._workers[what].life == life:
                self._heard(now, what)
            elif kind == "death":
                self._die(now, what)
            elif kind == "back":
                self._in_hand[0].add(what)
            self._drive(now)
            if not self._todo and self._idle():
                break
        return now

    @property
    def pace(self) -> float:
        """Calls per second in the middle, when all are at work."""
        moments = list(self.stored.values())
        first, last = len(moments) // 5, len(moments) * 4 // 5
        return (last - first) / (moments[last] - moments[first])

    def _idle(self) -> bool:
        return not (self._driver_busy or self._done) and all(
            worker.in_hand == 0 for worker in self._workers
        )

    def _at(self, moment: float, kind: str, what: int, life: int) -> None:
        heapq.heappush(self._events, (moment, next(self._order), kind, what, life))

    def _drive(self, now: float) -> None:
        """The driver does one thing at a time; results first, as the real one."""
        if self._driver_busy:
            return
        costs = self._costs
        if self._done:
            kind, what, seconds = "stored", self._done.popleft(), costs.store_s
        elif self._todo and any(self._in_hand[:AHEAD]):
            what = self._todo.popleft()
            kind, seconds = "claimed", costs.driver_s - costs.store_s
        else:
            return
        self._driver_busy = True
        self.busy_s += seconds
        self._at(now + seconds, kind, what, 0)

    def _give(self, now: float, call: int) -> None:
        least = next((has for has in range(AHEAD) if self._in_hand[has]), None)
        if least is None:  # the node died meanwhile
            self._todo.appendleft(call)
            return
        chosen = self._in_hand[least].pop()
        self._in_hand[least + 1].add(chosen)
        self._workers[chosen].waiting.append(call)
        self._begin(now, chosen)

    def _begin(self, now: float, number: int) -> None:
        worker = self._workers[number]
        if worker.busy is None and worker.waiting:
            worker.busy = worker.waiting.popleft()
            self._began[number] = now
            # Lengths of calls: many short ones, few long ones.
            sigma = 0.8
            seconds = self._random.lognormvariate(
                math.log(self._costs.service_s) - sigma**2 / 2, sigma
            )
            self._at(now + seconds, "heard", number, worker.life)

    def _heard(self, now: float, number: int) -> None:
        worker = self._workers[number]
        assert worker.busy is not None
        self._done.append(worker.busy)
        self.worked_s += now - self._began[number]
        self._in_hand[worker.in_hand].discard(number)
        worker.busy = None
        self._in_hand[worker.in_hand].add(number)
        self._begin(now, number)

    def _die(self, now: float, node: int) -> None:
        cores = self._costs.cores
        for number in range(node * cores, min((node + 1) * cores, len(self._workers))):
            worker = self._workers[number]
            if worker.busy is not None:
                self.wasted_s += now - self._began[number]
                self._todo.appendleft(worker.busy)
            self._todo.extendleft(worker.waiting)
            self._in_hand[worker.in_hand].discard(number)
            self._workers[number] = _Worker(life=worker.life + 1)
            self._at(now + RESTART_S, "back", number, 0)


@dataclass(frozen=True)
class Outcome:
    """What a simulation showed.

    Attributes:
        pace: Calls per second of all drivers together, in the middle of the night.
        tail_s: From the last claim to the end.
        driver_busy: Share of a driver's time.
        cores_busy: Share of the cores' time, first and last minutes included.
        wasted_s: Core seconds whose result was lost.
    """

    pace: float
    tail_s: float
    driver_busy: float
    cores_busy: float
    wasted_s: float


def simulated(costs: Costs, cluster: Cluster, calls: int = CALLS) -> Outcome:
    """One driver with its share of the workers; the others do the same."""
    share = replace(cluster, drivers=1, workers=cluster.workers // cluster.drivers)
    run = Simulation(costs, share, calls)
    seconds = run.run()
    assert len(run.stored) == calls, "a call was lost"
    return Outcome(
        run.pace * cluster.drivers,
        seconds - run.last_claim_s,
        run.busy_s / seconds,
        run.worked_s / (seconds * share.workers),
        run.wasted_s,
    )


def main() -> None:
    costs = Costs()
    enough = math.ceil(costs.pace * costs.service_s)
    print(
        f"{costs.calls:,} calls in {costs.night_s / 3600:.0f} h = {costs.pace:.1f} calls/s; "
        f"{costs.service_s:.1f} core seconds per call: {enough} cores busy all night.\n"
    )
    columns = ("drivers", "cores", "nodes", "paper: calls/s", "limited by", "simulated")
    print(f"| {' | '.join(columns)} | night, h | driver busy | cores busy |")
    print("|---|---|---|---|---|---|---|---|---|")
    for drivers, spare in ((1, 1.15), (2, 1.15), (4, 1.15), (5, 1.15), (10, 2.0)):
        workers = math.ceil(enough * spare / drivers) * drivers
        cluster = Cluster(drivers, workers)
        paces = paper(costs, cluster)
        limit = min(paces, key=lambda name: paces[name])
        seen = simulated(costs, cluster)
        print(
            f"| {drivers} | {workers} | {math.ceil(workers / costs.cores)} "
            f"| {paces[limit]:.1f} | {limit} | {seen.pace:.1f} "
            f"| {(costs.calls / seen.pace + seen.tail_s) / 3600:.1f} "
            f"| {seen.driver_busy:.0%} | {seen.cores_busy:.0%} |"
        )
    cluster = Cluster(5, math.ceil(enough * 1.15 / 5) * 5)
    print(
        "\nHighest pace of every part, calls/s (needed: "
        f"{costs.pace:.1f}), with {cluster.drivers} drivers and {cluster.workers} cores:\n"
    )
    print("| part | calls/s | room |\n|---|---|---|")
    for name, pace in sorted(paper(costs, cluster).items(), key=lambda item: item[1]):
        print(f"| {name} | {pace:.0f} | {pace / costs.pace:.1f} × |")
    print(
        f"\nDatabase: {costs.pace * costs.statements:.0f} statements and "
        f"{costs.pace * costs.commits:.0f} commits per second, "
        f"{costs.calls * costs.stored_bytes / 1e9:.0f} GB a night. Network: "
        f"{2 * costs.pace * costs.call_bytes / 1e6:.0f} MB/s of audio (read twice: for its hash, "
        f"and to be heard), {costs.pace * costs.report_bytes / 1e6:.1f} MB/s of results."
    )
    calm = simulated(costs, cluster)
    shaken = simulated(costs, replace(cluster, deaths=5))
    print(
        f"\nFive nodes lost (each back after {RESTART_S:.0f} s) while a driver audits {CALLS:,} "
        f"calls: {calm.pace:.1f} → {shaken.pace:.1f} calls/s, {shaken.wasted_s:.0f} core seconds "
        "done twice, no call lost, none stored twice."
    )


if __name__ == "__main__":
    main()
