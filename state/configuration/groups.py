"""What sessions may be told apart by, for effects that are learned beside the features."""

REGION, DEVICE, HOUR = 1, 2, 4
"""Bits of a group's parts, see `state/session/group.py`."""
LONGEST_BYTES = 200
"""Of a group's name."""
