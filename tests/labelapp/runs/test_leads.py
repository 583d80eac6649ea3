"""A model's lead over the baselines, in words."""

from labelapp.runs import leads


def test_a_verdict_is_about_every_baseline() -> None:
    def judged(*found: tuple[float, float]) -> leads.ShortVerdict | None:
        baselines = {
            name: {"accuracy": 0.6, "gain": value, "gain_low": low, "gain_high": value + 0.1}
            for name, (value, low) in zip(("longer_wins", "word_counts"), found, strict=True)
        }
        return leads.verdict({"prompts": 20, "accuracy": 0.7, "baselines": baselines})

    words = [judged((0.2, 0.1), (0.1, 0.01)), judged((0.2, 0.1), (0.1, -0.1))]
    words.append(judged((0.2, 0.1), (-0.1, -0.2)))
    assert [one.words for one in words if one] == [
        "Worth using",
        "Not proven",
        "Not worth using",
    ]
    few = leads.verdict(
        {
            "prompts": 1,
            "accuracy": 1.0,
            "baselines": {"longer_wins": {"accuracy": 0.5, "gain": 0.5}},
        }
    )
    assert few is not None
    assert few.words == "Not known"
    assert leads.verdict({}) is None
