"""Makes the golden work directory of the release that is checked out: `python -m tests.golden.make VERSION`.

Run once per release, from its own commit; the file is never made anew. It holds what `down --keep-data` keeps.
"""

import json
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from cli.stack import control
from jobs.settings import load_settings
from tests.golden import kept_shop
from tests.integration.conftest import Stack
from tests.integration.shop import now_ms, open_shop

HERE = Path(__file__).parent


def main(version: str) -> None:
    """Fills a stack, stops it with a savepoint, and packs its data."""
    with tempfile.TemporaryDirectory(prefix="golden-") as folder:
        workdir = Path(folder) / "stack"
        try:
            record = control.start_stack(load_settings(None, kept_shop.SETTINGS, environ={}), workdir)
            settings = control.job_settings(workdir)
            stack = Stack(record.kafka, record.redis, record.flink, workdir, settings, "embedded")
            expected = _fill(stack)
            assert control.stop_stack(workdir, keep_data=True) is not None
            _pack(workdir, HERE / f"stack-{version}.tar.xz")
            (HERE / f"stack-{version}.json").write_text(
                json.dumps(expected, sort_keys=True, separators=(",", ":")) + "\n"
            )
        finally:
            control.stop_stack(workdir)


def _fill(stack: Stack) -> dict[str, object]:
    base_ms = now_ms() - 2 * 3_600_000
    with open_shop(stack, keeps_products=True) as shop:
        inputs = kept_shop.fill(shop, base_ms)
        for session, count in inputs.items():
            shop.profile_when(session, lambda found, n=count: sum(found["counts"].values()) == n)  # type: ignore[misc]
        shop.records_when("dead_letters", lambda record: True, 3)
        closed_ms = base_ms + 60 * kept_shop.MINUTE_MS
        shown = len(inputs) * 5  # at most; the first sessions saw fewer products
        read: list[float] = [-1.0]
        while read[-1] <= shown / 2 or read[-4:] != read[-1:] * 4:
            kept_shop.pass_by(shop, closed_ms, f"passer-{len(read)}")
            time.sleep(1.0)
            read.append(kept_shop.exposures(shop))
        return {"base_ms": base_ms, "closed_ms": closed_ms, "inputs": inputs} | kept_shop.seen_of(shop, inputs)


def _pack(workdir: Path, target: Path) -> None:
    """Without what belongs to the run alone: a savepoint needs no checkpoints and no log of changes."""
    with tarfile.open(target, "w:xz", preset=9) as archive:
        for part in ("kafka", "redis", "savepoints", "resume.json", "jobs.json", "buckets", "user_salt"):
            archive.add(workdir / "data" / part, f"data/{part}")


if __name__ == "__main__":
    main(sys.argv[1])
