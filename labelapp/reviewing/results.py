"""The results of a measurement of a run's review, as they are stored and shown."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

from labelapp.rendering.heat_map import shade

LOWEST_SHARE = 0.4  # without a shade: three answers at random agree in a third
EVERY_KIND = ("person", "adjudicated", "model", "run", "longer", "words")


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval over prompts, which too few prompts do not give."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Standing:
    """The figures of one source of responses. Strengths are log-odds; their mean is 0."""

    source: str
    comparisons: int  # of people, with responses of other sources
    prompts: int
    strength: Estimate  # by people's rankings
    wins: Estimate  # share of comparisons with the other sources that it is expected to win
    at_equal_length: Estimate  # the strength beside the effect of length
    responses: int  # whose rewards are averaged
    reward: Estimate | None  # mean, less that of the held-out responses
    model_wins: Estimate | None  # the same share by the model's rewards


@dataclass(frozen=True)
class Leaderboard:
    """The sources, strongest first."""

    standings: Sequence[Standing]
    comparisons: int
    length_effect: Estimate | None  # log-odds for a response that is e times as long
    unattributed: int  # responses without a source, which are left out
    left_out: Sequence[str]  # sources on too few prompts, or not compared with those of the board


@dataclass(frozen=True)
class Rater:
    """Somebody or something that orders responses."""

    kind: str  # one of EVERY_KIND
    member: int | None = None  # primary key of a person
    run: int | None = None  # primary key of another run, for the kind "run"


@dataclass(frozen=True)
class RaterAgreement:
    """Hold how often two raters give the same answer on a pair: one, the other, or a tie."""

    first: int  # places in the list of raters
    second: int
    agreed: int
    comparisons: int
    prompts: int
    low: float
    high: float

    @property
    def share(self) -> float:
        return self.agreed / self.comparisons

    @property
    def shade(self) -> int:
        """Return the shade of the share in a heat map, from 0 to SHADES."""
        return shade(self.share, LOWEST_SHARE)


@dataclass(frozen=True)
class RankRewards:
    """The rewards of the responses that people gave one rank, less the mean of the held-out."""

    rank: int
    placements: int
    mean: Estimate
    lower: float  # quartiles
    upper: float


class LengthPoint(NamedTuple):
    """A response of the sample that is drawn."""

    words: int
    reward: float
    prompt: int | None = None  # primary key; None in measurements of earlier versions


@dataclass(frozen=True)
class LengthRewards:
    """The rewards of responses by their length in words."""

    responses: int
    correlation: Estimate | None  # Pearson's, over all responses
    within: Estimate | None  # the same, with each prompt's means subtracted
    points: Sequence[LengthPoint]  # a sample


@dataclass(frozen=True)
class SourceRatings:
    """The scores and flags that labellers gave to the responses of one source."""

    source: str
    ranked: int  # how often a labeller ranked a response of it
    scores: int
    mean_score: float | None
    flags: Mapping[str, int]
    score_low: float | None = None  # the interval of the mean; None in earlier measurements
    score_high: float | None = None


@dataclass(frozen=True)
class Review:
    """All figures of a run's review."""

    prompts: int
    rankings: int
    model_prompts: int  # on which the figures of the model are measured
    is_held_out: bool  # whether these are held out; else too few are, and all are taken
    leaderboard: Leaderboard
    raters: Sequence[Rater]
    agreements: Sequence[RaterAgreement]
    more_raters: int  # people with fewer rankings, who are left out
    by_rank: Sequence[RankRewards]
    by_length: LengthRewards
    ratings: Sequence[SourceRatings] = ()  # measurements of earlier versions have none
    more_runs: int = 0  # scored runs that are left out of the raters

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return a stored result. Raises an exception for what this version does not write."""
        board = values["leaderboard"]
        length = values["by_length"]
        return cls(
            **{
                **values,
                "leaderboard": Leaderboard(
                    **{
                        **board,
                        "standings": [standing(one) for one in board["standings"]],
                        "length_effect": estimate(board["length_effect"]),
                    }
                ),
                "raters": [Rater(**one) for one in values["raters"]],
                "agreements": [RaterAgreement(**one) for one in values["agreements"]],
                "by_rank": [
                    RankRewards(**{**one, "mean": Estimate(**one["mean"])})
                    for one in values["by_rank"]
                ],
                "ratings": [SourceRatings(**one) for one in values.get("ratings", ())],
                "by_length": LengthRewards(
                    **{
                        **length,
                        "correlation": estimate(length["correlation"]),
                        "within": estimate(length["within"]),
                        "points": [LengthPoint(*point) for point in length["points"]],
                    }
                ),
            }
        )


def estimate(values: Mapping[str, Any] | None) -> Estimate | None:
    return None if values is None else Estimate(**values)


def standing(values: Mapping[str, Any]) -> Standing:
    figures = ("strength", "wins", "at_equal_length", "reward", "model_wins")
    return Standing(**{**values, **{name: estimate(values[name]) for name in figures}})
