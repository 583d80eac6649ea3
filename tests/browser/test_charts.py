"""Charts in the browser: hover and keys tell values, live parts are drawn again, light and dark."""

from typing import Any

from playwright.sync_api import Page, expect

from labelapp.models import Member, State, TrainingRun
from labelapp.runs import process
from tests.browser.conftest import As
from tests.browser.finished_runs import start_run
from tests.waiting import wait_until

INKED = """figure => {
  const canvas = figure.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const inks = new Set();
  for (let at = 0; at < data.length; at += 4)
    if (data[at + 3] === 255) inks.add(data.slice(at, at + 3).join());
  return [...inks];
}"""

SHOWN = """figure => {
  const { min, max } = figure.querySelector("podium-chart").plot.scales.x;
  return [min, max];
}"""
LAST_STEP = 'figure => figure.querySelector("podium-chart").chart.x.high'


def shown(page: Page) -> list[float]:
    """Return the steps at the ends of the axis of the loss."""
    found: list[float] = page.locator("#plot-loss").evaluate(SHOWN)
    return found


def running(manager: Member, steps: int = 4) -> TrainingRun:
    run = start_run(manager, state=State.RUNNING, stage="training", total=9, folder="runs/9-drawn")
    process.run_folder(run).path.mkdir(parents=True)
    for step in range(1, steps + 1):
        log(run, step)
    return run


def log(run: TrainingRun, step: int) -> None:
    line = {"step": step, "loss": 1 / step, "accuracy": 0.5, "learning_rate": 0.001}
    process.run_folder(run).append_metric_line(line)


def open_curves(page: Page, url: str, run: TrainingRun) -> None:
    page.goto(f"{url}/projects/kitchen/runs/{run.pk}/curves/?smoothing=none")
    expect(page.locator("#plot-loss canvas")).to_be_visible()


def inks(page: Page) -> set[str]:
    found = page.locator("#plot-loss").evaluate(INKED)
    assert len(found) > 2  # lines, labels and a grid
    return set(found)


def test_a_chart_tells_its_values_by_pointer_and_by_keys(
    live_server: Any, sign_in_as: As, manager: Member
) -> None:
    page = sign_in_as(manager)
    open_curves(page, live_server.url, running(manager))
    chart = page.get_by_role("img", name="Loss. loss by step. Training: 1.000 at first")
    box = chart.locator(".u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(chart.locator(".chart-tip")).to_contain_text("step: 2")
    expect(chart.locator(".chart-tip")).to_contain_text("0.500")
    chart.focus()
    page.keyboard.press("End")
    expect(chart.locator(".chart-tip")).to_contain_text("step: 4")
    page.keyboard.press("ArrowLeft")
    expect(chart.locator(".chart-tip")).to_contain_text("0.333")
    expect(page.locator("#plot-loss [role=status]")).to_have_text("step: 3; Training 0.333")
    page.keyboard.press("Escape")
    expect(chart.locator(".chart-tip")).to_be_hidden()
    accuracy = page.locator("#plot-accuracy podium-chart")
    accuracy.focus()
    page.keyboard.press("Home")
    expect(accuracy.locator(".chart-tip")).to_contain_text("50.0\u202f%")


def test_a_chart_is_drawn_again_as_a_run_goes_on_and_keeps_its_zoom(
    live_server: Any, sign_in_as: As, manager: Member
) -> None:
    page = sign_in_as(manager)
    run = running(manager)
    open_curves(page, live_server.url, run)
    over = page.locator("#plot-loss .u-over")
    box = over.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.4, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, middle, steps=4)
    page.mouse.up()
    wait_until(lambda: shown(page)[0] > 1)
    zoomed = shown(page)
    log(run, 5)
    wait_until(lambda: page.locator("#plot-loss").evaluate(LAST_STEP) == 5)
    assert shown(page) == zoomed
    assert page.url.endswith("smoothing=none")
    over.dblclick()
    wait_until(lambda: shown(page) == [0, 5])


def test_a_chart_follows_the_appearance_and_the_width(
    live_server: Any, sign_in_as: As, manager: Member
) -> None:
    page = sign_in_as(manager)
    page.emulate_media(color_scheme="light")
    open_curves(page, live_server.url, running(manager))
    light = inks(page)
    page.emulate_media(color_scheme="dark")
    wait_until(lambda: light.isdisjoint(inks(page)))
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    wait_until(lambda: inks(page) & light)
    page.set_viewport_size({"width": 390, "height": 844})
    canvas = page.locator("#plot-loss canvas")
    wait_until(lambda: 200 < (canvas.bounding_box() or {"width": 0})["width"] < 390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_values_are_read_without_javascript(
    live_server: Any, sign_in_as: As, manager: Member, browser: Any
) -> None:
    run = running(manager)
    run.metrics = {
        "held_out": {
            "prompts": 9, "rankings": 9, "comparisons": 60, "accuracy": 0.6,
            "accuracy_low": 0.5, "accuracy_high": 0.7,
            "baselines": {"longer_wins": {"accuracy": 0.55}},
        }
    }  # fmt: skip
    run.save()
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies(sign_in_as(manager).context.cookies())
    page = context.new_page()
    page.goto(f"{live_server.url}/projects/kitchen/runs/{run.pk}/")
    row = page.get_by_role("row", name="This run")
    expect(row).to_contain_text("60.0\u202f%")
    expect(row).to_contain_text("50.0–70.0")
    page.goto(f"{live_server.url}/projects/kitchen/runs/{run.pk}/curves/")
    expect(page.get_by_role("cell", name="0.333").first).to_be_visible()
    expect(page.locator("podium-chart").first).to_be_hidden()
    context.close()
