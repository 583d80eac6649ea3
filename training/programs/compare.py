"""Run `python -m training.compare`: train in processes of their own, and tabulate the results."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from training.config import TrainConfig
from training.errors import UserError
from training.evaluation.caveats import few_prompts
from training.evaluation.formatting import decimal, is_known, percent, percent_between
from training.programs.combinations import Combination, plan
from training.runs.caveats import FEWEST_PROMPTS
from training.runs.folder import RunFolder
from training.runs.signals import asked, saving_first
from training.selection.bootstrap import bootstrap, by_prompt, rate

POLL_SECONDS = 0.1
OTHER = "†"
"""Mark of figures on other held-out comparisons than those of the first row."""
HEADINGS = (
    "held-out accuracy",
    "against the first",
    "held-out loss (chance level)",
    "train accuracy",
    "seconds",
    "tokens/s",
    "parameters",
)


def work(arguments: argparse.Namespace, _: object) -> None:
    """Train every combination of settings, and write the table after each row."""
    folder = Path(arguments.folder)
    combinations = plan(arguments)
    source = ["--rankings", arguments.rankings] if arguments.rankings else []
    source += ["--project", arguments.project] if arguments.project else []
    environment = dict(os.environ)
    if arguments.database_url:
        environment["DATABASE_URL"] = arguments.database_url  # other users can see command lines
    for number, combination in enumerate(combinations, start=1):
        for config, run_folder in zip(combination.configs, combination.folders, strict=True):
            print(f"{number}/{len(combinations)} {run_folder.path.name}", file=sys.stderr)
            if not is_done(run_folder, config):
                train(source, config, run_folder, environment)
        # After each row, so that a comparison that is stopped leaves what it found.
        table = tabulate(combinations[:number])
        table.to_csv(folder / "table.csv", index=False)
        (folder / "table.md").write_text(markdown(table) + "\n", encoding="utf-8")
    print(markdown(table))


def is_done(folder: RunFolder, config: TrainConfig) -> bool:
    """Return True if a run of these settings has finished here.

    Its device may differ, and settings that were left to the pretrained model.
    """
    found = folder.read_config()
    if found is None or folder.read_metrics() is None or not folder.judgements():
        return False
    wanted = config.to_json()
    free = [name for name, value in wanted.items() if value is None or name == "tokens_per_batch"]
    return found.to_json() | {name: wanted[name] for name in free} == wanted


def train(
    source: list[str], config: TrainConfig, folder: RunFolder, environment: dict[str, str]
) -> None:
    """Train one run in a process of its own. Raises UserError where it fails."""
    module = [sys.executable, "-m", "training.train", "--run-folder", str(folder.path)]
    before = folder.read_progress()
    process = subprocess.Popen(
        [*module, *source, *config.to_arguments()],
        env=environment,
        start_new_session=True,  # Ctrl-C reaches it once, through us: twice would not save
    )
    if ended(process) != 0:
        progress = folder.read_progress()
        said = progress is not None and progress != before and progress.reason
        reason = said or "see above"
        raise UserError(f"the run {folder.path.name} failed: {reason}")


def ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for a run and return its exit code; one that is stopped saves first."""
    with saving_first():
        while not asked():
            with suppress(subprocess.TimeoutExpired):
                return process.wait(POLL_SECONDS)
        process.terminate()
        return process.wait()


def figures(folder: RunFolder) -> dict[str, float]:
    """Return the figures of a finished run."""
    metrics = folder.read_metrics() or {}
    rates = [line["tokens_per_second"] for line in folder.metric_lines()]
    return {
        "accuracy": metrics["held_out"]["accuracy"],
        "held_out_loss": metrics["held_out"]["loss"],  # a setting is named loss, too
        "train_accuracy": metrics["train"]["after"]["accuracy"],
        "seconds": metrics["seconds"],
        "tokens_per_second": float(np.median(rates)),
        "parameters": metrics["parameters"],
    }


def tabulate(combinations: list[Combination]) -> pd.DataFrame:
    """Return a row for each: means over seeds, intervals over prompts, lead on the first row."""
    rows: list[dict[Any, Any]] = []
    first = counted(combinations[0])
    for each in combinations:
        counts = counted(each)
        means = pd.DataFrame([figures(folder) for folder in each.folders]).mean()
        row: dict[Any, Any] = {**each.values, "runs": len(each.folders), **means}
        row["chance_loss"] = held_out(each.folders[0]).get("chance_loss")
        row["prompts"] = len(counts)
        row["comparable"] = held_out_sha256(each) == held_out_sha256(combinations[0])
        row["low"], row["high"] = bootstrap(rate, counts)
        row["against"] = row["accuracy"] - (rows[0] if rows else row)["accuracy"]
        row["against_low"], row["against_high"] = bootstrap(
            lambda ours, theirs: rate(ours) - rate(theirs), counts, first
        )
        rows.append(row)
    return pd.DataFrame(rows)


def held_out(folder: RunFolder) -> dict[str, Any]:
    """Return the figures of a finished run on the held-out side."""
    found: dict[str, Any] = (folder.read_metrics() or {}).get("held_out", {})
    return found


def held_out_sha256(combination: Combination) -> set[str]:
    """Return the digests of the held-out comparisons of the runs.

    Runs of earlier versions have none: the prompts and their numbers of comparisons tell instead.
    """
    return {
        held_out(folder).get("comparisons_sha256")
        or str(sorted((row["prompt"], row["comparisons"]) for row in folder.judgements()))
        for folder in combination.folders
    }


def counted(combination: Combination) -> pd.DataFrame:
    """Return the comparisons agreed with and all comparisons by prompt, summed over seeds."""
    return by_prompt(
        pd.DataFrame([row for folder in combination.folders for row in folder.judgements()])
    )


def markdown(table: pd.DataFrame) -> str:
    """Return the table as Markdown: varied settings first, intervals in brackets."""
    varied = list(table.columns[: list(table.columns).index("runs")])
    lines = [f"| {' | '.join([*varied, *HEADINGS])} |"]
    lines.append(f"|{'---|' * (len(varied) + len(HEADINGS))}")
    for _, row in table.iterrows():
        cells = [str(row[name]) for name in varied]
        mark = "" if row["comparable"] else f" {OTHER}"
        few = f"({few_prompts(row['prompts'])}) " if row["prompts"] < FEWEST_PROMPTS else ""
        chance = f" ({decimal(row['chance_loss'], 3)})" if is_known(row["chance_loss"]) else ""
        lead = percent_between(row["against"], row["against_low"], row["against_high"], signed=True)
        cells += [
            few + percent_between(row["accuracy"], row["low"], row["high"]) + mark,
            OTHER if mark else lead,
            f"{decimal(row['held_out_loss'], 4)}{chance}{mark}",
            percent(row["train_accuracy"]),
            decimal(row["seconds"], 0),
            f"{row['tokens_per_second']:,.0f}",
            f"{row['parameters']:,.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    if not table["comparable"].all():
        lines += ["", f"{OTHER} on other held-out comparisons than the first row: not comparable"]
    return "\n".join(lines)
