"""Estimate the time and the memory of a run before it starts.

Time grows with the tokens that are read: once for a linear model, once in each epoch for the
others. So an earlier run of this installation with the same kind of model tells how long another
one takes here. Where there is none, a rule tells it for small models, and a rough one for
pretrained models whose folder this server can read; of a model of the hub nothing is known.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

from django.db.models import Avg
from django.db.models.functions import Length
from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from labelapp.db.cache import cached
from labelapp.models import Project, Response, State, TrainingRun
from labelapp.models.jobs import as_object, is_number
from labelapp.runs.starting.data_counts import DataCounts
from labelapp.runs.starting.model_size import model_size
from labelapp.runs.starting.pretrained_rule import needed_bytes, seconds_on_one_core
from labelapp.runs.words import rounded, setting_label
from labelapp.templatetags.figures import duration, memory, thousands
from training.config import VALIDATION_PARTS, TrainConfig, with_steps, with_stopping

RUNS_LOOKED_AT = 50  # the newest finished ones of the project, and as many of others
RESPONSES_SAMPLED = 500
CHARACTERS_PER_TOKEN = 4
DECIDE_PACE = (
    "model", "lora_rank", "freeze", "layers", "prompt_layers", "width", "cell", "vocabulary",
    "max_prompt_tokens", "max_response_tokens", "device", "precision",
)  # fmt: skip
"""Settings that decide how long a token takes."""
START_SECONDS = 16.0  # two processes load PyTorch: one trains, one scores
READING_SECONDS = 1.5e-5  # for a token: tokenising, counting words, fitting
PASS_SECONDS = {"auto": 1e-5, "transformer": 1e-5, "rnn": 1e-5}
"""Seconds for a token in a training pass, on one core of a CPU (docs/training.md)."""
SMALL_MODEL_BYTES = 0.7e9  # of a process that trains a small model: mostly PyTorch itself


@dataclass(frozen=True)
class EarlierRun:
    """Hold the time and the memory that a finished run took."""

    pk: int
    is_own: bool  # of the same project
    config: Mapping[str, Any]
    seconds: float  # of the training, which grow with the tokens
    other_seconds: float  # of the start of its processes and the scores
    tokens: int
    rankings: int
    train_rankings: int
    passes: float  # over its rankings
    memory: float | None  # bytes


@dataclass(frozen=True)
class Estimate:
    """The time and the memory of a run, as sentences with their basis."""

    time: str
    memory: str
    seconds: float | None = None  # None where nothing is known


class Estimator:
    """Estimates runs of a project by what is known of earlier runs, which is read once."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.earlier = [*earlier_runs(project)]

    def estimate(self, config: TrainConfig, counts: DataCounts) -> Estimate:
        """Return what a run with this configuration will probably take."""
        closest = closest_run(self.earlier, config, counts)
        tokens = self.tokens(counts)
        if closest is not None:
            return by_run(closest, config, tokens, counts)
        return by_rule(config, tokens, counts)

    def tokens(self, counts: DataCounts) -> float:
        """Return about how many tokens the rankings have: by a run of the project, or a sample."""
        own = next((one for one in self.earlier if one.is_own), None)
        if own is not None:
            return own.tokens * counts.rankings / own.rankings
        return self.sampled_tokens

    @cached_property
    def sampled_tokens(self) -> float:
        responses = Response.objects.filter(prompt__project=self.project)
        sample = Response.objects.filter(pk__in=responses.order_by("-pk")[:RESPONSES_SAMPLED])
        characters = sample.aggregate(mean=Avg(Length("text")))["mean"] or 0
        number = cached(f"responses-{self.project.pk}", responses.count, lambda rows: rows).value
        return float(characters) * number / CHARACTERS_PER_TOKEN


def estimate(project: Project, config: TrainConfig, counts: DataCounts) -> Estimate:
    """Return what one run with this configuration will probably take."""
    return Estimator(project).estimate(config, counts)


def earlier_runs(project: Project) -> Iterator[EarlierRun]:
    """Yield the newest finished runs of the project, and then those of other projects."""
    done = TrainingRun.objects.filter(state=State.DONE).order_by("-pk").values_list(
        "pk", "project_id", "config", "metrics__seconds", "manifest__tokens", "manifest__chosen",
        "manifest__train_rankings", "metrics__peak_memory", "metrics__epochs", "started_at",
        "finished_at",
    )  # fmt: skip
    own = done.filter(project=project)[:RUNS_LOOKED_AT]
    others = done.exclude(project=project)[:RUNS_LOOKED_AT]
    for row in chain(own, others):
        pk, owner, config, seconds, tokens, rankings, train, peak, epochs, started, finished = row
        if all(is_number(value) and value > 0 for value in (seconds, tokens, rankings, train)):
            took = (finished - started).total_seconds() if started and finished else 0.0
            yield EarlierRun(
                pk=pk,
                is_own=owner == project.pk,
                config=as_object(config),
                seconds=seconds,
                other_seconds=max(0.0, took - seconds),  # less than 0 if it was resumed
                tokens=tokens,
                rankings=rankings,
                train_rankings=train,
                passes=epochs
                if is_number(epochs) and epochs > 0
                else passes(as_object(config), rankings),
                memory=peak if is_number(peak) else None,
            )


def closest_run(
    runs: list[EarlierRun], config: TrainConfig, counts: DataCounts
) -> EarlierRun | None:
    """Return the run with the same kind of model that tells most of `config`, if there is one.

    Those of the project come first, then those with fewer other settings, then the newest.
    """
    kind = kind_of(config.to_json(), counts.rankings * (1 - config.held_out_fraction))
    alike = [one for one in runs if kind_of(one.config, one.train_rankings) == kind]
    return max(
        alike,
        key=lambda one: (one.is_own, -len(other_settings(one.config, config)), one.pk),
        default=None,
    )


def kind_of(config: Mapping[str, Any], train_rankings: float) -> tuple[Any, ...]:
    """Return what runs must share so that one tells the time of another."""
    backbone = config.get("backbone")
    tries_network = backbone == "auto" and train_rankings >= config.get("network_from", 0)
    own = config.get("model" if backbone == "pretrained" else "reward_feature") or ""
    return (backbone, tries_network, own)


def other_settings(config: Mapping[str, Any], wanted: TrainConfig) -> list[str]:
    """Return the settings that decide the pace of a run and differ from those that are wanted."""
    values = wanted.to_json()
    return [
        name
        for name in DECIDE_PACE
        if values[name] is not None and config.get(name, values[name]) not in (None, values[name])
    ]


def planned(config: TrainConfig, counts: DataCounts) -> dict[str, Any]:
    """Return the settings with those that the data will decide, if the run does not end early."""
    if config.backbone != "pretrained":
        return config.to_json()
    prompts = counts.prompts * (1 - config.held_out_fraction)
    config = with_stopping(config, round(prompts))
    if config.validates:
        prompts *= 1 - 1 / VALIDATION_PARTS
    return with_steps(config, max(1, round(prompts))).to_json()


def passes(config: Mapping[str, Any], rankings: float) -> float:
    """Return how often a run computes its rankings."""
    if config.get("backbone") in ("features", "embedding"):
        return 1.0
    epochs = float(config.get("epochs") or 1)
    if steps := config.get("max_steps"):
        epochs = min(epochs, steps * float(config.get("rankings_per_step") or 1) / (rankings or 1))
    return epochs


def by_run(earlier: EarlierRun, config: TrainConfig, tokens: float, counts: DataCounts) -> Estimate:
    """Return the estimate by what an earlier run took."""
    values = planned(config, counts)
    factor = passes(values, counts.rankings) / earlier.passes
    seconds = earlier.other_seconds + earlier.seconds * factor * tokens / earlier.tokens
    whole = duration(earlier.seconds + earlier.other_seconds)
    words = {
        "time": rounded(seconds),
        "number": earlier.pk,
        "whole": whole,
        "rankings": f"{earlier.rankings:,}",
        "tokens": thousands(earlier.tokens),
    }
    if earlier.is_own:
        sentence = _("About %(time)s, as run %(number)s took %(whole)s for %(rankings)s rankings.")
    else:
        sentence = _(
            "About %(time)s, as a run in another project took %(whole)s for %(tokens)s tokens."
        )
    found = [sentence % words]
    if earlier.other_seconds >= 1:  # the list of runs has the training alone
        found.append(_("That is with its start and its scores."))
    if factor != 1:
        epochs = f"{round(earlier.passes, 1):g}"
        found.append(_("It had %(epochs)s epochs.") % {"epochs": epochs})
    if differ := other_settings(earlier.config, config):
        names = get_text_list([setting_label(name) for name in differ], _("and"))
        found.append(_("Its settings differ: %(settings)s.") % {"settings": names})
    used = ""
    if earlier.memory is not None:
        whose = {"size": memory(earlier.memory), "number": earlier.pk}
        used = (
            _("About %(size)s of memory, as run %(number)s took.")
            if earlier.is_own
            else _("About %(size)s of memory, as that run took.")
        ) % whose
    return Estimate(" ".join(found), used or by_rule_memory(config), seconds)


def by_rule(config: TrainConfig, tokens: float, counts: DataCounts) -> Estimate:
    """Return the estimate where no earlier run tells."""
    values = planned(config, counts)
    if config.reward_feature or config.backbone not in (*PASS_SECONDS, "features"):
        return by_rough_rule(config, tokens, passes(values, counts.rankings))
    train = counts.rankings * (1 - config.held_out_fraction)
    seconds = START_SECONDS + tokens * READING_SECONDS
    if config.backbone != "features" and (config.backbone != "auto" or kind_of(values, train)[1]):
        seconds += tokens * PASS_SECONDS[config.backbone] * passes(values, counts.rankings)
    return Estimate(
        _(
            "About %(time)s on a CPU, by a rule of thumb for %(tokens)s tokens: no such run has"
            " finished here yet."
        )
        % {"time": rounded(seconds), "tokens": thousands(100 * round(tokens / 100))},
        by_rule_memory(config),
        seconds,
    )


def by_rough_rule(config: TrainConfig, tokens: float, passes: float) -> Estimate:
    """Return the estimate by the size of a pretrained model, whether it is trained or frozen."""
    size = model_size(config.reward_feature or config.model)
    if size is None:
        return Estimate(
            _("Not known yet: no run with this model has finished on this installation."),
            by_rule_memory(config),
        )
    seconds = START_SECONDS + tokens * READING_SECONDS
    seconds += seconds_on_one_core(size, config, tokens, passes)
    words = {
        "time": rounded(seconds),
        "tokens": thousands(100 * round(tokens / 100)),
        "parameters": thousands(size.parameters),
    }
    return Estimate(
        _(
            "Very roughly %(time)s on one core of a CPU, by a rule of thumb for %(tokens)s tokens"
            " and %(parameters)s parameters; several cores or a GPU take a fraction of it. No run"
            " with this model has finished here yet."
        )
        % words,
        by_rule_memory(config),  # and no seconds: a sum over a grid would look exact
    )


def by_rule_memory(config: TrainConfig) -> str:
    """Return the memory of a model as a sentence, or that nothing is known of it."""
    if config.reward_feature or config.backbone in ("pretrained", "embedding"):
        size = model_size(config.reward_feature or config.model)
        if size is None:
            return _("How much memory it needs is not known yet.")
        return _(
            "Very roughly %(size)s of memory, by a rule of thumb: PyTorch itself, the weights, and"
            " for what is trained of them gradients, the optimiser’s moments and activations."
        ) % {"size": memory(SMALL_MODEL_BYTES + needed_bytes(size, config))}
    return _("About %(size)s of memory, most of it for PyTorch itself.") % {
        "size": memory(SMALL_MODEL_BYTES)
    }
