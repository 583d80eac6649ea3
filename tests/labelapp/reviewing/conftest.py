"""A run whose scores are reviewed."""

from pathlib import Path

import pytest
from django.utils import timezone

from labelapp.models import Member, Project, Prompt, PromptAgreement, TrainingRun
from tests.conftest import AddPrompt, AddRanking
from tests.labelapp.reviewing.scored import score

RESPONSES = ["Scattering, of short waves.", "Paint.", "The sea, I think.", "Nobody knows."]


@pytest.fixture
def run(project: Project) -> TrainingRun:
    return TrainingRun.objects.create(
        project=project,
        state="done",
        finished_at=timezone.now(),
        metrics={
            "held_out": {
                "accuracy": 0.625,
                "accuracy_low": 0.5,
                "accuracy_high": 0.75,
                "longer_wins": 0.55,
                "reward_mean": 0.5,
                "comparisons": 8,
                "prompts": 2,
            }
        },
    )


@pytest.fixture
def prompts(
    run: TrainingRun,
    manager: Member,
    labeller: Member,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    tmp_path: Path,
) -> list[Prompt]:
    """Eight prompts, six of them held out, which two people rank as the model does, or nearly."""
    made = [add_prompt(f"Question {n}?", RESPONSES) for n in range(8)]
    rewards: dict[int, float] = {}
    for prompt in made:
        add_ranking(prompt, manager, [1, 2, 3, 4])
        add_ranking(prompt, labeller, [1, 3, 2, 3])
        for place, pk in enumerate(prompt.responses.order_by("pk").values_list("pk", flat=True)):
            rewards[pk] = 3.0 - place + prompt.pk % 3
    score(run, tmp_path / "scores", rewards)
    PromptAgreement.objects.filter(prompt__in=made[:6]).update(held_out=True)
    return made
