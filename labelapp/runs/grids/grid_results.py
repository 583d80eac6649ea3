"""The results of a grid: by settings, averaged over their seeds, and beside the default."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from typing import Any

from django.utils.translation import gettext as _

from labelapp.models import Grid, State, TrainingRun
from labelapp.models.jobs import is_number
from labelapp.runs import changed_settings
from labelapp.runs.paired_bootstrap import Gain, Judgements, gains, read_judgements
from labelapp.runs.process import run_folder
from labelapp.runs.words import setting_label
from training.config import OLD_NAMES


@dataclass
class Settings:
    """Runs of a grid that differ in nothing but their seeds."""

    values: dict[str, Any]  # of the settings that vary
    runs: list[TrainingRun]
    is_default: bool
    is_reference: bool = False
    gain: Gain | None = None  # over the reference; None where it is not known

    @property
    def words(self) -> str:
        """Return the settings in words, as in "learning rate 0.001, epochs 2"."""
        return in_words(self.values) or _("the default settings")

    @cached_property
    def judged(self) -> list[TrainingRun]:
        """Return the finished runs whose accuracy is known."""
        return [run for run in self.runs if accuracy_of(run) is not None]

    @property
    def accuracies(self) -> list[float]:
        return [found for run in self.judged if (found := accuracy_of(run)) is not None]

    @property
    def accuracy(self) -> float | None:
        """Return the mean over the seeds."""
        return fmean(self.accuracies) if self.accuracies else None

    @property
    def spread(self) -> float | None:
        """Return the distance of the best seed from the worst, of at least two."""
        found = self.accuracies
        return max(found) - min(found) if len(found) > 1 else None

    @property
    def seconds(self) -> float | None:
        """Return the mean time of a run."""
        found = [s for run in self.judged if is_number(s := run.metrics.get("seconds"))]
        return fmean(found) if found else None

    def judgements(self) -> Judgements:
        """Return the means over the seeds of the comparisons ordered as people did."""
        found = [read_judgements(run_folder(run)) for run in self.judged if run.folder]
        counts = [{key: number for key, (_, number) in one.items()} for one in found]
        if not found or any(one != counts[0] for one in counts):
            return {}
        return {
            prompt: (sum(one[prompt][0] for one in found) / len(found), comparisons)
            for prompt, comparisons in counts[0].items()
        }


@dataclass
class GridResults:
    """The settings of a grid, the best first, with those that cannot be compared with it."""

    settings: list[Settings]
    reference: Settings | None
    apart: list[TrainingRun] = field(default_factory=list)  # judged on other comparisons

    @property
    def known(self) -> list[Settings]:
        """Return the settings whose accuracy is known, the best first."""
        return [one for one in self.settings if one.accuracy is not None]

    @property
    def has_seeds(self) -> bool:
        return any(len(one.runs) > 1 for one in self.settings)


def results(grid: Grid, runs: Sequence[TrainingRun], *, with_gains: bool) -> GridResults:
    """Return the results by settings; the gains need files, and are read where they are wanted."""
    together, apart = judged_alike(runs)
    names = [name for name in varied(grid) if name != "seed"]
    by_values: dict[str, Settings] = {}
    for run in together:
        values = values_of(run, names)
        one = by_values.setdefault(str(values), Settings(values, [], is_default(run, names)))
        one.runs.append(run)
    found = list(by_values.values())
    reference = next((one for one in found if one.is_default), found[0] if found else None)
    if reference is not None:
        reference.is_reference = True
        others = [one for one in found if one is not reference]
        if with_gains and others:  # else no file is read
            set_gains(reference, others)
    found.sort(key=lambda one: -1.0 if one.accuracy is None else one.accuracy, reverse=True)
    return GridResults(found, reference, apart)


def judged_alike(runs: Sequence[TrainingRun]) -> tuple[list[TrainingRun], list[TrainingRun]]:
    """Return the runs that were judged on the same comparisons as most, and the others.

    A run that is not judged yet is among the first.
    """
    digests = [str(run.held_out.get("comparisons_sha256") or "") for run in runs if is_judged(run)]
    most = max(digests, key=digests.count, default="")
    apart = [
        run
        for run in runs
        if is_judged(run) and str(run.held_out.get("comparisons_sha256") or "") != most
    ]
    return [run for run in runs if run not in apart], apart


def set_gains(reference: Settings, others: Sequence[Settings]) -> None:
    """Set how much more accurate than the reference the others are, on the same prompts."""
    found = gains(reference.judgements(), [one.judgements() for one in others])
    for one, gain in zip(others, found, strict=True):
        if gain is None and one.accuracy is not None and reference.accuracy is not None:
            gain = Gain(one.accuracy - reference.accuracy)  # without files there is no interval
        one.gain = gain if one.accuracy is not None else None


def is_judged(run: TrainingRun) -> bool:
    return accuracy_of(run) is not None


def accuracy_of(run: TrainingRun) -> float | None:
    """Return the held-out accuracy of a finished run."""
    found = run.held_out.get("accuracy") if run.state == State.DONE else None
    return float(found) if is_number(found) else None


def values_of(run: TrainingRun, names: Sequence[str]) -> dict[str, Any]:
    """Return the values of these settings, where they have an effect on the run."""
    given = {OLD_NAMES.get(name, name): value for name, value in run.config.items()}
    used = changed_settings.settings_in_use(str(given.get("backbone", "auto")), True)
    return {name: given.get(name) for name in names if name in used}


def is_default(run: TrainingRun, names: Sequence[str]) -> bool:
    """Return True if none of these settings differs from its default."""
    return not set(names) & set(changed_settings.changed_values(run.config))


def in_words(values: Mapping[str, Any]) -> str:
    """Return values of settings in words."""
    return ", ".join(
        f"{setting_label(name)} {changed_settings.short(value)}" for name, value in values.items()
    )


def varied(grid: Grid) -> dict[str, list[Any]]:
    """Return the values of each setting that varies, in the order of TrainConfig."""
    return {
        name: values
        for name in changed_settings.usual_order()
        if isinstance(values := grid.varied.get(name), list)
    }


def varied_in_words(grid: Grid) -> list[str]:
    """Return each setting that varies with its values, as in "epochs: 1, 2, 4"."""
    return [
        f"{setting_label(name)}: {', '.join(changed_settings.short(value) for value in values)}"
        for name, values in varied(grid).items()
    ]
