"""The gates of a project: what it asks of a model before it becomes the champion."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.text import get_text_list

from labelapp.models import Project, PromotionGates, TrainingRun
from labelapp.registry.evidence import Evidence, Slice
from labelapp.runs.caveats import BASELINES
from labelapp.runs.run_verdict import is_above_zero, to_beat
from labelapp.templatetags.figures import points, thousands
from training.runs.caveats import is_measured

MOST_SHOWN = 3  # slices that are named where a gate is not passed


@dataclass(frozen=True)
class Gate:
    """One condition, whether it is met, and the figures behind that."""

    condition: str
    is_passed: bool
    detail: str


def gates_of(project: Project) -> PromotionGates:
    """Return the gates that a project has set, or none that are set."""
    return PromotionGates.objects.filter(project=project).first() or PromotionGates(project=project)


def check(asked: PromotionGates, run: TrainingRun, evidence: Evidence | None) -> list[Gate]:
    """Return each gate that a project has set, with its result for a run.

    Without a champion there is no evidence, and only the baselines can be asked for.
    """
    return [
        *(baselines_gate(run) if asked.beats_baselines else ()),
        *(champion_gate(evidence) if asked.beats_champion and evidence else ()),
        *(
            slices_gate(evidence, asked.most_points_lost)
            if asked.most_points_lost is not None and evidence
            else ()
        ),
    ]


def baselines_gate(run: TrainingRun) -> Iterator[Gate]:
    condition = "Measurably better than every baseline"
    held_out = run.held_out
    names = to_beat(held_out)
    if not names or not is_measured(held_out):
        yield Gate(condition, False, "The run has too few held-out prompts to tell.")
        return
    level = [name for name in names if not is_above_zero(held_out["baselines"][name])]
    listed = get_text_list([str(BASELINES[name]) for name in level or names], "and")
    verb = "It is not measurably better than" if level else "It is better than"
    yield Gate(condition, not level, f"{verb} {listed}.")


def champion_gate(evidence: Evidence) -> Iterator[Gate]:
    condition = "Measurably better than the champion"
    whole = evidence.whole
    if whole is None or not whole.is_measured:
        yield Gate(condition, False, too_few(whole))
    else:
        yield Gate(condition, whole.gain.is_above_zero, f"{in_words(whole)}.")


def slices_gate(evidence: Evidence, most: float) -> Iterator[Gate]:
    unit = "point" if most == 1 else "points"
    condition = f"No slice measurably worse than the champion by more than {most:g} {unit}"
    if evidence.whole is None or not evidence.whole.is_measured:
        yield Gate(condition, False, too_few(evidence.whole))
        return
    measured = [one for one in (evidence.whole, *evidence.slices) if one.is_measured]
    # The whole interval must be below: of many small slices, some are always worse by chance.
    worse = [one for one in measured if is_worse_by(one, most)]
    worse.sort(key=lambda one: one.gain.value)
    number = thousands(len(measured))
    shown = [f"{title(one)}: {in_words(one)}" for one in worse[:MOST_SHOWN]]
    if len(worse) > MOST_SHOWN:
        shown.append(f"{thousands(len(worse) - MOST_SHOWN)} more in the table")
    detail = f"{'; '.join(shown)}." if worse else f"Of {number} slices with enough prompts, none."
    yield Gate(condition, not worse, detail)


def is_worse_by(one: Slice, most: float) -> bool:
    """Return True if a slice is worse by more than a number of points, with its whole interval."""
    high = one.gain.high
    return high is not None and round(-100 * high, 1) > most


def too_few(whole: Slice | None) -> str:
    number = whole.prompts if whole else 0
    noun = "prompt is" if number == 1 else "prompts are"
    return f"Only {number} ranked {noun} held out by both models: too few to tell."


def title(one: Slice) -> str:
    """Return the name of a slice, with its kind where the name alone does not tell."""
    names = {"length": f"better response {one.name}", "responses": one.name}
    return names.get(one.kind, f"{one.kind} {one.name}".strip())


def in_words(one: Slice) -> str:
    """Return the gain in a slice, as in "+2.0 points (−1.0 to +5.1)"."""
    return f"{one.points} points{f' ({one.interval})' if one.interval else ''}"


def headline(evidence: Evidence) -> tuple[str, str]:
    """Return in a sentence how the candidate compares with the champion, and its tone."""
    whole = evidence.whole
    if whole is None or not whole.is_measured:
        return f"Not known. {too_few(whole)}", "refused"
    ahead = "ahead of" if whole.gain.value > 0 else "behind"
    difference = f"{points(abs(whole.gain.value))} points {ahead} the champion"
    if whole.gain.value == 0:
        difference = "level with the champion"
    between = f"(95\u00a0% interval {whole.interval})"
    if whole.gain.is_nothing:
        return "Level with the champion on every held-out prompt.", "open"
    if whole.gain.is_above_zero:
        return f"Better: {difference} {between}.", "clear"
    if whole.gain.is_below_zero:
        return f"Worse: {difference} {between}.", "refused"
    return f"Not measurably different: {difference} {between}.", "open"
