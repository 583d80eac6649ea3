"""Compare the scores of a run with the human rankings of a prompt."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from labelapp.models import (
    Origin,
    Prompt,
    PromptAgreement,
    Ranking,
    Rating,
    Response,
    Score,
    TrainingRun,
)
from labelapp.rendering.excerpts import excerpt
from labelapp.rendering.letters import letter
from labelapp.reviewing.majority import Pair, Votes, majority_ranks, margin, votes
from labelapp.runs import scores as scoring
from labelapp.runs.human_rank import HumanRank
from labelapp.runs.pairs import mean_reward
from training.aggregation import choose
from training.rankings import Aggregation, Identifier
from training.rankings import Ranking as TrainingRanking


@dataclass(frozen=True)
class RatedRank(HumanRank):
    """A rank that somebody gave a response, with their score and flags for it."""

    score: int | None = None
    flags: Sequence[str] = ()


@dataclass(frozen=True)
class ReviewedResponse:
    letter: str
    response: Response
    reward: float
    centred: float  # reward minus the mean of the held-out responses
    percent: float  # position of the reward on the page's scale, 0 to 100
    ranks: list[RatedRank]
    majority: int | None  # rank by the labellers' majority
    contested: bool  # in a pair that the model orders against most people

    @property
    def source(self) -> str:
        return self.response.source

    @property
    def excerpt(self) -> str:
        return excerpt(self.response.text)


@dataclass(frozen=True)
class GivenRanking:
    """A current ranking of the prompt, without responses that have no score."""

    pk: int
    name: str
    member: int  # primary key
    is_adjudicated: bool
    note: str
    ranking: TrainingRanking
    ratings: dict[Identifier, Rating]  # by response; those without one are left out
    agreed: int  # comparisons that the model orders alike
    compared: int


@dataclass(frozen=True)
class Note:
    """A labeller's note on a ranking, for reviewers."""

    name: str
    member: int  # primary key
    text: str


@dataclass(frozen=True)
class ModelAgreement:
    """The number of comparisons of a prompt, and of those that the model orders differently."""

    comparisons: int
    against: int
    held_out: bool


@dataclass(frozen=True)
class ReviewedPrompt:
    prompt: Prompt
    agreement: ModelAgreement
    responses: list[ReviewedResponse]  # best reward first
    zero_percent: float  # position of the mean held-out reward on the scale
    rankings: list[GivenRanking]
    votes: dict[Pair, Votes]  # of the labellers' own rankings
    pairs_compared: int  # by the rankings that a run would be trained on
    contested: set[Pair]  # pairs that the model orders against most people
    margin: float  # largest lead in reward against people, times their certainty

    @property
    def excerpt(self) -> str:
        return excerpt(str(self.prompt))

    @property
    def notes(self) -> list[Note]:
        return [Note(given.name, given.member, given.note) for given in self.rankings if given.note]

    @property
    def own(self) -> list[GivenRanking]:
        """Return the labellers' own rankings."""
        return [given for given in self.rankings if not given.is_adjudicated]

    @property
    def pairs_compared_twice(self) -> list[Votes]:
        """Return the votes on the pairs that two rankings or more compare."""
        return [found for found in self.votes.values() if found.total > 1]

    @property
    def split_pairs(self) -> int:
        """Return the number of pairs that labellers order differently."""
        return sum(found.is_split for found in self.pairs_compared_twice)

    @property
    def majority_order(self) -> list[list[ReviewedResponse]]:
        """Return the responses by the majority's rank, best first; tied ones together."""
        by_rank: dict[int, list[ReviewedResponse]] = defaultdict(list)
        for response in self.responses:
            if response.majority is not None:
                by_rank[response.majority].append(response)
        return [by_rank[rank] for rank in sorted(by_rank)]


@dataclass(frozen=True)
class Scale:
    """Map rewards to positions from 0 to 100 on the page."""

    low: float
    high: float
    mean: float

    def percent(self, reward: float) -> float:
        width = self.high - self.low
        # A margin at both ends keeps the dots within the edges.
        return round(4 + 92 * (reward - self.low) / width, 1) if width else 50.0


def review(run: TrainingRun, agreements: Sequence[PromptAgreement]) -> list[ReviewedPrompt]:
    """Return the prompts with their scores and rankings, in a fixed number of queries.

    `agreements` must be selected with their prompts (select_related).
    """
    prompts = [agreement.prompt_id for agreement in agreements]
    scores = defaultdict(list)
    for score in Score.objects.filter(run=run, response__prompt__in=prompts).select_related(
        "response"
    ):
        scores[score.response.prompt_id].append(score)
    rankings = defaultdict(list)
    for ranking in (
        Ranking.objects.counting()
        .filter(prompt__in=prompts)
        .select_related("member")
        .prefetch_related("placements", "ratings")
        .order_by("member__name", "pk")
    ):
        rankings[ranking.prompt_id].append(ranking)
    scale = make_scale(run, [score.reward for of_prompt in scores.values() for score in of_prompt])
    return [
        review_prompt(
            agreement,
            scores[agreement.prompt_id],
            rankings[agreement.prompt_id],
            scale,
            scoring.aggregation_of(run),
        )
        for agreement in agreements
    ]


def make_scale(run: TrainingRun, rewards: Iterable[float]) -> Scale:
    mean = mean_reward(run)
    shown = [mean, *rewards]
    return Scale(low=min(shown), high=max(shown), mean=mean)


def review_prompt(
    agreement: PromptAgreement,
    scores: Sequence[Score],
    rankings: Sequence[Ranking],
    scale: Scale,
    aggregation: Aggregation,
) -> ReviewedPrompt:
    """Return a prompt with its present rankings, including those made since it was scored.

    All are shown; the model is compared with those that its run would be trained on.
    """
    rewards: dict[Identifier, float] = {s.response_id: s.reward for s in scores}
    same_as: dict[Identifier, int | None] = {s.response_id: s.same_as for s in scores}
    given = [give(ranking, rewards, same_as) for ranking in rankings]
    chosen = choose([one.ranking for one in given], aggregation)
    total = against = 0
    for one in chosen:
        pairs = scoring.compared_pairs(one, same_as)
        total += len(pairs)
        against += len(scoring.wrong_pairs(pairs, rewards))
    compared = votes(chosen)
    contested = {
        (first, second)
        for (first, second), said in compared.items()
        if said.is_against(rewards[first] - rewards[second])
    }
    own = [one.ranking for one in given if not one.is_adjudicated]
    majority = majority_ranks(own)
    found = votes(own)
    letters = {pk: letter(i) for i, pk in enumerate(sorted(s.response_id for s in scores))}
    return ReviewedPrompt(
        prompt=agreement.prompt,
        agreement=ModelAgreement(total, against, agreement.held_out),
        responses=[
            ReviewedResponse(
                letter=letters[score.response_id],
                response=score.response,
                reward=score.reward,
                centred=score.reward - scale.mean,
                percent=scale.percent(score.reward),
                ranks=ranks_of(score.response_id, given),
                majority=majority.get(score.response_id),
                contested=any(score.response_id in pair for pair in contested),
            )
            for score in sorted(scores, key=lambda score: -score.reward)
        ],
        zero_percent=scale.percent(scale.mean),
        rankings=given,
        votes=found,
        pairs_compared=len(compared),
        contested=contested,
        margin=margin(found, rewards),
    )


def give(
    ranking: Ranking,
    rewards: dict[Identifier, float],
    same_as: dict[Identifier, int | None],
) -> GivenRanking:
    """Return a stored ranking of the scored responses, and how far the model agrees with it."""
    known = {pk: rank for pk, rank in ranking.ranks().items() if pk in rewards}
    training_ranking = scoring.training_ranking(known, ranking.origin)
    pairs = scoring.compared_pairs(training_ranking, same_as)
    return GivenRanking(
        pk=ranking.pk,
        name=labeller_name(ranking),
        member=ranking.member_id,
        is_adjudicated=ranking.origin == Origin.ADJUDICATED,
        note=ranking.note,
        ranking=training_ranking,
        ratings={rating.response_id: rating for rating in ranking.ratings.all()},
        agreed=len(pairs) - len(scoring.wrong_pairs(pairs, rewards)),
        compared=len(pairs),
    )


def ranks_of(response: int, given: Sequence[GivenRanking]) -> list[RatedRank]:
    """Return the rank of a response in each ranking that has it, with its score and flags."""
    return [
        rated(RatedRank.stored(one.name, rank), one.ratings.get(pk))
        for one in given
        for pk, rank in zip(one.ranking.responses, one.ranking.ranks, strict=True)
        if pk == response
    ]


def rated(given: RatedRank, rating: Rating | None) -> RatedRank:
    """Return a rank with the score and flags of a stored rating."""
    return replace(given, score=rating.score, flags=rating.flags) if rating else given


def labeller_name(ranking: Ranking) -> str:
    name = ranking.member.name
    if ranking.origin != Origin.ADJUDICATED:
        return name
    return _("%(name)s (adjudicated)") % {"name": name}
