"""Batches of the session operator's inputs, as they come from the JVM."""

from pyflink.common import Row

from operators.session.batch import Input, Kind, read_batch


def test_each_input_of_a_batch_has_its_kind_and_its_own_partition() -> None:
    places = "3 17 1763770000000 -1 5 1763770000001 -8 6 1763770000002 0 7 -5000 "
    row = Row(["a", "b", "c", "d"], [b"{}", None, b"h", b"{}"], [b"a", None, b"c", b"d"], places)
    assert list(read_batch(row)) == [
        Input(Kind.EVENT, "a", b"{}", b"a", 3, 17, 1_763_770_000_000),
        Input(Kind.HINT, "b", None, None, 0, 5, 1_763_770_000_001),
        Input(Kind.HINT, "c", b"h", b"c", 7, 6, 1_763_770_000_002),
        Input(Kind.EVENT, "d", b"{}", b"d", 0, 7, 0),
    ]
