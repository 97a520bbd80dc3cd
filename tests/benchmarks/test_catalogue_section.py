"""The section of a large catalogue, as far as it can be told without a stack."""

import pytest

from benchmarks.__main__ import SECTIONS
from benchmarks.plots import PLOTS
from benchmarks.sections import catalogue
from benchmarks.throughput import Load, as_if_live
from jobs.settings import load_settings


def test_each_section_has_a_plot() -> None:
    assert PLOTS.keys() == SECTIONS.keys()


@pytest.mark.parametrize("events", [1_000, catalogue.EVENTS, 1_000_000])
def test_a_job_accepts_the_windows_of_a_topic_of_any_size(events: int) -> None:
    settings = load_settings(None, as_if_live(Load("topic", events, 0, 1.0)), environ={})
    assert settings.popularity.window_ms == 60 * settings.popularity.slide_ms
