"""Hashes of names for Python, as the kernels compute them."""

import numpy as np

from state.kernels.core.record import key_of
from state.kernels.core.text import PADDING, hash_of


def hash_bytes(text: bytes) -> int:
    """Return the kernels' hash of a text."""
    return int(hash_of(np.frombuffer(text + bytes(PADDING), np.uint8).ctypes.data, len(text)))


def key_bytes(kind: int, name: bytes) -> int:
    """Return the hash by which the kernels find a list of that kind and name."""
    return int(key_of(kind, np.frombuffer(name + bytes(PADDING), np.uint8).ctypes.data, len(name)))
