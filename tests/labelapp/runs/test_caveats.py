"""What a reader must know before the figures of a run, on its page and in the list of runs."""

from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from django.utils.translation import override

from labelapp.models import Member, Project, State, TrainingRun
from labelapp.runs.caveats import caveat_sentences, chance_of_training, comparison_letters
from tests.conftest import sign_in
from tests.labelapp.runs.pages import text_of

pytestmark = pytest.mark.django_db
URL = "/projects/kitchen/runs/"
INTERVAL = {"accuracy_low": 0.5, "accuracy_high": 0.7}


def finished(project: Project, prompts: int = 20, **held_out: Any) -> TrainingRun:
    """Store a finished run with these figures on the held-out side."""
    beside = {"accuracy": 0.62, "gain": -0.02, "gain_low": -0.051, "gain_high": 0.01}
    figures = {
        "prompts": prompts, "rankings": 20, "comparisons": 40, "accuracy": 0.6, **INTERVAL,
        "longer_wins": 0.62, "loss": 1.01, "chance_loss": 1.061,
        "baselines": {"longer_wins": beside},
    }  # fmt: skip
    left_out = {
        "rankings": 100, "left_out": 9, "dropped_rankings": 9, "dropped_prompts": 9,
        "refusals": {"No <b>system</b> role": 9}, "cut_equal_comparisons": 7,
        "cut_equal_rankings": 0, "folded_prompts": 1,
    }  # fmt: skip
    return TrainingRun.objects.create(
        project=project,
        state=State.DONE,
        finished_at=timezone.now(),
        config={"backbone": "transformer", "ties": "davidson"},
        metrics={"held_out": figures | held_out, "left_out": left_out},
    )


def test_the_page_of_a_run_begins_with_what_limits_its_figures(
    project: Project, manager: Member
) -> None:
    run = finished(project)
    page = sign_in(manager).get(f"{URL}{run.pk}/").content.decode()
    verdict = "Not worth using: no better than always preferring the longer response."
    accuracy = "The model orders 60.0\u202f% (95\u00a0% interval 50.0–70.0) of the 40 comparisons"
    better = (
        "Always preferring the longer response, the better baseline, reaches 62.0\u202f%: a lead of"
        " \u22122.0 points (95\u00a0% interval \u22125.1 to +1.0)."
    )
    left_out = (
        "9 of 100 rankings (9.0\u202f%) were left out: 9 because the chat template refuses their"
        " prompts (“No &lt;b&gt;system&lt;/b&gt; role”)."
    )
    cut = (
        "7 comparisons were left out, because their responses are equal after the cut."
        " Raise “Max response tokens”."
    )
    folded = "The system message of 1 prompt was put into its first user message"
    sentences = [verdict, accuracy, better, left_out, cut, folded]
    places = [page.index(sentence) for sentence in sentences]
    assert places == sorted(places)
    assert places[-1] < page.index("held-out accuracy") < page.index("1.061 is chance level")


def test_the_baseline_on_the_cards_is_the_one_that_the_verdict_names(
    project: Project, manager: Member
) -> None:
    longer = {"accuracy": 0.55, "gain": 0.05, "gain_low": -0.01, "gain_high": 0.11}
    words = {"accuracy": 0.58, "gain": 0.02, "gain_low": -0.04, "gain_high": 0.08}
    run = finished(project, baselines={"longer_wins": longer, "word_counts": words})
    page = text_of(sign_in(manager).get(f"{URL}{run.pk}/").content.decode())
    assert "Not proven: not measurably better than counting words." in page
    card = "baseline: counting words always preferring the longer response: 55.0 % 58.0 %"
    assert card in page


def test_a_figure_of_few_prompts_is_never_shown_without_saying_so(
    project: Project, manager: Member
) -> None:
    run = finished(project, prompts=1, accuracy_low=None, accuracy_high=None)
    client = sign_in(manager)
    for url in (f"{URL}{run.pk}/", URL, f"/projects/kitchen/reviewing/?run={run.pk}"):
        page = client.get(url).content.decode()
        said = "from 1 held-out prompt: not a measurement"
        assert page.index(said) < page.index("60.0\u202f%"), url


def test_runs_on_different_held_out_comparisons_are_marked(
    project: Project, manager: Member
) -> None:
    runs = [finished(project, comparisons_sha256=digest) for digest in ("a", "b", "a", "")]
    TrainingRun.objects.create(project=project, config={"backbone": "rnn"})  # waits
    assert comparison_letters(["a", "b", "a", "", None]) == ["A", "B", "A", "?", ""]
    assert comparison_letters(["a", "a", None]) == ["", "", ""]
    assert comparison_letters([str(n) for n in range(27)])[-1] == "AA"
    client = sign_in(manager)
    page = client.get(URL).content.decode()
    assert page.count('held-out comparisons">A</abbr>') == 2
    assert "do not compare them" in page
    TrainingRun.objects.exclude(pk=runs[0].pk).delete()
    cache.clear()
    assert "do not compare them" not in client.get(URL).content.decode()


def test_the_sentences_are_there_in_german(project: Project) -> None:
    run = finished(project, prompts=2)
    english = caveat_sentences(run.metrics)
    with override("de"):
        german = caveat_sentences(run.metrics)
    assert len(english) == len(german) == 5
    assert not set(english) & set(german)
    assert german[0].startswith("Die Zahlen stammen aus 2 zurückgehaltenen Aufgaben")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, 0.6931),
        ({"ties": "half"}, 0.6931),
        ({"margin": 0.5}, None),
        ({"ties": "davidson"}, 1.05),
    ],
)
def test_the_curve_is_drawn_with_the_chance_level_of_its_loss(
    project: Project, config: dict[str, Any], expected: float | None
) -> None:
    metrics = {"train": {"after": {"chance_loss": 1.05}}}
    run = TrainingRun(project=project, config=config, metrics=metrics)
    assert chance_of_training(run) == (expected and pytest.approx(expected, abs=1e-4))
