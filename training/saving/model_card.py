"""The model card: the README of a model folder, on its data, its evaluation and its use.

It leaves out people's names, and everything else that only the run folder holds.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training.config import (
    EvaluationSettings,
    ModelSettings,
    TrainConfig,
    option,
    stored_aggregation,
)
from training.config.encoder_package import PACKAGED_LICENSE, PACKAGED_NAME
from training.evaluation.caveats import sentences
from training.evaluation.formatting import decimal, percent
from training.evaluation.report import CHOICES
from training.runs.caveats import caveats
from training.runs.folder import RunFolder
from training.sentences import counted

CARD = "README.md"
DATA = {
    "prompts": "prompts with a ranking",
    "rankings": "rankings",
    "chosen": "rankings after aggregation",
    "comparisons": "comparisons in them",
    "all_tied": "rankings that tie everything, left out",
    "duplicates": "rankings given twice, left out",
    "train_prompts": "prompts learned from",
    "train_rankings": "rankings learned from",
    "held_out_prompts": "prompts held out",
    "held_out_rankings": "rankings held out",
    "truncated_prompts": "prompts cut to their newest part",
    "truncated_responses": "responses cut to their beginning",
    "dropped_rankings": "rankings dropped, their prompts refused by the chat template",
    "folded_prompts": "prompts whose system message was put into the first user message",
    "cut_equal_comparisons": "comparisons left out, their responses equal after the cut",
    "rankings_sha256": "SHA-256 of the rankings",
}
FACTS = "podium.json"
"""File with the results of verifying the saved model (training/saving/verify.py)."""
SAID = {"model", "backbone_license"}
"""Settings that the card names elsewhere, without a folder's path."""

USE = """\
```python
from transformers import AutoModelForSequenceClassification, AutoTokenizer

folder = "model"  # where this file is
model = AutoModelForSequenceClassification.from_pretrained(folder{trust})
tokenizer = AutoTokenizer.from_pretrained(folder{trust})
messages = [
    {{"role": "user", "content": "Why is the sky blue?"}},
    {{"role": "assistant", "content": "Air scatters blue light more than red light."}},
]
text = tokenizer.apply_chat_template(messages, tokenize=False)
reward = model(**tokenizer(text, add_special_tokens=False, return_tensors="pt")).logits.item()
```

{plain_call}

```python
from transformers import pipeline

reward = pipeline("text-classification", model=folder{trust})(text{call})[0]["score"]
```

The problem type in `config.json` is `regression`, so a text-classification pipeline gives the
reward itself. In vLLM, `LLM(model=folder, runner="pooling").classify(text)` reads the same problem
type and gives the logits unchanged; `PoolingParams(use_activation=False)` asks for them too.{own}

In TRL, on conversational prompts (`{{"prompt": [{{"role": "user", "content": "..."}}]}}`):

```python
from trl import GRPOTrainer

trainer = GRPOTrainer(
    model=policy,
    args=args,
    train_dataset=prompts,
    reward_funcs=model,
    reward_processing_classes=tokenizer,
)
trainer.train()
```
"""


PLAIN_CALL = (
    "A plain call, `tokenizer(text)`, gives the same tokens: the chat template writes all special"
    " tokens, and the saved tokenizer adds none."
)
ADDING_CALL = (
    "The chat template writes all special tokens, and a plain call, `tokenizer(text)`, adds some a"
    " second time: always pass `add_special_tokens=False`."
)
OWN_CODE = (
    " Neither vLLM nor SGLang runs the code of this model, which is Podium's own; Podium's reward"
    " service, `python -m training.serve --model FOLDER`, answers their clients."
)


def write_model_card(folder: RunFolder) -> None:
    """Write the model card of a run whose metrics are written."""
    config, manifest, metrics = folder.read_config(), folder.read_manifest(), folder.read_metrics()
    if config is None or manifest is None or metrics is None:
        raise FileNotFoundError(f"{folder.path} has no configuration, manifest or metrics")
    facts = json.loads((folder.model / FACTS).read_text(encoding="utf-8"))
    part = folder.model / f"{CARD}.part"
    part.write_text(model_card(config, manifest, metrics, facts), encoding="utf-8")
    os.replace(part, folder.model / CARD)


def model_card(
    config: TrainConfig,
    manifest: Mapping[str, Any],
    metrics: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> str:
    """Return the model card as Markdown."""
    sections = {
        "Use": [_use(facts, own_code=_has_own_code(config, manifest))],
        "Data": [
            *_table((words, manifest[key]) for key, words in DATA.items() if key in manifest),
            "",
            _labellers(manifest),
            "",
            _split(config),
            "",
        ],
        "Figures": [
            *[f"**{line}**\n" for line in sentences(caveats(metrics), plain)],
            (
                f"On the held-out side, with {percent(0.95, 0)} intervals over prompts where there"
                " are any:"
            ),
            "",
            *_table(figures(metrics["held_out"])),
            "",
        ],
        "Limits": [*[f"- {limit}" for limit in _limits(metrics["held_out"], facts)], ""],
        "Settings": [*_table(_settings(config)), ""],
        "Licence": [licence(config, manifest), ""],
    }
    lines = ["---", *_front_matter(config), "---", *_title(config, manifest)]
    for title, section in sections.items():
        lines += [f"## {title}", "", *section]
    return "\n".join(lines)


def _title(config: ModelSettings, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield the title, and what the model is."""
    yield f"# Reward model of {plain(str(manifest['project']))}"
    yield ""
    yield "It reads a prompt and a response and gives one number, higher for what people prefer."
    learned = counted(manifest["train_rankings"], "ranking")
    yield f"It learned from {learned}, from {_start(config)}."
    yield ""


def _has_own_code(config: ModelSettings, manifest: Mapping[str, Any]) -> bool:
    """Return True if the model is of a class that the folder brings along."""
    return config.backbone != "pretrained" or bool(manifest.get("own_code"))


def _use(facts: Mapping[str, Any], *, own_code: bool) -> str:
    """Return the code that uses the model."""
    trust = ", trust_remote_code=True" if own_code else ""
    return USE.format(
        trust=trust,
        # Facts of earlier versions do not say, and their tokenizers may add some.
        plain_call=PLAIN_CALL if facts.get("plain_call") else ADDING_CALL,
        call="" if facts.get("plain_call") else ", add_special_tokens=False",
        own=OWN_CODE if trust else "",
    )


def _front_matter(config: ModelSettings) -> Iterator[str]:
    """Yield the lines of YAML at the top of the card."""
    yield "library_name: transformers"
    yield "pipeline_tag: text-classification"
    yield "tags: [reward-model, podium]"
    if config.backbone == "pretrained" and not Path(config.model).exists():
        yield f"base_model: {json.dumps(config.model)}"  # JSON is YAML
    if config.backbone_license:
        yield f"license: {json.dumps(config.backbone_license)}"


def _start(config: ModelSettings) -> str:
    """Return the model that training started from, in words."""
    if config.backbone in ("transformer", "rnn"):
        return f"scratch, as a small {config.backbone}"
    if config.backbone != "pretrained":
        return "scratch, as a linear model to which a network may be added"
    name = plain(Path(config.model).name if Path(config.model).exists() else config.model)
    return f"{name}{' with LoRA, merged' if config.lora_rank else ''}"


def _labellers(manifest: Mapping[str, Any]) -> str:
    """Return a sentence on the numbers of rankings by labeller, without names."""
    aggregation = stored_aggregation(manifest)
    if aggregation == "majority":
        return CHOICES[aggregation]
    each = manifest["rankings_by_labeller"]
    by_nobody = manifest["rankings_by_nobody"]
    parts = []
    if each:
        parts.append(
            f"{counted(len(each), 'labeller')}, with {', '.join(map(str, each))} rankings"
            f"{' each' if len(each) > 1 else ''}"
        )
    if by_nobody:
        named = counted(by_nobody, "ranking that names", "rankings that name")
        parts.append(f"{named} no labeller")
    said = f"Ranked by {' and '.join(parts)}, of those that are used."
    return f"{CHOICES[aggregation]} {said}" if aggregation in CHOICES else said


def _split(config: EvaluationSettings) -> str:
    """Return a sentence on the held-out side."""
    what = "prompts, by a hash" if config.held_out_by == "prompt" else "labellers, by their names"
    share = percent(config.held_out_fraction, 0)
    return f"Held out: {share} of {what} (split {config.split})."


def figures(found: Mapping[str, Any], under: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name and the value of every number at any depth, but not of those in lists."""
    for name, value in found.items():
        words = f"{under}{name}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from figures(value, f"{words}: ")
        elif isinstance(value, bool | str | list) or name.endswith(("_low", "_high")):
            continue
        else:
            low, high = found.get(f"{name}_low"), found.get(f"{name}_high")
            interval = "" if low is None else f" ({_number(low)} to {_number(high)})"
            yield words, _number(value) + interval


def _number(value: float | None) -> str:
    """Return a count as it is, and any other number with three digits behind the point."""
    if value is None:
        return "unknown"
    return str(value) if type(value) is int else decimal(value, 3)


def _limits(held_out: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the sentences on the limits of the model."""
    yield (
        "Only the order of responses to one prompt was learned. Scores of responses to different"
        " prompts cannot be compared."
    )
    yield (
        "It knows the prompts, the languages and the taste of the rankings above, and no others."
        " Judge it on your own before you rely on it."
    )
    yield (
        f"Length may sway it: always preferring the longer response gets"
        f" {held_out['longer_wins']:.3f} of the held-out comparisons right, the model"
        f" {held_out['accuracy']:.3f}."
    )
    yield (
        f"Longer prompts than {facts['max_prompt_tokens']} tokens lost their beginning in training,"
        f" longer responses than {facts['max_response_tokens']} their end."
    )
    if facts.get("folds_system"):
        yield (
            "The chat template of the model that it started from refuses system messages. The one"
            " saved here puts them into the first user message, as in training."
        )
    if "left" not in facts["padding"]:
        yield "Pad on the right: with padding on the left it scores otherwise."
    if facts["texts_equal"] < facts["texts_compared"]:
        yield (
            f"{facts['texts_equal']} of {facts['texts_compared']} held-out texts become, through"
            " the chat template, just the tokens of training; the others are a little different."
        )
    yield (
        f"To centre and scale rewards: held-out responses have mean {facts['reward_mean']:.4g} and"
        f" standard deviation {facts['reward_std']:.4g}."
    )
    yield "Whoever optimises against it finds its faults. Keep people in the loop."


def _settings(config: TrainConfig) -> Iterator[tuple[str, Any]]:
    """Yield the backbone and the settings that are not defaults."""
    default = asdict(TrainConfig(backbone=config.backbone))
    for name, value in asdict(config).items():
        if (value != default[name] or name == "backbone") and name not in SAID:
            yield option(name), value


def licence(config: ModelSettings, manifest: Mapping[str, Any]) -> str:
    """Return sentences on the licence of the weights."""
    if config.backbone != "pretrained":
        parts = manifest.get("choice", {}).get("chosen", [])
        return " ".join(
            [
                "The weights began at random; the rankings' own terms apply.",
                *frozen_licences(config, parts),
            ]
        )
    if not config.backbone_license:
        return "The licence of the model that it started from was not given; look it up."
    return f"The model that it started from: {plain(config.backbone_license)}."


def frozen_licences(config: ModelSettings, parts: Collection[str]) -> Iterator[str]:
    """Yield a sentence on the licence of each frozen model that these parts come from."""
    given = plain(config.backbone_license) or "its licence was not given; look it up"
    if "embedded" in parts:
        packaged = f"{PACKAGED_NAME}, {PACKAGED_LICENSE}"
        own = given if config.model else plain(packaged)
        yield f"The model contains a frozen encoder with its tokenizer: {own}."
    if "scored" in parts:
        yield f"The model contains a frozen reward model with its tokenizer: {given}."


def _table(rows: Iterator[tuple[str, Any]]) -> list[str]:
    """Return a table of two columns as lines of Markdown."""
    return ["| | |", "|---|---|", *[f"| {name} | {plain(str(value))} |" for name, value in rows]]


def plain(text: str) -> str:
    """Return the text in one line, without effect in Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>#|!])", r"\\\1", " ".join(text.split()))
