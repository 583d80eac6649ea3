"""What the playground makes of the service's answer."""

from dataclasses import replace

import pytest

from labelapp.models import ModelVersion
from labelapp.registry import playground, versions
from labelapp.registry.service import Rewards
from labelapp.runs.process import run_folder
from tests.labelapp.registry.conftest import AddRun
from training.config import TrainConfig
from training.runs.outcomes import OutcomeModel

REWARDS = [1.0, 0.2, None]


def answer(nu: float | None) -> Rewards:
    """Return the answer of a version on three responses, of which the last has no reward."""
    model = OutcomeModel(nu=nu)

    def pairs(kind: str) -> list[list[float | None]]:
        return [
            [
                None
                if one is None or other is None or one is other
                else getattr(model.outcome(one - other), kind)
                for other in REWARDS
            ]
            for one in REWARDS
        ]

    return Rewards(
        version=ModelVersion(number=1),
        rewards=REWARDS,
        standardised=REWARDS,
        without_length=[],
        probabilities=pairs("win"),
        ties=pairs("tie") if nu is not None else [],
        intervals=[],
        cut=[[], [], []],
        problems=[None, None, "the response is empty"],
    )


def test_a_pair_has_the_probability_of_a_tie_where_ties_were_learned() -> None:
    found = playground.matrix(answer(0.5), "ABC")
    assert found is not None
    assert found.has_ties
    [(_, [itself, first, _]), (_, [second, *_]), (_, without_reward)] = found.rows
    assert itself is None
    assert without_reward == [None, None, None]
    assert first is not None
    assert second is not None
    assert first.tie == second.tie != 0
    assert first.win + second.win + (first.tie or 0) == pytest.approx(1)
    assert first.win > second.win


def test_a_version_without_ties_has_wins_alone() -> None:
    found = playground.matrix(answer(None), "ABC")
    assert found is not None
    assert not found.has_ties
    [(_, [_, first, _]), (_, [second, *_]), _] = found.rows
    assert first is not None
    assert second is not None
    assert (first.tie, first.win + second.win) == (None, pytest.approx(1))


def test_one_valid_reward_has_no_pairs() -> None:
    assert playground.matrix(replace(answer(None), rewards=[1.0, None, None]), "ABC") is None


@pytest.mark.django_db
def test_what_was_cut_is_told_with_the_tokens_that_were_read(add_run: AddRun) -> None:
    run = add_run()
    cut = [["prompt"], ["prompt", "response"], []]
    found = replace(answer(None), version=versions.register(run), cut=cut)
    texts = dict.fromkeys("ABC", "Text")

    def said() -> list[str]:
        return [row.cells[0].cut for row in playground.table(texts, [found])]

    assert said() == ["cut to what the model reads", "cut to what the model reads", ""]
    run_folder(run).write_config(TrainConfig(max_prompt_tokens=512, max_response_tokens=1024))
    assert said() == [
        "prompt cut to its last 512 tokens",
        "prompt cut to its last 512 tokens, response to its first 1,024",
        "",
    ]
