"""After each fault the job runs again by itself, every input is found again, and the model has learned what its topics say.

`make faults` goes through all of them, `make test` through the short ones.
"""

import pytest

from tests.faults.faults import FAULTS
from tests.faults.scenario import Fault, Row, go_through
from tests.faults.world import World


def _parameters() -> list[object]:
    """All need a stack; those that are not short only run when asked for."""
    return [
        pytest.param(
            fault, id=fault.name, marks=[pytest.mark.integration, *([] if fault.is_short else [pytest.mark.faults])]
        )
        for fault in FAULTS
    ]


@pytest.mark.parametrize("fault", _parameters())
def test_nothing_is_lost(world: World, rows: list[Row], fault: Fault) -> None:
    row = Row(fault.name)
    rows.append(row)
    go_through(world, fault, row)
