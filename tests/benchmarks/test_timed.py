"""The clock around the session operator's calls."""

from benchmarks.stages import timed_stages
from benchmarks.timed import STAGES


def test_every_stage_is_a_call_that_there_is() -> None:
    with timed_stages(STAGES) as clock:
        assert clock.seconds == {}
    for stage in STAGES:
        assert stage.attribute in vars(stage.owner), stage
