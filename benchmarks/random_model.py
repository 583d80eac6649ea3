"""Save a causal language model with random weights, to compare architectures from scratch.

    .venv/bin/python benchmarks/random_model.py --like var/run/model --folder var/gpt2-random

The model has GPT-2's architecture and the tokenizer of a model folder that Podium saved, so that it
reads the same tokens. To train it, use
`python -m training.train --backbone pretrained --model var/gpt2-random`.
"""

from __future__ import annotations

import argparse

import torch
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--like", required=True, help="model folder with the tokenizer to use")
    parser.add_argument("--folder", required=True, help="folder to save the model to")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--positions", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(arguments.like)
    torch.manual_seed(arguments.seed)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=arguments.width,
        n_layer=arguments.layers,
        n_head=arguments.heads,
        n_positions=arguments.positions,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = GPT2LMHeadModel(config)
    model.save_pretrained(arguments.folder)
    tokenizer.save_pretrained(arguments.folder)
    print(f"{sum(weight.numel() for weight in model.parameters()):,} parameters")


if __name__ == "__main__":
    main()
