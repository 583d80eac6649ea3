"""Measure how often alerts find labellers with a fault, and how often they flag honest ones.

    .venv/bin/python benchmarks/alerts.py --campaigns 500

In each simulated campaign, 3 of 12 labellers rank each of 280 prompts, so that each labeller ranks
40 to 100. Eight labellers are honest. A response has the same quality for all of them, but each
labeller perceives it with a random error, such that two labellers agree on 73 % of comparisons, as
in InstructGPT (arXiv 2203.02155, section 3.4). Labellers differ in care, in speed (by a factor of
1.4 in either direction), in how often they tie responses, and in how much length and position
influence them. Prompts come in batches of shorter and longer ones, and labellers differ in the
batches that they work on. The faults are listed below.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import os

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labelapp.settings")
    django.setup()

from labelapp.quality.alerts import find_alerts
from labelapp.quality.coefficients import AgreementSums
from labelapp.quality.control_checks import CONSISTENCY, GOLD, ControlCheck
from labelapp.quality.rankings import MeasuredRanking
from labelapp.quality.results import Alert

PROMPTS, WANTED, BATCHES = 280, 3, 5
HONEST = 8
# Faults, with the kinds of alert of which at least one is expected
FAULTS = {
    "clicks through in 12 seconds": {"speed"},
    "the first shown is the best": {"place"},
    "the longer is the better": {"length"},
    "answers at random": {"chance", GOLD},
}
MORE_FAULTS = {
    "ranks five times as fast": {"speed"},
    "the last shown is the best": {"place"},
    "always the order 2 1 4 3 …": {"place"},
    "the first shown first, half the time": {"place", "chance"},
    "ties everything": {"ties"},
    "the shorter is the better": {"length"},
}


@dataclass
class Labeller:
    """A simulated labeller."""

    member: int
    fault: str = ""
    error: float = field(default_factory=lambda: 0.95 * math.exp(random.gauss(0, 0.2)))
    swayed_by_length: float = field(default_factory=lambda: random.gauss(0.1, 0.15))
    swayed_by_place: float = field(default_factory=lambda: random.gauss(0.05, 0.1))
    ties_below: float = field(default_factory=lambda: random.uniform(0, 0.4))
    speed: float = field(default_factory=lambda: random.gauss(0, 0.35))
    activity: list[float] = field(
        default_factory=lambda: [random.choice((0.5, 1.0, 1.0)) for _ in range(BATCHES)]
    )

    def rank(self, prompt: SimulatedPrompt) -> MeasuredRanking:
        order = random.sample(range(prompt.size), prompt.size)
        places = {response: place for place, response in enumerate(order)}
        values = self.values(prompt, places)
        return MeasuredRanking(
            member=self.member,
            ranks=ranks(values, 99 if self.fault == "ties everything" else self.ties_below),
            seconds=self.seconds(prompt),
            places=places,
            lengths=prompt.lengths,
        )

    def values(self, prompt: SimulatedPrompt, places: dict[int, int]) -> list[float]:
        """Return the value of each response to the labeller; higher is better."""
        everything = range(prompt.size)
        fault = self.fault
        if fault == "the first shown first, half the time":
            fault = random.choice(("", "the first shown is the best"))
        if fault == "the first shown is the best":
            return [-float(places[response]) for response in everything]
        if fault == "the last shown is the best":
            return [float(places[response]) for response in everything]
        if fault.startswith("always the order"):
            return [-float(places[response] ^ 1) for response in everything]
        if fault == "the longer is the better":
            return [prompt.long[response] + random.gauss(0, 0.2) for response in everything]
        if fault == "the shorter is the better":
            return [-prompt.long[response] + random.gauss(0, 0.2) for response in everything]
        if fault == "answers at random":
            return [random.gauss(0, 1.5) for _ in everything]
        return [
            prompt.worth[response]
            + random.gauss(0, self.error)
            + self.swayed_by_length * prompt.long[response]
            - self.swayed_by_place * places[response] / prompt.size
            for response in everything
        ]

    def seconds(self, prompt: SimulatedPrompt) -> float:
        if self.fault == "clicks through in 12 seconds":
            return math.exp(math.log(12) + random.gauss(0, 0.4))
        text = sum(prompt.lengths.values())
        usual = math.log(60) + 0.5 * math.log(text / 2000) + self.speed + random.gauss(0, 0.6)
        return math.exp(usual) / (5 if self.fault == "ranks five times as fast" else 1)


class SimulatedPrompt:
    """A prompt with the lengths and qualities of its simulated responses."""

    def __init__(self, batch: int, size: int) -> None:
        self.size = size
        self.long = [random.gauss(0, 1) for _ in range(size)]
        self.worth = [random.gauss(0, 1) + 0.25 * long for long in self.long]
        typical = 5 + 0.6 * batch  # mean log length, which grows from batch to batch
        self.lengths = {n: round(math.exp(typical + 0.5 * z)) for n, z in enumerate(self.long)}


def ranks(values: Sequence[float], ties_below: float) -> dict[int, int]:
    """Return ranks from 1, the best; differences in value below `ties_below` are ties."""
    found: dict[int, int] = {}
    rank, before = 0, math.inf
    for response in sorted(range(len(values)), key=lambda n: -values[n]):
        rank += before - values[response] >= ties_below or rank == 0
        found[response], before = rank, values[response]
    return found


def campaign(
    faults: Sequence[str], honest: int = HONEST, prompts: int = PROMPTS, checks: int = 12
) -> tuple[list[Labeller], list[list[MeasuredRanking]], list[list[ControlCheck]]]:
    """Simulate a campaign; return its labellers, rankings by prompt, and control checks."""
    labellers = [Labeller(n, fault) for n, fault in enumerate([""] * honest + list(faults), 1)]
    ranked = []
    for n in range(prompts):
        batch = n * BATCHES // prompts
        prompt = SimulatedPrompt(batch, random.randint(4, 7))
        who = sorted(labellers, key=lambda one: random.random() ** (1 / one.activity[batch]))
        ranked.append([labeller.rank(prompt) for labeller in who[-WANTED:]])
    return labellers, ranked, list(checked(labellers, checks))


def checked(labellers: Sequence[Labeller], checks: int) -> Iterator[list[ControlCheck]]:
    careful = Labeller(0, error=0.35)
    for n in range(checks):
        prompt = SimulatedPrompt(n % BATCHES, random.randint(4, 7))
        gold = ranks(careful.values(prompt, dict.fromkeys(range(prompt.size), 0)), 0)
        yield [ControlCheck(GOLD, one.member, one.rank(prompt).ranks, gold) for one in labellers]
        yield [
            ControlCheck(CONSISTENCY, one.member, one.rank(prompt).ranks, one.rank(prompt).ranks)
            for one in labellers
        ]


def alert_kinds(
    ranked: Sequence[Sequence[MeasuredRanking]], checks: Sequence[list[ControlCheck]]
) -> dict[int, set[str]]:
    """Return the kinds of alert for each labeller who has any."""
    found = measured_alerts(ranked, checks)
    return {member: {alert.kind for alert in alerts} for member, alerts in found.items()}


def measured_alerts(
    ranked: Sequence[Sequence[MeasuredRanking]], checks: Sequence[list[ControlCheck]]
) -> dict[int, list[Alert]]:
    sums = AgreementSums()
    for rankings in ranked:
        sums.add(rankings)
    for prompt_checks in checks:
        sums.labellers.add_checks(prompt_checks)
    return find_alerts(sums.labellers)


@dataclass
class Rates:
    """The counts of some simulated campaigns."""

    labellers: Counter[str] = field(default_factory=Counter)  # by fault; "" is honest
    found: Counter[str] = field(default_factory=Counter)  # with an expected alert, by fault
    mistaken: Counter[str] = field(default_factory=Counter)  # honest ones, by kind of alert
    flagged: int = 0  # honest ones with any alert
    rankings: list[int] = field(default_factory=list)  # of each labeller


def rates(
    campaigns: int,
    faults: dict[str, set[str]],
    seed: int = 0,
    honest: int = HONEST,
    checks: int = 12,
) -> Rates:
    """Count found and flagged labellers over campaigns that depend only on the seed."""
    random.seed(seed)
    result = Rates()
    for _ in range(campaigns):
        labellers, ranked, checks_made = campaign(list(faults), honest=honest, checks=checks)
        kinds = alert_kinds(ranked, checks_made)
        made = Counter(ranking.member for rankings in ranked for ranking in rankings)
        result.rankings += made.values()
        for labeller in labellers:
            alerts = kinds.get(labeller.member, set())
            result.labellers[labeller.fault] += 1
            if not labeller.fault:
                result.flagged += bool(alerts)
                result.mistaken.update(alerts)
            elif alerts & faults[labeller.fault]:
                result.found[labeller.fault] += 1
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--campaigns", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for title, faults, honest, checks in (
        ("Four faults among eight honest labellers", FAULTS, HONEST, 12),
        ("The same without gold and repeated prompts", FAULTS, HONEST, 0),
        ("Other faults", MORE_FAULTS, HONEST, 12),
        ("Twelve honest labellers", {}, 12, 12),
        (
            "One who answers at random among three honest",
            {"answers at random": {"chance", GOLD}},
            3,
            12,
        ),
        ("As many with a fault as honest", FAULTS, 4, 12),
    ):
        result = rates(options.campaigns, faults, options.seed, honest, checks)
        print(f"{title}: {options.campaigns} campaigns")
        rankings = sorted(result.rankings)
        few, many = rankings[len(rankings) // 20], rankings[-len(rankings) // 20]
        print(f"  rankings per labeller, 5 % to 95 %: {few} to {many}")
        for fault in faults:
            total, found = result.labellers[fault], result.found[fault]
            print(f"  {fault:40} found {100 * found / total:6.1f} % of {total}")
        total = result.labellers[""]
        kinds = ", ".join(f"{kind} {n}" for kind, n in result.mistaken.most_common())
        print(f"  {'honest':40} flagged {100 * result.flagged / total:5.2f} % of {total}  {kinds}")


if __name__ == "__main__":
    main()
