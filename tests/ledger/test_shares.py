"""Owners under load: two workers that keep what they have loaded, two models, works of many lengths, and never an empty
line. What each owner got is measured in the seconds that he was charged."""

from __future__ import annotations

import heapq
import random
from collections import Counter

from rushes.core.request import Lease
from rushes.ledger.queue import Ledger
from tests.contracts.ledger import CARD, OTHER, START, a_request, an_outcome, pass_time

WEIGHTS = {"ann": 1.0, "bob": 2.0, "cyd": 3.0, "dan": 1.0}
LOAD_SECONDS = 4.0
WAITING = 4
"""Requests that each owner always has in the line."""


def test_shares_follow_the_weights_within_a_tenth(ledger: Ledger) -> None:
    draw = random.Random(7)
    submitted: Counter[str] = Counter()
    costs: dict[str, float] = {}

    def submit(owner: str) -> None:
        name = f"{owner}-{submitted[owner]}"
        submitted[owner] += 1
        costs[name] = draw.uniform(5.0, 20.0)
        ledger.submit(a_request(name, owner=owner, card=draw.choice([CARD, OTHER]), cost=costs[name]))

    for owner, weight in WEIGHTS.items():
        ledger.change_owner(owner, weight=weight)
        for _ in range(WAITING):
            submit(owner)

    now = START
    ends: list[tuple[float, str, Lease]] = []
    resident: dict[str, str | None] = {"w1": None, "w2": None}

    def claim(worker: str) -> None:
        lease = ledger.claim(worker, [CARD, OTHER], resident[worker], LOAD_SECONDS).lease
        assert lease is not None
        resident[worker] = lease.card
        heapq.heappush(ends, (now + costs[lease.request_id], worker, lease))
        submit(lease.owner)

    for worker in resident:
        claim(worker)
    kept = 0
    for _ in range(160):
        end, worker, lease = heapq.heappop(ends)
        pass_time(ledger, end - now)
        now = end
        ledger.finish(lease, an_outcome(lease))
        before = resident[worker]
        claim(worker)
        kept += resident[worker] == before

    seconds = {used.owner: used.month_seconds for used in ledger.usage()}
    per_weight = [seconds[owner] / weight for owner, weight in WEIGHTS.items()]
    even = sum(seconds.values()) / sum(WEIGHTS.values())
    assert all(abs(one / even - 1) <= 0.1 for one in per_weight), per_weight
    jain = sum(per_weight) ** 2 / (len(per_weight) * sum(one**2 for one in per_weight))
    assert jain >= 0.98
    # Affinity: chance alone would keep half of the loaded models.
    assert kept > 0.6 * 160
