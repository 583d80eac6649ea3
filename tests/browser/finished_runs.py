"""Finished runs for tests in the browser, with scores, curves and hostile text."""

from typing import Any

import pytest
from django.utils import timezone

from labelapp.models import (
    Member,
    PromptAgreement,
    Score,
    State,
    TrainingRun,
)
from labelapp.runs import process
from training.config import TrainConfig

HELD_OUT = {
    "prompts": 9, "rankings": 9, "comparisons": 6, "loss": 0.61, "accuracy": 0.683,
    "accuracy_low": 0.601, "accuracy_high": 0.752, "longer_wins": 0.56, "reward_mean": 0.1,
}  # fmt: skip

HOSTILE = """<script>window.hacked = 1</script>
<img src=x onerror="window.hacked = 2">
[click](javascript:window.hacked=3) <style>body { display: none }</style>
<div hx-get="/" hx-trigger="load">x</div>

```python
print("code")
```
""" + "verylongword" * 60  # fmt: skip


def start_run(member: Member, **fields: Any) -> TrainingRun:
    return TrainingRun.objects.create(
        project=member.project,
        created_by=member.user,
        config=TrainConfig().to_json(),
        heartbeat_at=timezone.now(),
        **fields,
    )


@pytest.fixture
def scored(manager: Member, labeller: Member, add_prompt: Any, add_ranking: Any) -> TrainingRun:
    """A finished run, and a prompt on which the model and a labeller disagree once."""
    prompt = add_prompt("Is this safe?", [HOSTILE, "Yes.", "No.", "Perhaps."], wanted=2)
    add_ranking(prompt, labeller, [4, 1, 2, 3])
    now = timezone.now()
    run = start_run(manager, state=State.DONE, finished_at=now, metrics={"held_out": HELD_OUT})
    for response, reward in zip(prompt.responses.order_by("pk"), (-1, 0.5, 1.5, 0), strict=True):
        Score.objects.create(run=run, response=response, reward=reward)
    PromptAgreement.objects.create(
        run=run, prompt=prompt, comparisons=6, against=1, disagreement=1 / 6, held_out=True
    )
    return run


def second_run(first: TrainingRun) -> TrainingRun:
    """A finished run with curves, whose rewards are the reverse of the first one's."""
    run = start_run(
        first.project.members.get(name="manager"),
        state=State.DONE,
        finished_at=timezone.now(),
        folder=f"runs/{first.pk + 100}",
    )
    judged = HELD_OUT | {"comparisons_sha256": "same"}
    for one, accuracy in ((first, 0.683), (run, 0.5)):
        one.folder = one.folder or f"runs/{one.pk}"
        one.metrics = {"held_out": judged | {"accuracy": accuracy}}
        one.save()
        folder = process.run_folder(one)
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.write_judgements(
            {"prompt": f"{n}", "agreed": 6 * accuracy, "comparisons": 6} for n in range(9)
        )
        for step in (10, 20, 30):
            folder.append_metric_line({"step": step, "loss": 6 / step, "accuracy": 0.6})
            folder.append_evaluation({"step": step, "log_loss": 0.7, "accuracy": accuracy})
    for score in first.scores.all():
        Score.objects.create(run=run, response_id=score.response_id, reward=-score.reward)
    for agreement in first.agreements.all():
        PromptAgreement.objects.create(
            run=run, prompt_id=agreement.prompt_id, comparisons=6, against=5, disagreement=5 / 6,
            held_out=True,
        )  # fmt: skip
    return run
