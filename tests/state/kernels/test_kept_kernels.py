"""Machine code is kept for one state of all kernel sources: a changed constant in any file compiles anew."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import state.kernels.cache
from state.feature_set import DIMENSION, FEATURE_SET, NAMES, Feature
from state.kernels.cache import SOURCES_STAMP, kernel_sources, sources_stamp
from state.kernels.columns import OWN_COLUMNS, STATIC_COLUMNS, TABLE_COLUMNS, ProductColumn

HERE = Path(state.kernels.cache.__file__).parent
CALLER = """
from state.kernels.called import called
from state.kernels.compiled import compiled

@compiled
def caller(x):
    return called(x)
"""
CALLED = """
from state.kernels.compiled import compiled
CONSTANT = {constant}

@compiled
def called(x):
    return x + CONSTANT
"""
RUN = """
from state.kernels.caller import caller
print(int(caller(1)), sum(caller.stats.cache_hits.values()), sum(caller.stats.cache_misses.values()))
"""


def outcome(root: Path, constant: int) -> list[int]:
    """The kernel's value, and how often its machine code was found and was not."""
    (root / "state" / "kernels" / "called.py").write_text(CALLED.format(constant=constant))
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(root / "caches")}
    command = [sys.executable, "-c", RUN]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
    return [int(number) for number in done.stdout.split()]


def test_a_changed_constant_never_meets_a_kernel_compiled_with_another(tmp_path: Path) -> None:
    kernels = tmp_path / "state" / "kernels"
    kernels.mkdir(parents=True)
    for package in (kernels.parent, kernels):
        (package / "__init__.py").touch()
    for name in ("compiled.py", "cache.py"):
        shutil.copy(HERE / name, kernels)
    shutil.copy(HERE.parent / "feature_set.py", kernels.parent)
    (kernels / "caller.py").write_text(CALLER)
    assert outcome(tmp_path, 10) == [11, 0, 1]
    assert outcome(tmp_path, 10) == [11, 1, 0], "unchanged sources find what was kept"
    assert outcome(tmp_path, 20) == [21, 0, 1], "the caller's own file did not change, and yet it is compiled anew"


def test_every_source_counts_in_the_stamp(tmp_path: Path) -> None:
    copies = [Path(shutil.copy(source, tmp_path)) for source in kernel_sources()]
    whole = sources_stamp(sorted(copies))
    for copy in copies:
        text = copy.read_text()
        copy.write_text(text + "# another\n")
        assert sources_stamp(sorted(copies)) != whole, copy.name
        copy.write_text(text)
    assert len(SOURCES_STAMP) == len(whole)


def test_names_of_features_are_those_that_the_feature_set_was_released_with() -> None:
    assert (FEATURE_SET, DIMENSION) == ("shop-3", 30)
    assert [feature.name.lower() for feature in Feature] == list(NAMES)
    assert [int(feature) for feature in Feature] == list(range(DIMENSION))
    assert (NAMES[0], NAMES[12], NAMES[-1]) == ("bias", "rate_times_category_share", "moment_match")


def test_the_columns_of_a_product_follow_each_other() -> None:
    assert [int(column) for column in ProductColumn] == list(range(len(ProductColumn)))
    assert [int(column) for column in OWN_COLUMNS] == list(range(STATIC_COLUMNS, STATIC_COLUMNS + len(OWN_COLUMNS)))
    assert len(ProductColumn) <= TABLE_COLUMNS
