"""Why each product of a catalogue is held: because its category lists it, or because it was asked for."""

from collections.abc import Sequence

import numpy as np

from state.catalogue.product_rows import FIRST_ROWS, Rows

EVICTED_SHARE = 64
"""One of so many of the products that were asked for goes when room is needed: finding them takes a look at all."""


class Residents:
    """Columns by row of the catalogue: `lister` (rows,), the code of the category that lists it, 0 for none, and `version` (rows,),
    as of when its facts are. `asked` are the rows of products that were asked for."""

    def __init__(self) -> None:
        self.lister: Rows = np.zeros(FIRST_ROWS, dtype=np.int64)
        self.version: Rows = np.zeros(FIRST_ROWS, dtype=np.int64)
        self.asked: set[int] = set()
        self._listed: dict[int, Rows] = {}

    def make_room(self, rows: int) -> None:
        """Bring the columns to so many rows."""
        if rows == len(self.lister):
            return
        more = np.zeros(rows - len(self.lister), dtype=np.int64)
        self.lister, self.version = np.concatenate([self.lister, more]), np.concatenate([self.version, more])

    def leave(self, row: int) -> None:
        """Free a row that stands for nothing any more."""
        self.lister[row] = self.version[row] = 0
        self.asked.discard(row)

    def list_category(self, code: int, rows: Rows) -> list[int]:
        """Return the category lists these rows from now on, and no others; return those that nothing holds any longer."""
        former = self._listed.pop(code, _NO_ROWS)
        former = former[self.lister[former] == code]
        self.lister[former] = 0
        self.lister[rows] = code
        if len(rows):
            self._listed[code] = rows
        gone = former[self.lister[former] == 0]
        return [row for row in gone.tolist() if row not in self.asked]

    def longest_unused(self, used: Rows) -> Sequence[int]:
        """Return rows to give up, those used longest ago by `used` (rows,); a category's list is kept whole."""
        rows = np.fromiter(self.asked, dtype=np.int64, count=len(self.asked))
        rows = rows[self.lister[rows] == 0]
        if not len(rows):
            return []
        count = max(1, len(rows) // EVICTED_SHARE)
        chosen: list[int] = rows[np.argpartition(used[rows], count - 1)[:count]].tolist()
        return chosen


_NO_ROWS: Rows = np.zeros(0, dtype=np.int64)
