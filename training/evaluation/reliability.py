"""The reliability diagram, which shows how often each confidence comes true."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from training.evaluation.formatting import percent

SIDE = 440
MARGIN = 60
INK, GRID, BAR = "#222222", "#dddddd", "#9fb8d6"


def reliability_diagram(calibration: dict[str, Any]) -> NDArray[np.uint8]:
    """Draw the bins of metrics.calibration, and return the picture (height, width, 3).

    The height of a bar is how often a confidence came true; a calibrated model's bars end on the
    diagonal.
    """
    image = Image.new("RGB", (SIDE + 2 * MARGIN, SIDE + 2 * MARGIN), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(14)
    total = sum(each["comparisons"] for each in calibration["bins"])

    def at(confidence: float, accuracy: float) -> tuple[float, float]:
        return MARGIN + SIDE * (confidence - 0.5) * 2, MARGIN + SIDE * (1 - accuracy)

    def write(x: float, y: float, text: str, anchor: str) -> None:
        draw.text((x, y), text, fill=INK, anchor=anchor, font=font)

    for tenth in range(0, 11, 2):
        left, y = at(0.5, tenth / 10)
        draw.line([(left, y), at(1.0, tenth / 10)], fill=GRID)
        write(left - 8, y, percent(tenth / 10, 0), "rm")
    for tenth in range(5, 11):
        write(at(tenth / 10, 0)[0], SIDE + MARGIN + 8, percent(tenth / 10, 0), "mt")
    for each in calibration["bins"]:
        if each["comparisons"]:
            (left, top), (right, bottom) = at(each["low"], each["accuracy"]), at(each["high"], 0)
            draw.rectangle([left + 2, top, right - 2, bottom], fill=BAR)
            size = percent(each["comparisons"] / total, 0)
            write((left + right) / 2, bottom - 4, size, "mb")
    draw.line([at(0.5, 0.5), at(1.0, 1.0)], fill=INK, width=2)
    write(MARGIN, MARGIN / 2, "Comparisons in which people prefer what the model prefers", "lm")
    below = (
        f"Confidence of the model. In the bars: share of comparisons. ECE {calibration['ece']:.3f}"
    )
    write(MARGIN, SIDE + MARGIN * 1.7, below, "lm")
    return np.asarray(image)
