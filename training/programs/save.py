"""Learn from held-out comparisons what a run's rewards are worth, and save it with the model."""

from __future__ import annotations

from typing import Any

from training.backbones.lastlayer import LastLayer
from training.config import TrainConfig
from training.evaluation.evaluate import Evaluation
from training.evaluation.intervals import Certainty, reward_intervals
from training.evaluation.length import length_partialled
from training.evaluation.temperature import temperature
from training.programs.run import Run
from training.runs.folder import RunFolder
from training.runs.length import LengthPart
from training.saving.verify import save_verified


def learned_figures(config: TrainConfig, evaluation: Evaluation) -> dict[str, Any]:
    """Return what is learned from held-out comparisons: the temperature and the part of length."""
    scaling = temperature(evaluation.comparisons) if config.calibration == "on" else None
    partial = (
        length_partialled(evaluation.rewards, evaluation.characters, evaluation.comparisons)
        if config.length_partial == "on"
        else None
    )
    found = {"temperature": scaling, "length_partialled": partial}
    return {name: value for name, value in found.items() if value}


def certainty_of(run: Run, folder: RunFolder, evaluation: Evaluation) -> Certainty | None:
    """Return how certain the model is of its rewards, if that is asked for and can be measured."""
    last = LastLayer.of(run.learner.backbone)
    if run.config.reward_intervals == "off" or last is None:
        return None
    run.reporter.enter("evaluating", steps=0)
    choice = (folder.read_manifest() or {}).get("choice") or {"candidates": []}
    chosen = [one for one in choice["candidates"] if one["parts"] == choice["chosen"]]
    return reward_intervals(
        last,
        run.dataset,
        evaluation,
        run.learner.device,
        run.state.tokens_per_batch,
        strengths=chosen[0]["strengths"] if chosen else {},
        ties="half" if run.config.ties == "half" else "drop",
    )


def save_model(
    run: Run,
    folder: RunFolder,
    evaluation: Evaluation,
    learned: dict[str, Any],
    certainty: Certainty | None,
) -> None:
    """Save the model into the run folder once it is known to load."""
    run.reporter.enter("saving", steps=0)
    rewards = [reward for row in evaluation.rewards.values() for reward in row]
    known = {
        "max_prompt_tokens": run.config.max_prompt_tokens,
        "max_response_tokens": run.config.max_response_tokens,
        **run.learner.objective.figures(),
        **({"temperature": learned["temperature"]["value"]} if "temperature" in learned else {}),
        **(
            {
                "length_part": {
                    name: learned["length_partialled"][name] for name in LengthPart._fields
                }
            }
            if "length_partialled" in learned
            else {}
        ),
        **({"intervals": {"temperature": warmth(certainty)}} if certainty else {}),
    }
    for warning in save_verified(
        run.learner.backbone,
        folder,
        run.dataset,
        rewards,
        known,
        certainty.posterior if certainty else None,
    ):
        run.reporter.say(warning)


def warmth(certainty: Certainty) -> float | None:
    """Return the temperature of probabilities that take intervals into account, if it helps."""
    found = certainty.figures.get("temperature")
    return float(found["value"]) if found else None
