"""What a run says, before it starts and after, of early stopping and of the weights it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.config import TrainConfig
from training.sentences import counted


def plan(config: TrainConfig, prompts: int) -> str:
    """Return what a run will do: how it ends, which weights it keeps, and by which prompts."""
    ends = f"the run ends after {counted(config.patience, 'evaluation')} without a lower loss"
    keeps = "the weights of the lowest loss are kept"
    parts = [ends if config.patience else "", keeps if config.keep == "best" else ""]
    done = " and ".join(part for part in parts if part)
    return f"by the loss on {_prompts(config.choose_by, prompts)}, {done}"


def kept(stopping: Mapping[str, Any]) -> str:
    """Return which weights a finished run has kept and why, given that entry of metrics.json."""
    step, steps, planned = stopping["kept_step"], stopping["steps"], stopping["planned_steps"]
    prompts = _prompts(stopping["choose_by"], stopping["prompts"])
    found = f"The weights are those of step {step:,} of {planned:,}"
    if stopping["keep"] == "best":
        found += f", which had the lowest loss on {prompts}."
        if not step:
            found = "The weights are those before the first step: no step lowered the loss on"
            found += f" {prompts}."
    else:
        found += "."
    if steps < planned:
        found += f" The run ended early, after {counted(steps, 'step')}."
    if stopping["choose_by"] == "held-out":
        found += " The accuracy on these prompts is therefore slightly too high."
    return found


def _prompts(choose_by: str, prompts: int) -> str:
    if choose_by == "held-out":
        return "the held-out prompts themselves"
    are = "is" if prompts == 1 else "are"
    return f"{counted(prompts, 'training prompt')} that {are} not learned from"
