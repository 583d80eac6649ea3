"""Rewards of responses that somebody types in, by one version or by two beside each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labelapp.models import ModelVersion
from labelapp.registry.service import Rewards
from labelapp.runs.process import run_folder
from labelapp.templatetags.figures import thousands

CUT: Mapping[tuple[str, ...], str | Promise] = {
    ("prompt",): gettext_lazy("prompt cut to its last %(prompt)s tokens"),
    ("response",): gettext_lazy("response cut to its first %(response)s tokens"),
    ("prompt", "response"): gettext_lazy(
        "prompt cut to its last %(prompt)s tokens, response to its first %(response)s"
    ),
}
"""What is said of the parts that are longer than the model reads."""


@dataclass(frozen=True)
class Cell:
    """Hold the reward of one response by one version, or why it has none."""

    reward: float | None
    standardised: float | None
    without_length: float | None
    half_width: float | None  # of the 95 % interval of its distance from the mean
    place: int | None  # 1 is the highest reward
    problem: str
    cut: str


@dataclass(frozen=True)
class RewardRow:
    """A response with its letter and length, and what each version says of it."""

    letter: str
    text: str
    words: int
    cells: list[Cell]
    moved: bool  # its place differs between the versions


@dataclass(frozen=True)
class Pair:
    """Hold how likely people prefer the response of the row to that of the column."""

    win: float
    tie: float | None  # None if the version did not learn ties


@dataclass(frozen=True)
class Matrix:
    """The probabilities of all pairs by one version."""

    version: ModelVersion
    letters: list[str]
    rows: list[tuple[str, list[Pair | None]]]  # None: the response itself, or no valid reward
    has_ties: bool


def table(responses: Mapping[str, str], answers: Sequence[Rewards]) -> list[RewardRow]:
    """Return a row for each response, given by letter, in the order in which they were given."""
    places = [places_of(answer.rewards) for answer in answers]
    rows = []
    for number, (name, text) in enumerate(responses.items()):
        cells = [
            Cell(
                reward=answer.rewards[number],
                standardised=answer.standardised[number],
                without_length=answer.without_length[number] if answer.without_length else None,
                half_width=half_width(answer, number),
                place=of_answer[number],
                problem=answer.problems[number] or "",
                cut=cut_in_words(answer.version, answer.cut[number]),
            )
            for answer, of_answer in zip(answers, places, strict=True)
        ]
        moved = len({cell.place for cell in cells}) > 1
        rows.append(RewardRow(name, text, len(text.split()), cells, moved))
    return rows


def cut_in_words(version: ModelVersion, parts: Sequence[str]) -> str:
    """Return which parts were cut to how many tokens, or "" if none was."""
    said = CUT.get(tuple(parts))
    if said is None:
        return ""
    config = run_folder(version.run).read_config() if version.run else None
    if config is None:
        return _("cut to what the model reads")
    limits = {"prompt": config.max_prompt_tokens, "response": config.max_response_tokens}
    return said % {part: thousands(limit) for part, limit in limits.items()}


def half_width(answer: Rewards, number: int) -> float | None:
    """Return half the interval of a reward, or None where there is none."""
    interval = answer.intervals[number] if answer.intervals else None
    return None if interval is None else (interval[1] - interval[0]) / 2


def places_of(rewards: Sequence[float | None]) -> list[int | None]:
    """Return the place of each reward, the highest first; equal ones share theirs."""
    valid = [reward for reward in rewards if reward is not None]
    return [
        None if reward is None else 1 + sum(other > reward for other in valid) for reward in rewards
    ]


def matrix(answer: Rewards, letters: Sequence[str]) -> Matrix | None:
    """Return the probabilities of all pairs, or None for fewer than two valid rewards."""
    if sum(reward is not None for reward in answer.rewards) < 2:
        return None
    ties: Sequence[Sequence[float | None]] = answer.ties or [[None] * len(letters)] * len(letters)
    rows = [
        (
            name,
            [
                None if win is None else Pair(win, tie)
                for win, tie in zip(wins, row_of_ties, strict=True)
            ],
        )
        for name, wins, row_of_ties in zip(letters, answer.probabilities, ties, strict=True)
    ]
    return Matrix(answer.version, list(letters), rows, bool(answer.ties))
