"""The model as it travels."""

from typing import Literal

import msgspec

from state.codec import damaged, unpack
from state.model.drift import DriftState
from state.model.sums import Sums

SNAPSHOT_MOST_BYTES = 512 * 1024
"""What readers of the topic rely on."""
_VERSION = b"\x02"
_READABLE = (b"\x01", _VERSION)
"""A snapshot of version 1 lacks the last fields, which have defaults."""


class Snapshot(msgspec.Struct, array_like=True, frozen=True):
    """A published model: `model_version` is the time of publication in ms.

    Per product, weighted as of `model_version`: `counts`, two float64, are exposures n and reward R; `residuals`, two float32,
    are R less what the snapshot's θ predicts of those exposures, except the features of the product's own rate, and their
    summed category shares, with which whoever knows the product's present rate can take off the rest. `lineage` names the learner
    that published it, `learned_from` what its numbers mean (rewards and exposures), see `meaning_of`. `river` is a river model as
    `RiverLearner` writes it, empty without one. `form` is `shared` or `disjoint`; then `arms` holds float64 statistics of each
    product's own model, see `state.model.disjoint`. `watched` says what is known of drift, by variant. `cells` names products in
    regions, see `state.model.cells`; `cell_counts` and `cell_residuals` are as those of products. Where `examination` is `cascade`,
    counts and residuals are without what was passed over; `sums` hold all that was learned, see `state.model.examination`, but of a
    model of the cascade that was taken over what it had looked at.
    """

    model_version: int
    feature_set: str
    variant: str
    ridge: float
    sums: bytes
    product_ids: list[str]
    counts: bytes
    residuals: bytes
    lineage: str = ""
    learned_from: str = ""
    river: bytes = b""
    form: str = "shared"
    arms: bytes = b""
    watched: list[DriftState] = []
    cells: list[str] = []
    cell_counts: bytes = b""
    cell_residuals: bytes = b""
    examination: Literal["all", "cascade"] = "all"

    def seen(self, sums: Sums) -> Sums:
        """Return of its sums what is learned from."""
        return sums.looked_at() if self.examination == "cascade" else sums

    def encode(self) -> bytes:
        """Return versioned bytes."""
        return _VERSION + msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> "Snapshot":
        """Invert `encode`.

        Raises:
            UnreadableError: the version is unknown, or the bytes are damaged or too many.
        """
        if len(data) > SNAPSHOT_MOST_BYTES:
            raise damaged("the model snapshot", f"it has {len(data)} bytes, at most {SNAPSHOT_MOST_BYTES} are read")
        return unpack(data, _READABLE, _decoder, "a model snapshot")


_decoder = msgspec.msgpack.Decoder(Snapshot)
