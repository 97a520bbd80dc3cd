"""Finding candidates."""

from typing import Any

import numpy as np

from state.kernels.compiled import compiled


@compiled
def gather(own: Any, spans: Any, pool: Any, usable: Any, disliked: Any, uniforms: Any, stamp: Any, mark: int) -> Any:
    """Candidate rows, each once: `own` (k,), then the first of each of the `spans` (s, 2: start and count) of `pool`, then rows of
    the pool drawn with `uniforms` (limit,) until there are `limit`; all of the pool where it holds no more than are missing.

    `usable` (rows,) says which rows may be shown, `disliked` which may not all the same. `stamp` (rows,) is scratch, in which
    no row holds `mark`.
    """
    limit = len(uniforms)
    out = np.empty(limit, np.int64)
    for row in disliked:
        stamp[row] = mark
    found = 0
    for row in own:
        if found < limit and stamp[row] != mark and usable[row]:
            stamp[row] = mark
            out[found] = row
            found += 1
    for s in range(len(spans)):
        for i in range(spans[s, 0], spans[s, 0] + spans[s, 1]):
            row = pool[i]
            if found < limit and stamp[row] != mark and usable[row]:
                stamp[row] = mark
                out[found] = row
                found += 1
    missing = limit - found
    size = len(pool)
    for i in range(min(missing, size)):
        row = pool[i] if size <= missing else pool[int(uniforms[i] * size)]
        if stamp[row] != mark and usable[row]:
            stamp[row] = mark
            out[found] = row
            found += 1
    return out[:found]
