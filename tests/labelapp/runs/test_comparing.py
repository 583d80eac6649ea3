"""The page that compares runs: verdict, table, curves, and who may see it."""

import html
import random
import re
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from labelapp.models import Member, Project, PromptAgreement, Score, State, TrainingRun, User
from labelapp.runs import process
from labelapp.runs.comparison.comparing import compare
from tests.conftest import join, sign_in
from tests.labelapp import drawn
from tests.labelapp.runs.pages import AddRun, text_of, verdict_of

pytestmark = pytest.mark.django_db

URL = "/projects/kitchen/runs/compare/"
HOSTILE = '<script>alert("x")</script>'


def get(member: Member, *runs: TrainingRun, **more: Any) -> str:
    answer = sign_in(member).get(URL, {"run": [run.pk for run in runs], **more})
    assert answer.status_code == 200
    return str(answer.content.decode())


def cells(page: str, label: str) -> list[str]:
    """The words of a row of the table, without its label."""
    for row in re.findall(r"<tr>\s*<th scope=\"row\">(.*?)</tr>", page, re.DOTALL):
        if row.startswith(label):
            return [text_of(cell) for cell in re.findall(r"<td.*?>(.*?)</td>", row, re.DOTALL)]
    raise AssertionError(label)


def test_a_lead_that_is_written_as_nothing_is_none(add_run: AddRun, manager: Member) -> None:
    hits = [5.0, 6.0] * 150
    old, new = add_run(hits), add_run([hits[0] + 1, *hits[1:]])  # one of 3,000 comparisons
    assert f"run {new.pk} is level with run {old.pk} (95" in verdict_of(get(manager, old, new))


def test_the_better_run_is_named_with_its_lead(add_run: AddRun, manager: Member) -> None:
    dice = random.Random(1)
    weak = [float(dice.randint(3, 7)) for _ in range(40)]
    strong = [hits + dice.choice([0, 1, 2]) for hits in weak]
    old, new = add_run(weak, epochs=1), add_run(strong, epochs=7)
    page = get(manager, new, old)
    gain = 100 * (sum(strong) - sum(weak)) / 400
    assert verdict_of(page).startswith(
        f"Run {new.pk} orders the held-out comparisons better than run {old.pk}: run {new.pk} is"
        f" {gain:.1f} points ahead of run {old.pk} (95\u00a0% interval +"
    )
    # Independently: by the multinomial counts of the prompts, with another generator.
    times = np.random.default_rng(9).multinomial(40, [1 / 40] * 40, size=20_000)
    ends = np.percentile(times @ (np.array(strong) - np.array(weak)) / 400 * 100, [2.5, 97.5])
    [low, high] = map(float, re.findall(r"[+−]([\d.]+)", verdict_of(page)))
    assert [low, high] == pytest.approx(ends, abs=0.3)
    assert cells(page, f"Difference from run {old.pk}") == [
        "reference", f"+{gain:.1f} +{low:.1f} to +{high:.1f}"
    ]  # fmt: skip
    back = cells(get(manager, old, new, reference=new.pk), f"Difference from run {new.pk}")
    assert back == [f"−{gain:.1f} −{high:.1f} to −{low:.1f}", "reference"]


def test_the_figures_are_those_of_the_metrics(add_run: AddRun, manager: Member) -> None:
    one, other = add_run([6.0] * 20, ties="half"), add_run([5.5] * 20)
    page = get(manager, one, other)
    assert cells(page, "Accuracy<") == ["60.0 % 54.9–65.2", "55.0 % 49.9–60.2"]
    assert cells(page, "Accuracy at near") == ["54.3 % 50.0–60.0 · 9 comparisons"] * 2
    assert cells(page, "Log loss") == ["0.623", "0.623"]
    assert cells(page, "Lead over") == [
        "+10.0 +1.1 to +22.2 over the longer response",
        "+5.0 +1.1 to +22.2 over the longer response",
    ]
    assert cells(page, "People’s") == ["81.3 % 80.0–82.5"] * 2
    assert cells(page, "Learned from") == ["345 rankings 112 prompts"] * 2
    assert cells(page, "Judged on") == ["200 comparisons 60 rankings"] * 2
    assert cells(page, "Training time") == ["1 min 35 s"] * 2
    assert cells(page, "Tokens") == ["1,234,567"] * 2
    assert cells(page, "Parameters") == ["131,117"] * 2
    assert cells(page, "Memory") == ["0.6 GB"] * 2
    assert "Memory of the GPU" not in page
    assert cells(page, "Ties") == ["half", "drop"]
    assert page.count('<th scope="row">Ties') == 1
    assert "Epochs" not in page
    assert "All settings are equal." in text_of(get(manager, other, add_run([5.0] * 20)))


def test_no_difference_is_called_so(add_run: AddRun, manager: Member) -> None:
    dice = random.Random(2)
    scores = [float(dice.randint(2, 8)) for _ in range(30)]
    mixed = scores[1:] + scores[:1]
    mixed[0] += 1
    one, same, other = add_run(scores), add_run(scores), add_run(mixed)
    page = get(manager, one, same)
    assert verdict_of(page) == (
        f"Run {one.pk} and run {same.pk} do equally well on every held-out prompt."
    )
    assert "may be chance" not in page
    assert cells(page, "Difference") == ["reference", "+0.0 +0.0 to +0.0"]
    page = get(manager, one, same, other)
    assert verdict_of(page) == (
        f"No difference between run {one.pk}, run {same.pk} and run {other.pk} can be measured."
    )
    assert "the difference may be chance" in page
    assert "not corrected for their number" in page


def test_the_best_run_may_be_better_than_only_some(add_run: AddRun, manager: Member) -> None:
    dice = random.Random(3)
    good = [float(dice.randint(5, 9)) for _ in range(30)]
    runs = [add_run(good), add_run([*good[1:], good[0] - 1]), add_run([hits - 3 for hits in good])]
    first, second, third = (f"run {run.pk}" for run in runs)
    assert verdict_of(get(manager, *runs)) == (
        f"R{first[1:]} orders the held-out comparisons better than {third}, but not measurably"
        f" better than {second}."
    )


def test_runs_that_were_judged_on_other_comparisons_are_set_apart(
    add_run: AddRun, manager: Member
) -> None:
    one, other = add_run([6.0] * 9), add_run([8.0] * 9, digest="other", aggregation="majority")
    third, unknown = add_run([7.0] * 9), add_run([9.0] * 9, digest="")
    page = get(manager, one, other)
    assert verdict_of(page).startswith("These runs were judged on different held-out comparisons")
    why = f"was judged on other held-out comparisons than run {one.pk}, because aggregation differs"
    assert why in text_of(page)
    assert cells(page, "Accuracy<")[1].startswith("80.0")
    page = get(manager, one, other, third, unknown)
    assert f"Run {third.pk} orders the held-out comparisons better than run {one.pk}" in page
    differences = cells(page, "Difference from")
    assert differences[:2] == ["reference", "+10.0 +10.0 to +10.0"]
    assert all(cell.startswith("not comparable It ") for cell in differences[2:])
    assert f"which comparisons run {unknown.pk} was judged on" in differences[3]
    TrainingRun.objects.filter(pk=other.pk).update(
        config=one.config, manifest={"rankings_sha256": "new"}
    )
    assert "the rankings of the project changed between the two runs" in get(manager, one, other)


def test_few_prompts_and_missing_files_give_no_verdict_by_chance(
    add_run: AddRun, manager: Member
) -> None:
    page = get(manager, add_run([6.0] * 3), add_run([7.0] * 3))
    assert verdict_of(page) == "3 held-out prompts are too few to tell which run is better."
    one, other = add_run([6.0] * 9), add_run([7.0] * 9)
    process.run_folder(other).path.joinpath("judgements.jsonl").unlink()
    page = get(manager, one, other)
    assert verdict_of(page) == (
        f"No difference between run {one.pk} and run {other.pk} can be measured: run {other.pk} is"
        f" 10.0 points ahead of run {one.pk}."
    )
    assert cells(page, "Difference") == ["reference", "+10.0 no interval"]
    TrainingRun.objects.filter(pk=one.pk).update(metrics={"held_out": "?"}, manifest=[], config=[])
    assert get(manager, one, other)


def test_a_choice_that_cannot_be_compared_is_answered_in_a_sentence(
    add_run: AddRun, manager: Member
) -> None:
    elsewhere = Project.objects.create(name="Elsewhere", slug="elsewhere")
    runs = [add_run([6.0] * 9) for _ in range(9)]
    waiting = add_run([6.0] * 9, state=State.QUEUED)
    foreign = add_run([6.0] * 9, of=elsewhere)
    client = sign_in(manager)
    missing = "This project does not have all of the runs that you chose."
    for chosen, sentence in {
        (): "Choose at least two finished runs",
        (runs[0].pk,): "Choose at least two finished runs",
        (runs[0].pk, runs[0].pk): "Choose at least two finished runs",
        tuple(run.pk for run in runs): "At most 8 runs fit side by side. You chose 9",
        (runs[0].pk, foreign.pk): missing,
        (runs[0].pk, 10**17): missing,
        (runs[0].pk, 10**30): missing,
        (runs[0].pk, HOSTILE): missing,
        (runs[0].pk, waiting.pk): f"Run {waiting.pk} has not finished",
    }.items():
        answer = client.get(URL, {"run": chosen})
        assert answer.status_code == 200
        page = answer.content.decode()
        assert sentence in page
        assert "Choose runs" in page
        assert HOSTILE not in page
    assert client.get(URL, {"run": [run.pk for run in runs[:8]]}).status_code == 200
    odd = {"run": [runs[0].pk, runs[1].pk], "reference": "x", "first": HOSTILE, "kind": HOSTILE}
    assert client.get(URL, odd | {"page": "no"}).status_code == 200


def test_who_may_see_runs_may_compare_them(
    add_run: AddRun, manager: Member, reviewer: Member, labeller: Member, outsider: User
) -> None:
    runs = {"run": [add_run([6.0] * 9).pk, add_run([7.0] * 9).pk]}
    answers = {
        person: sign_in(person).get(URL, runs).status_code
        for person in (manager, reviewer, labeller, outsider)
    }
    assert list(answers.values()) == [200, 200, 403, 404]
    elsewhere = Project.objects.create(name="Elsewhere", slug="elsewhere")
    stranger = join(elsewhere, "stranger", manager.role)
    other = URL.replace("kitchen", "elsewhere")
    assert "does not have all of the runs" in sign_in(stranger).get(other, runs).content.decode()


def test_finished_runs_are_chosen_in_the_list(add_run: AddRun, manager: Member) -> None:
    client = sign_in(manager)
    first = add_run([6.0] * 9)
    assert "Compare" not in client.get("/projects/kitchen/runs/").content.decode()
    second, waiting = add_run([6.0] * 9), add_run([6.0] * 9, state=State.QUEUED)
    page = client.get(f"/projects/kitchen/runs/?run={second.pk}").content.decode()
    boxes = re.findall(
        r'<input type="checkbox" form="compare" name="run" value="(\d+)" (\w*)', page
    )
    assert boxes == [(str(second.pk), "checked"), (str(first.pk), "")]
    assert f"Compare run {waiting.pk}" not in page
    assert f'action="{URL}"' in page


def test_curves_lie_over_one_another(add_run: AddRun, manager: Member) -> None:
    one, other = add_run([6.0] * 9, steps=200), add_run([7.0] * 9, steps=100)
    linear, apart = add_run([6.0] * 9), add_run([7.0] * 9, steps=50, digest="other")
    page = get(manager, one, other, linear, apart)
    charts = drawn.charts(page)
    for key in ("plot-loss", "plot-accuracy"):
        lines = charts[key]["series"]
        assert [(line["style"], line["colour"], line["level"]) for line in lines] == [
            ("thin", "1", False), ("thin", "2", False), ("thin", "4", False),
            ("thick", "1", False), ("thick", "2", False), ("thick", "3", True),
        ]  # fmt: skip
        assert [line["x"][-1] for line in lines[:2]] == [200, 100]
        assert charts[key]["x"]["high"] == 200
    assert f"fitted at once: run {linear.pk}." in text_of(page)
    assert f"in the table only: run {apart.pk}." in text_of(page)
    table = page[page.index('id="curves-values"') : page.index('id="flips"')]
    for row in (f"Run {one.pk} 0 – 0.679 – 55.5 %", f"Run {linear.pk} 0 – 0.679 – 55.5 %"):
        assert row in text_of(table)
    assert re.search(rf"Run {one.pk} 200 0\.\d+ 0\.679 50\.0 % 55\.5 %", text_of(table))
    assert text_of(table).count(f"Run {one.pk} ") == 2
    assert 'id="curves"' not in get(manager, linear, add_run([7.0] * 9))


def test_hostile_text_is_only_text(
    add_run: AddRun, manager: Member, labeller: Member, add_prompt: Any, add_ranking: Any
) -> None:
    one, other = add_run([6.0] * 9, model=HOSTILE), add_run([7.0] * 9, optimizer=HOSTILE)
    prompt = add_prompt(f"Why {HOSTILE}?", [f"Good {HOSTILE}", f"Bad {HOSTILE}"])
    prompt.responses.update(source=HOSTILE)
    add_ranking(prompt, labeller, [1, 2])
    labeller.name = HOSTILE
    labeller.save()
    score(prompt, {one: (0.0, 1.0), other: (1.0, 0.0)})
    page = get(manager, one, other)
    assert HOSTILE not in page
    assert page.count(html.escape(HOSTILE)) >= 8
    assert f"Only run {other.pk} is right 1" in text_of(page)


def score(prompt: Any, rewards: dict[TrainingRun, tuple[float, ...]]) -> None:
    for run, values in rewards.items():
        for response, value in zip(prompt.responses.order_by("pk"), values, strict=True):
            Score.objects.create(run=run, response=response, reward=value)
        PromptAgreement.objects.create(
            run=run, prompt=prompt, comparisons=1, against=0, disagreement=0, held_out=True
        )


def test_the_queries_are_the_same_for_any_number_of_prompts_and_runs(
    add_run: AddRun, manager: Member, labeller: Member, add_prompt: Any, add_ranking: Any
) -> None:
    runs = [add_run([6.0] * 9), add_run([7.0] * 9), add_run([8.0] * 9)]
    numbers = []
    for chosen, prompts in ((runs[:2], 1), (runs, 24)):
        for number in range(prompts):
            prompt = add_prompt(f"Prompt {prompts} {number}?", ["Good", "Bad"])
            add_ranking(prompt, labeller, [1, 2])
            add_ranking(prompt, manager, [1, 2])
            score(prompt, {run: (0.0, 1.0) if run == runs[0] else (1.0, 0.0) for run in runs})
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page = get(manager, *chosen)
        numbers.append(len(queries))
    assert numbers[0] == numbers[1]
    assert "Page 1 of 3" in text_of(page)
    assert page.count('<article class="card flip"') == 10
    last = get(manager, *runs, first=runs[0].pk, second=runs[2].pk, kind="gained", page=3)
    assert last.count('<article class="card flip"') == 5
    none = get(manager, *runs, first=runs[1].pk, second=runs[2].pk)
    assert "There is no such pair." in none


def test_the_difference_is_that_of_the_accuracies(add_run: AddRun, manager: Member) -> None:
    """Equal rewards count one half in both."""
    one, other = add_run([6.5, 7.0, 3.5, 8.0, 9.5]), add_run([6.0, 7.5, 4.0, 8.5, 9.5])
    found = compare([one, other], "").runs[1].gain
    assert found is not None
    assert found.value == pytest.approx(other.held_out["accuracy"] - one.held_out["accuracy"])
