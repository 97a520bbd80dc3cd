"""Records that do not fit in memory come back from the disk as they were."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from cli.replay.spool import Spool

RECORDS = st.lists(st.tuples(st.none() | st.binary(max_size=20), st.binary(max_size=40)), max_size=30)


@given(RECORDS, st.sampled_from([1, 10, 10_000]), st.randoms(use_true_random=False))
def test_records_come_back_in_any_order(records: list[tuple[bytes | None, bytes]], memory: int, random: Random) -> None:
    spool = Spool(memory)
    for key, value in records:
        spool.append(key, value)
    order = list(range(len(records)))
    random.shuffle(order)
    assert len(spool) == len(records)
    assert [spool[index] for index in order] == [records[index] for index in order]
