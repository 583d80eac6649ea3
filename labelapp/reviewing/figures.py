"""Measure the review of a run: every figure in one pass over its prompts. Needs numpy."""

from labelapp.models import PromptAgreement, TrainingRun
from labelapp.reviewing.leaderboard import SourceRecorder, leaderboard
from labelapp.reviewing.majority import margin, votes
from labelapp.reviewing.rater_matrix import RaterSums
from labelapp.reviewing.records import scored_prompts
from labelapp.reviewing.results import Review
from labelapp.reviewing.rewards import RewardRecorder
from labelapp.reviewing.run_choice import compared_runs
from labelapp.reviewing.source_ratings import source_ratings
from labelapp.runs.pairs import mean_reward
from training.runs.caveats import FEWEST_PROMPTS
from training.runs.outcomes import OutcomeModel

BATCH = 2000  # prompts


def measure(run: TrainingRun) -> tuple[Review, dict[int, float]]:
    """Return the figures of a run, and the margin against people of each prompt.

    The model is measured on the prompts that it held out, because it knows people's answers on the
    others; if they are too few, on all. Models of other runs are measured on what they held out.
    """
    held_out = PromptAgreement.objects.filter(run=run, held_out=True).count()
    is_held_out = held_out >= FEWEST_PROMPTS
    others, more_runs = compared_runs(run)
    sources, raters = SourceRecorder(OutcomeModel.of_metrics(run.metrics)), RaterSums(others)
    rewards = RewardRecorder()
    margins: dict[int, float] = {}
    prompts = rankings = model_prompts = 0
    for prompt in scored_prompts(run, others):
        of_model = prompt.held_out or not is_held_out
        sources.record(prompt, of_model=of_model)
        raters.record(prompt, of_model=of_model)
        if of_model:
            rewards.record(prompt)
        margins[prompt.prompt] = margin(votes(prompt.own), prompt.rewards)
        prompts, rankings = prompts + 1, rankings + len(prompt.own)
        model_prompts += of_model
    shown, more = raters.shown()
    mean = mean_reward(run)
    found = Review(
        prompts=prompts,
        rankings=rankings,
        model_prompts=model_prompts,
        is_held_out=is_held_out,
        leaderboard=leaderboard(sources, mean),
        raters=shown,
        agreements=raters.agreements(shown),
        more_raters=more,
        by_rank=rewards.rank_rewards(mean),
        by_length=rewards.length_rewards(mean),
        ratings=source_ratings(run.project),
        more_runs=more_runs,
    )
    return found, margins


def store_margins(run: TrainingRun, margins: dict[int, float]) -> None:
    """Write the margins that have changed, in short transactions."""
    stored = PromptAgreement.objects.filter(run=run)
    changed = [
        PromptAgreement(pk=pk, margin=margins[prompt])
        for pk, prompt, before in list(stored.values_list("pk", "prompt_id", "margin"))
        if prompt in margins and margins[prompt] != before
    ]
    for start in range(0, len(changed), BATCH):
        PromptAgreement.objects.bulk_update(changed[start : start + BATCH], ["margin"], 500)
