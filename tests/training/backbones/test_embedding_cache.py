"""An encoder reads each text once: embeddings are kept from run to run."""

import os
import sqlite3

import numpy as np
import pytest
import torch

from tests.training.tiny import save_encoder_folder
from training.backbones import embedding_cache
from training.backbones.choose import load_backbone
from training.backbones.embedding_cache import EmbeddingCache, remember_embeddings
from training.backbones.scratch import ScratchBackbone
from training.config import TrainConfig
from training.runs.folder import RunFolder
from training.train import main

TEXTS = ["one", "two words", "three words here"]


@pytest.fixture
def backbone(tmp_path):
    folder = save_encoder_folder(tmp_path / "encoder")
    config = TrainConfig(backbone="embedding", model=str(folder), vocabulary=300)
    return ScratchBackbone.create(config, iter(TEXTS), torch.device("cpu"))


def read_by(embedder):
    """Note the texts that an encoder reads from now on."""
    read = []
    tokenizer = embedder._tokenizer

    class Noting:
        def encode_batch(self, texts):
            read.extend(texts)
            return tokenizer.encode_batch(texts)

    embedder.__dict__["_tokenizer"] = Noting()
    return read


def test_each_text_is_read_once(backbone, tmp_path):
    embedder = backbone.model.embedder
    plain = embedder.embed(TEXTS)
    remember_embeddings(backbone, tmp_path / "cache")
    read = read_by(embedder)
    first = embedder.embed([*TEXTS, TEXTS[0]])
    assert sorted(read) == sorted(TEXTS)
    again = embedder.embed([*TEXTS[::-1], "new"])
    assert sorted(read) == sorted([*TEXTS, "new"])
    torch.testing.assert_close(first, plain[[0, 1, 2, 0]])
    assert torch.equal(again[:3], first[[2, 1, 0]])


def test_another_encoder_has_embeddings_of_its_own(backbone, tmp_path):
    remember_embeddings(backbone, tmp_path)
    before = backbone.model.embedder.embed(TEXTS)
    with torch.no_grad():
        next(backbone.model.embedder.model.parameters())[:, 0] += 1
    remember_embeddings(backbone, tmp_path)
    assert not torch.allclose(backbone.model.embedder.embed(TEXTS), before)
    assert len(list(tmp_path.glob("embeddings-*.sqlite"))) == 2


def test_the_same_weights_in_another_configuration_are_another_encoder(backbone, tmp_path):
    remember_embeddings(backbone, tmp_path)
    before = backbone.model.embedder.embed(TEXTS)
    model = backbone.model
    encoder, tokenizer = model.embedder.model, bytes(model.embedder.tokenizer.numpy()).decode()
    encoder.config.hidden_act = "relu"
    model.add_encoder(encoder, tokenizer, model.embedder.most)
    remember_embeddings(backbone, tmp_path)
    assert not torch.allclose(model.embedder.embed(TEXTS), before)
    assert len(list(tmp_path.glob("embeddings-*.sqlite"))) == 2


def test_a_saved_encoder_finds_its_embeddings(backbone, tmp_path):
    remember_embeddings(backbone, tmp_path / "cache")
    before = backbone.model.embedder.embed(TEXTS)
    backbone.save(tmp_path / "saved")
    again = load_backbone(tmp_path / "saved", TrainConfig(), torch.device("cpu"))
    remember_embeddings(again, tmp_path / "cache")
    read = read_by(again.model.embedder)
    assert torch.equal(again.model.embedder.embed(TEXTS), before)
    assert read == []


@pytest.mark.parametrize("contents", [b"no database", None])
def test_a_file_that_cannot_be_used_is_done_without(backbone, tmp_path, contents):
    """Damaged, or a folder in its place."""
    remember_embeddings(backbone, tmp_path)
    embedder = backbone.model.embedder
    embedder.cache.path.unlink()
    if contents is None:
        embedder.cache.path.mkdir()
    else:
        embedder.cache.path.write_bytes(contents)
    assert embedder.embed(TEXTS).shape == (3, 32)


def test_the_oldest_texts_and_encoders_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(embedding_cache, "MOST_TEXTS", 2)
    for number, encoder in enumerate("abcd"):
        cache = EmbeddingCache(tmp_path, encoder)
        os.utime(cache.path, (number, number))
    assert sorted(path.name[-8] for path in tmp_path.glob("*.sqlite")) == ["b", "c", "d"]
    for text in TEXTS:
        cache.put([text], np.ones((1, 4), np.float32))
    assert set(cache.get(TEXTS)) == set(TEXTS[1:])


def test_a_second_run_reads_nothing_again(rankings_file, tmp_path):
    encoder = save_encoder_folder(tmp_path / "encoder")

    def train(name):
        run = RunFolder(tmp_path / name)
        arguments = (
            f"--rankings {rankings_file} --run-folder {run.path} --backbone embedding"
            f" --model {encoder} --baseline off"
        )
        assert main(arguments.split()) == 0
        return run

    def texts_kept():
        (file,) = (tmp_path / "cache").glob("embeddings-*.sqlite")
        with sqlite3.connect(file) as opened:
            return opened.execute("SELECT count(*), max(number) FROM embeddings").fetchone()

    first = train("first").read_metrics()
    kept = texts_kept()
    assert kept[0] > 10
    second = train("second").read_metrics()
    assert texts_kept() == kept
    assert second["held_out"]["loss"] == first["held_out"]["loss"]
