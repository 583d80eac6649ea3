"""Reviewing: what the model says of the responses, beside what people said."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from labelapp.models import Origin, Prompt, PromptAgreement, Ranking, Response, Score, TrainingRun
from labelapp.rendering.letters import letter
from labelapp.rendering.markdown import render
from labelapp.runs import scores as scoring
from training.aggregation import choose
from training.rankings import Aggregation, Identifier

EXCERPT = 240  # characters


@dataclass(frozen=True)
class HumanRank:
    name: str
    rank: int


@dataclass(frozen=True)
class ReviewedResponse:
    letter: str
    response: Response
    reward: float
    centred: float  # reward less the mean of the held-out responses
    percent: float  # where the reward lies on the page's scale, 0 to 100
    ranks: list[HumanRank]
    contested: bool  # in a comparison that the model orders otherwise than a labeller

    @property
    def html(self) -> SafeString:
        return render(self.response.text)

    @property
    def source(self) -> str:
        return self.response.source

    @property
    def excerpt(self) -> str:
        text = " ".join(self.response.text.split())
        return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…"


@dataclass(frozen=True)
class Note:
    """What a labeller wrote to a ranking, for those who review."""

    name: str
    text: str


@dataclass(frozen=True)
class Agreement:
    comparisons: int
    against: int  # those that the model orders otherwise
    held_out: bool


@dataclass(frozen=True)
class ReviewedPrompt:
    prompt: Prompt
    agreement: Agreement
    responses: list[ReviewedResponse]  # best reward first
    zero_percent: float  # where the mean held-out response lies on the scale
    notes: list[Note]


@dataclass(frozen=True)
class Scale:
    """From rewards to places on the page: 0 to 100 from the lowest to the highest reward."""

    low: float
    high: float
    mean: float

    def percent(self, reward: float) -> float:
        width = self.high - self.low
        # A margin at both ends, so that no dot hangs over the edge.
        return round(4 + 92 * (reward - self.low) / width, 1) if width else 50.0


def review(run: TrainingRun, agreements: Sequence[PromptAgreement]) -> list[ReviewedPrompt]:
    """What a run and the people say of some prompts, in a fixed number of queries.

    The agreements must come with their prompts (select_related).
    """
    prompts = [agreement.prompt_id for agreement in agreements]
    scores = defaultdict(list)
    for score in Score.objects.filter(run=run, response__prompt__in=prompts).select_related(
        "response"
    ):
        scores[score.response.prompt_id].append(score)
    rankings = defaultdict(list)
    for ranking in (
        Ranking.objects.filter(prompt__in=prompts, is_current=True)
        .select_related("member")
        .prefetch_related("placements")
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
    mean = run.metrics.get("held_out", {}).get("reward_mean") or 0.0
    shown = [mean, *rewards]
    return Scale(low=min(shown), high=max(shown), mean=mean)


def review_prompt(
    agreement: PromptAgreement,
    scores: Sequence[Score],
    rankings: Sequence[Ranking],
    scale: Scale,
    aggregation: Aggregation,
) -> ReviewedPrompt:
    """One prompt as it is now: rankings made since the scores were stored count as well.

    All are shown; the model is held against those that its run would learn from.
    """
    rewards: dict[Identifier, float] = {s.response_id: s.reward for s in scores}
    human_ranks: dict[int, list[HumanRank]] = defaultdict(list)
    judged = []
    for ranking in rankings:
        known = {pk: rank for pk, rank in ranking.ranks().items() if pk in rewards}
        judged.append(scoring.as_judged(known, ranking.origin))
        for pk, rank in known.items():
            human_ranks[pk].append(HumanRank(who_ranked(ranking), rank))
    contested: set[Identifier] = set()
    total = against = 0
    for one in choose(judged, aggregation):
        otherwise = scoring.ordered_otherwise(one, rewards)
        total += len(one.comparisons())
        against += len(otherwise)
        contested.update(pk for pair in otherwise for pk in pair)
    letters = {pk: letter(i) for i, pk in enumerate(sorted(s.response_id for s in scores))}
    return ReviewedPrompt(
        prompt=agreement.prompt,
        agreement=Agreement(total, against, agreement.held_out),
        responses=[
            ReviewedResponse(
                letter=letters[score.response_id],
                response=score.response,
                reward=score.reward,
                centred=score.reward - scale.mean,
                percent=scale.percent(score.reward),
                ranks=human_ranks[score.response_id],
                contested=score.response_id in contested,
            )
            for score in sorted(scores, key=lambda score: -score.reward)
        ],
        zero_percent=scale.percent(scale.mean),
        notes=[Note(who_ranked(ranking), ranking.note) for ranking in rankings if ranking.note],
    )


def who_ranked(ranking: Ranking) -> str:
    name = ranking.member.name
    return f"{name} (adjudicated)" if ranking.origin == Origin.ADJUDICATED else name
