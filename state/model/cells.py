"""Names of the rows that stand next to the products' own in one table of sums, which no product can have.

A cell is a product in a region. What was passed over of a product, or of a cell, see `state.model.examination`, is counted in a row
of its own too.
"""

from collections.abc import Iterable, Sequence

from state.configuration.groups import LONGEST_BYTES
from state.events.event import LONGEST_ID

_CELL, _PASSED = "\x1f", "\x1e"
"""What comes from outside may have them too; `group_of` lets none into a region, and an id that begins with one has no row."""


def cell_of(region: str, product_id: str) -> str:
    """Return the name of a product's cell in a region."""
    return f"{_CELL}{region}{_CELL}{product_id}"


def passed_of(name: str) -> str:
    """Return the name of what was passed over of a product or a cell."""
    return _PASSED + name


def is_cell(name: str) -> bool:
    """Return whether a name is a cell's."""
    return name.startswith(_CELL)


def is_product(name: str) -> bool:
    """Return whether a name is a product's own."""
    return not name.startswith((_CELL, _PASSED))


def parts_of(name: str) -> tuple[str, str]:
    """Return a cell's region and product, empty where the name is none of `cell_of`."""
    parts = name.split(_CELL, 2)
    return (parts[1], parts[2]) if len(parts) == 3 and not parts[0] else ("", "")


def is_sound(name: str) -> bool:
    """Return whether a product or a cell of that name, or what was passed over of one, can be learned."""
    of = name.removeprefix(_PASSED)
    if is_cell(of):
        return is_sound_cell(of) and is_product(parts_of(of)[1])
    return is_product(of) and 0 < len(of) <= LONGEST_ID


def is_sound_cell(name: str) -> bool:
    """Return whether it is a cell's name, with parts that are neither empty nor too long."""
    region, product_id = parts_of(name)
    return 0 < len(region) <= LONGEST_BYTES and 0 < len(product_id) <= LONGEST_ID


def products_and_cells(names: Sequence[str], rows: Iterable[int]) -> tuple[list[int], list[int]]:
    """Return which of the rows are products', and which are cells', in their order."""
    products: list[int] = []
    cells: list[int] = []
    for row in rows:
        if is_product(names[row]):
            products.append(row)
        elif is_cell(names[row]):
            cells.append(row)
    return products, cells
