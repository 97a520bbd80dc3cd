"""What a reader keeps has a bound and an end, in memory and on disk."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from serving.reader.kept import ENTRY_BYTES, KeptList, KeptLists, KeptProfiles
from serving.reader.popular import PopularList, read_popular
from serving.reader.settings import ReaderSettings
from serving.reader.static_list import StaticList
from serving.reader.stored import StoredProfile
from tests.serving.redis_data import NOW_MS, list_of

names = st.integers(0, 9).map(str)


def kept(size: int) -> StoredProfile:
    return StoredProfile(b"x" * size, 1, 1, 1, 1, 0.0)


@given(st.lists(st.tuples(st.sampled_from(["put", "get", "drop"]), names, st.integers(0, 3_000))))
def test_profiles_never_exceed_their_bounds(steps: list[tuple[str, str, int]]) -> None:
    profiles = KeptProfiles(4, 4 * ENTRY_BYTES + 5_000)
    sizes: dict[str, int] = {}
    for what, name, size in steps:
        if what == "put":
            profiles.put(name, kept(size))
            sizes[name] = size
        elif what == "drop":
            profiles.drop(name)
            assert profiles.get(name) is None
        else:
            found = profiles.get(name)
            assert found is None or len(found.raw) == sizes[name]
        assert len(profiles) <= 4
        assert 0 <= profiles.bytes <= 4 * ENTRY_BYTES + 5_000
    for name in sizes:
        profiles.drop(name)
    assert (len(profiles), profiles.bytes) == (0, 0)


def test_the_longest_unused_profile_makes_room() -> None:
    profiles = KeptProfiles(2, 1_000_000)
    profiles.put("a", kept(1))
    profiles.put("b", kept(1))
    profiles.get("a")
    profiles.put("c", kept(1))
    assert [profiles.get(name) is not None for name in "abc"] == [True, False, True]


def test_lists_of_regions_that_never_were_make_room_for_others() -> None:
    lists = KeptLists(3)
    for number in range(100):
        lists.put(str(number), KeptList(None, 0.0))
    assert len(lists) == 3
    assert lists.get("99") is not None


def read(region: str = "_all", updated_at: int = NOW_MS, products: int = 3) -> PopularList:
    found = read_popular(list_of(region, products, updated_at), 20, 30_000)
    assert found is not None
    return found


def static(path: Path, counted: list[str] | None = None) -> StaticList:
    settings = ReaderSettings(static_file=str(path), static_interval_ms=60_000)
    return StaticList(settings, lambda name, count: (counted if counted is not None else []).append(name))


def test_without_a_file_the_shipped_list_is_empty(tmp_path: Path) -> None:
    assert static(tmp_path / "list.json").newest.is_empty
    assert static(Path()).newest.is_empty


def test_the_newest_list_is_on_disk_for_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "list.json"
    first = static(path)
    first.offer(read(), 0.0)
    first.wait()
    assert static(path).newest.raw == list_of("_all")
    assert [entry.name for entry in path.parent.iterdir()] == ["list.json"]


def test_it_is_written_now_and_then_and_only_if_newer(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    kept_list = static(path)
    for now_s, updated_at in ((0.0, NOW_MS), (59.0, NOW_MS + 1)):
        kept_list.offer(read(updated_at=updated_at), now_s)
        kept_list.wait()
    assert path.read_bytes() == list_of("_all", updated_at=NOW_MS)
    assert kept_list.newest.updated_at_ms == NOW_MS + 1
    kept_list.offer(read(updated_at=NOW_MS + 2), 60.0)
    kept_list.offer(read(updated_at=NOW_MS - 5), 300.0)
    kept_list.wait()
    assert path.read_bytes() == list_of("_all", updated_at=NOW_MS + 2)


def test_an_empty_list_replaces_nothing(tmp_path: Path) -> None:
    kept_list = static(tmp_path / "list.json")
    kept_list.offer(read(), 0.0)
    kept_list.offer(read(updated_at=NOW_MS + 9, products=0), 99.0)
    assert kept_list.newest.raw == list_of("_all")


def test_garbage_and_a_place_that_takes_no_file_harm_nothing(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_bytes(b"\xff{")
    assert static(path).newest.is_empty
    counted: list[str] = []
    blocked = static(path / "under-a-file.json", counted)
    blocked.offer(read(), 0.0)
    blocked.wait()
    assert counted == ["static_list_not_written"]
    assert blocked.newest.raw == list_of("_all")
