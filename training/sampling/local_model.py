"""`python -m training.sampling.local_model`: responses from a causal language model.

The model is a folder or a name that transformers loads, on a GPU if there is one.
training/sampling/protocol.py describes the input and the output.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from training.errors import UserError
from training.sampling.protocol import requests, say

try:
    import torch
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        GenerationConfig,
        PreTrainedTokenizerBase,
    )

    from training.commandline import Parser, run
    from training.data.chat_template import folding_system, plain_template, usual_template
    from training.distributed.device import silence_transformers
except ModuleNotFoundError as missing:
    sys.exit(f"local models need {missing.name}: install it with pip install -r requirements.txt")

NEXT_TURN = "\n\nUser:"  # how a model without a chat template goes on when it has answered


class Model:
    def __init__(self, name: str, max_new_tokens: int, top_p: float) -> None:
        on_cuda = torch.cuda.is_available()
        try:
            self.tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                name, trust_remote_code=False, padding_side="left"
            )
            load: Any = AutoModelForCausalLM.from_pretrained
            self.model = load(
                name, trust_remote_code=False, dtype="auto" if on_cuda else torch.float32
            )
        except (OSError, ValueError, KeyError) as error:
            said = " ".join(str(error).split())[:300]
            raise UserError(f"the model {name!r} cannot be loaded: {said}") from error
        self.device = torch.device("cuda" if on_cuda else "cpu")
        self.model.to(self.device).eval()
        self.max_new_tokens = max_new_tokens
        self.top_p = top_p
        self.ends = end_tokens(self.model.generation_config, self.tokenizer)
        template = usual_template(self.tokenizer)
        self.is_chat = bool(template)
        self.tokenizer.chat_template = (
            folding_system(self.tokenizer, template)
            if template
            else plain_template(self.tokenizer, str(self.tokenizer.eos_token or ""))
        )
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token or self.tokenizer.unk_token
        self.positions = int(getattr(self.model.config, "max_position_embeddings", 0) or 0)

    def sample(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request, with all its prompts in one batch."""
        found: list[dict[str, Any]] = []
        rows: list[list[int]] = []
        owners: list[int] = []
        for place, prompt in enumerate(request["prompts"]):
            try:
                tokens = self.tokens(prompt["messages"])
            except Exception as error:  # noqa: BLE001 - a template is a program of its author's
                found.append({"error": " ".join(str(error).split())[:200]})
                continue
            found.append({"texts": [], "cut": 0})
            rows += [tokens] * prompt["count"]
            owners += [place] * prompt["count"]
        if rows:
            torch.manual_seed(request["seed"])
            for owner, made in zip(
                owners, self.generate(rows, request["temperature"]), strict=True
            ):
                text, is_cut = self.text(made)
                found[owner]["texts"].append(text)
                found[owner]["cut"] += is_cut
        return {"id": request["id"], "found": found}

    def tokens(self, messages: list[dict[str, str]]) -> list[int]:
        """Return the prompt's tokens up to the response. Raises ValueError where it is too long."""
        text = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        tokens: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        if self.positions and len(tokens) + self.max_new_tokens > self.positions:
            raise ValueError(
                f"the prompt has {len(tokens)} tokens; with {self.max_new_tokens} new ones that is "
                f"more than the {self.positions} that the model reads"
            )
        return tokens

    @torch.inference_mode()
    def generate(self, rows: list[list[int]], temperature: float) -> list[list[int]]:
        """Return the new tokens of each row, up to the end token or the maximum length."""
        batch = self.tokenizer.pad({"input_ids": rows}, return_tensors="pt").to(self.device)
        how = (
            {"do_sample": True, "temperature": temperature, "top_p": self.top_p, "top_k": 0}
            if temperature > 0
            else {"do_sample": False}
        )
        settings = GenerationConfig(
            max_new_tokens=self.max_new_tokens,
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=self.ends or None,
            **how,
        )
        made = self.model.generate(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            generation_config=settings,
        )
        new: list[list[int]] = made[:, batch["input_ids"].shape[1] :].tolist()
        return new

    def text(self, tokens: list[int]) -> tuple[str, bool]:
        """Return a response as text, and True if it was cut at the maximum length."""
        end = next((i for i, token in enumerate(tokens) if token in self.ends), len(tokens))
        text = str(self.tokenizer.decode(tokens[:end], skip_special_tokens=True))
        cut = end >= self.max_new_tokens
        if not self.is_chat and NEXT_TURN in text:
            return text.split(NEXT_TURN)[0], False
        return text, cut


def end_tokens(settings: Any, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the tokens that end a response: the model's and the tokenizer's."""
    named = settings.eos_token_id if settings is not None else None
    ends = named if isinstance(named, list) else [named]
    return sorted({end for end in [*ends, tokenizer.eos_token_id] if end is not None})


def work(arguments: argparse.Namespace, _: object) -> None:
    silence_transformers()
    model = Model(arguments.model, arguments.max_new_tokens, arguments.top_p)
    say({"ready": True})
    for request in requests():
        try:
            answer = model.sample(request)
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise UserError("out of memory: lower --batch-size or --max-new-tokens") from error
        say(answer)


def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        "python -m training.sampling.local_model", "Responses from a causal language model."
    )
    parser.add_argument(
        "--model", required=True, help="a folder, or a name that transformers knows"
    )
    parser.add_argument("--max-new-tokens", type=int, default=512)
    parser.add_argument("--top-p", type=float, default=1.0)
    return run(parser, argv, work)


if __name__ == "__main__":
    sys.exit(main())
