"""Estimate the time and the memory of a run before it starts.

Time grows with the tokens that are read: once for a linear model, once in each epoch for the
others. So earlier runs of this installation with the same kind of model tell how long another one
takes here: several give a range, because the machine is not always as busy. Where there is none, a
rule tells it for small models, and a rough one for pretrained models whose folder this server can
read; of a model of the hub nothing is known.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from statistics import median
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
MOST_ALIKE = 5  # of these tell the range of an estimate, the newest
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

    @property
    def whole_seconds(self) -> float:
        """Return the time from the start of the run to its scores."""
        return self.seconds + self.other_seconds

    def seconds_for(self, passes: float, tokens: float) -> float:
        """Return the time of a run that passes so often over rankings of so many tokens."""
        return self.other_seconds + self.seconds * passes / self.passes * tokens / self.tokens


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
        closest = closest_runs(self.earlier, config, counts)
        tokens = self.tokens(counts)
        if closest:
            return by_runs(closest, config, tokens, counts)
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


def closest_runs(
    runs: list[EarlierRun], config: TrainConfig, counts: DataCounts
) -> list[EarlierRun]:
    """Return the runs with the same kind of model that tell most of `config`, the newest first.

    Those of the project tell more than others, and then those with fewer other settings.
    """
    kind = kind_of(config.to_json(), counts.rankings * (1 - config.held_out_fraction))
    alike = [one for one in runs if kind_of(one.config, one.train_rankings) == kind]

    def closeness(one: EarlierRun) -> tuple[bool, int]:
        return one.is_own, -len(other_settings(one.config, config))

    most = max(map(closeness, alike), default=None)
    closest = [one for one in alike if closeness(one) == most]
    return sorted(closest, key=lambda one: -one.pk)[:MOST_ALIKE]


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


def by_runs(
    closest: list[EarlierRun], config: TrainConfig, tokens: float, counts: DataCounts
) -> Estimate:
    """Return the estimate by what earlier runs took, at least one, the newest first."""
    wanted = passes(planned(config, counts), counts.rankings)
    newest = closest[0]
    found = [one.seconds_for(wanted, tokens) for one in closest]
    said = [by_one(newest, found[0]) if len(closest) == 1 else by_several(closest, found)]
    if wanted != newest.passes:
        words = {"number": newest.pk, "epochs": f"{round(newest.passes, 1):g}"}
        if newest.is_own:
            said.append(_("Run %(number)s had %(epochs)s epochs.") % words)
        else:
            said.append(_("It had %(epochs)s epochs.") % words)
    if differ := other_settings(newest.config, config):
        names = get_text_list([setting_label(name) for name in differ], _("and"))
        said.append(_("Its settings differ: %(settings)s.") % {"settings": names})
    return Estimate(" ".join(said), memory_of(newest) or by_rule_memory(config), median(found))


def by_one(earlier: EarlierRun, seconds: float) -> str:
    """Return the estimate by a single run, and which part of its time the list of runs has."""
    words = {
        "time": rounded(seconds),
        "number": earlier.pk,
        "whole": duration(earlier.whole_seconds),
        "rankings": f"{earlier.rankings:,}",
        "tokens": thousands(earlier.tokens),
    }
    if earlier.is_own:
        said = _("About %(time)s, as run %(number)s took %(whole)s for %(rankings)s rankings.")
    else:
        said = _(
            "About %(time)s, as a run in another project took %(whole)s for %(tokens)s tokens."
        )
    if earlier.other_seconds < 1:
        return said % words
    parts = _("Of it, the training took %(own)s, and the start and the scores took the rest.")
    return f"{said % words} {parts % {'own': duration(earlier.seconds)}}"


def by_several(closest: list[EarlierRun], seconds: list[float]) -> str:
    """Return the range of an estimate by several runs, with the range of what they took."""
    took = sorted(one.whole_seconds for one in closest)
    words = {
        "time": time_range(min(seconds), max(seconds)),
        "count": len(closest),
        "shortest": duration(took[0]),
        "longest": duration(took[-1]),
    }
    if closest[0].is_own:
        said = _(
            "%(time)s. The last %(count)s such runs of this project took %(shortest)s to"
            " %(longest)s, with their start and scores."
        )
    else:
        said = _(
            "%(time)s. The last %(count)s such runs in other projects took %(shortest)s to"
            " %(longest)s, with their start and scores."
        )
    return said % words


def time_range(low: float, high: float) -> str:
    """Return two times as a range, or as one if they are rounded to the same."""
    ends = {"low": rounded(low), "high": rounded(high)}
    if ends["low"] == ends["high"]:
        return _("About %(high)s") % ends
    return _("%(low)s to %(high)s") % ends


def memory_of(earlier: EarlierRun) -> str:
    """Return the memory of a run as a sentence, or "" where it is not known."""
    if earlier.memory is None:
        return ""
    words = {"size": memory(earlier.memory), "number": earlier.pk}
    if earlier.is_own:
        return _("About %(size)s of memory, as run %(number)s took.") % words
    return _("About %(size)s of memory, as that run took.") % words


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
