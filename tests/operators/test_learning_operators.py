"""The learner's and the model's operators: publishing, restarts, an earlier job's model, commands."""

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
import pytest
from pyflink.datastream import TimeDomain

from operators.build import BUILD_ID
from operators.model.learner import LearnerOperator
from operators.model.operator import ModelOperator
from operators.names import CHANGE_SUFFIX, MODEL_KEY
from state.choosing.variants import conditions_by_key, learners_of
from state.configuration import Bandit
from state.feature_set import DIMENSION
from state.model.archive import ARCHIVE_INTERVAL_MS, ARCHIVE_SIZE
from state.model.change import Change, LiveModel
from state.model.exposure_metrics import exposure_spread
from state.model.learner import ShardUpdate
from state.model.model_input import Command, encode_update
from state.model.predictor import Predictor
from state.model.snapshot import Snapshot
from state.model.sums import Sums
from tests.operators.flink_fakes import Context, RuntimeContext
from tests.state.model.test_learning import base_of, made_examples, reference
from tests.state.shop import T0, make_merger, settings

CONDITIONS = make_merger().conditions
CHANGE = MODEL_KEY + CHANGE_SUFFIX


class Bench:
    """Both operators in a row; `restart` makes them anew over the same state."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ms = T0
        monkeypatch.setattr("operators.model.operator.wall_clock_ms", lambda: self.now_ms)
        self.contexts = (Context(), Context())
        self.runtimes = tuple(map(RuntimeContext, self.contexts))
        self.published: list[tuple[bytes, bytes | None]] = []
        self.restart()

    def restart(self) -> None:
        self.learner = LearnerOperator({CONDITIONS.key: Bandit()}, BUILD_ID)
        self.model = ModelOperator({CONDITIONS.key: CONDITIONS}, Bandit(), BUILD_ID)
        self.learner.open(self.runtimes[0])
        self.model.open(self.runtimes[1])

    def learn(self, examples: list[Any], shard: int = 0) -> None:
        self.contexts[0].key = f"{CONDITIONS.key}/{shard}"
        self.pass_on(self.learner.process_element((msgspec.msgpack.encode(examples),), self.contexts[0]))

    def receive(self, message: bytes, model: str = CONDITIONS.key) -> None:
        self.contexts[1].key = model
        self.model.process_element(message, self.contexts[1])

    def tick(self) -> None:
        """Fires all timers of the model."""
        for key, due_ms in self._due(self.contexts[1]):
            self.contexts[1].key = key
            self.published.extend(row._values for row in self.model.on_timer(due_ms, self.contexts[1]))

    def pass_on(self, updates: Iterable[Any]) -> None:
        for row in updates:
            self.receive(row._values[1], row._values[0])

    def theta(self) -> Any:
        return Predictor(self.newest()).theta

    def newest(self) -> Snapshot:
        """The model as a reader of the topic has it."""
        live = LiveModel()
        for key, value in self.published:
            if b"@" not in key and value is not None:
                live.apply(value)
        assert live.newest is not None
        return live.newest

    @staticmethod
    def _due(context: Context) -> list[tuple[str, int]]:
        due, context.domain = sorted(context.processing_timers), TimeDomain.PROCESSING_TIME
        context.processing_timers.clear()
        return due


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def expect(theta: Any, examples: list[Any]) -> None:
    np.testing.assert_allclose(theta, reference(examples, None, T0, 1.0), rtol=1e-9, atol=1e-12)


def test_examples_of_all_shards_become_one_model(bench: Bench) -> None:
    examples = made_examples(1, 40)
    bench.learn(examples[:30], shard=0)
    bench.learn(examples[30:], shard=1)
    bench.tick()
    expect(bench.theta(), examples)


def test_a_whole_snapshot_tells_how_evenly_products_are_exposed(bench: Bench) -> None:
    """Not a change: the whole of an interval is enough."""
    bench.learn(made_examples(1, 40))
    bench.tick()
    gauges = bench.runtimes[1].distributions
    spread = exposure_spread(Predictor(bench.newest()).statistics[:, 0])
    assert spread.products > 1
    assert gauges["exposed_products"].value == spread.products
    assert gauges["exposure_gini_permille"].value == round(1_000 * spread.gini)
    assert gauges["exposure_tail_permille"].value == round(1_000 * spread.tail_share)


def test_a_restart_loses_and_repeats_nothing(bench: Bench) -> None:
    examples = made_examples(2, 60)
    for start in range(0, 60, 20):
        bench.learn(examples[start : start + 20])
        bench.restart()
        bench.tick()
        bench.restart()
    expect(bench.theta(), examples)


def test_the_model_of_an_earlier_job_is_taken_over_once(bench: Bench) -> None:
    before, after = made_examples(3, 30), made_examples(4, 30)
    bench.learn(after)
    bench.tick()
    bench.receive(base_of(before).encode())
    bench.tick()
    own = bench.published[0][1]
    assert own is not None
    bench.receive(own)
    bench.receive(base_of(before).encode())
    bench.restart()
    bench.learn(after[:1])
    bench.tick()
    expect(bench.theta(), before + after + after[:1])


def test_a_job_that_lost_its_first_state_does_not_learn_from_its_own_model(bench: Bench) -> None:
    """It died before a checkpoint held what it had learned, reads all inputs again, and finds what it had published meanwhile."""
    bandit, examples, before = Bandit(lineage="of-this-data"), made_examples(8, 30), made_examples(9, 30)

    def begin_anew() -> None:
        bench.contexts = (Context(), Context())
        bench.runtimes = tuple(map(RuntimeContext, bench.contexts))
        bench.restart()
        bench.model = ModelOperator({CONDITIONS.key: CONDITIONS}, bandit, BUILD_ID)
        bench.model.open(bench.runtimes[1])

    begin_anew()
    bench.receive(base_of(before).encode())
    bench.learn(examples)
    bench.tick()
    topic = [base_of(before).encode(), *(value for key, value in bench.published if value is not None)]
    bench.now_ms += 60_000
    begin_anew()
    for record in topic:
        bench.receive(record)
    bench.learn(examples)
    bench.tick()
    expect(bench.theta(), before + examples)


def test_an_import_replaces_what_was_learned(bench: Bench) -> None:
    bench.learn(made_examples(5, 30))
    bench.tick()
    imported = base_of(made_examples(6, 30))
    bench.receive(Command("import", T0, imported.encode()).encode())
    bench.tick()
    expect(bench.theta(), made_examples(6, 30))


def test_what_cannot_be_used_changes_nothing_and_is_counted(bench: Bench) -> None:
    examples = made_examples(7, 30)
    bench.learn(examples)
    bench.receive(b"\xffwhatever")
    bench.receive(Command("import", T0, base_of(examples, feature_set="another").encode()).encode())
    bench.tick()
    expect(bench.theta(), examples)
    counters = bench.runtimes[1].counters
    assert (counters["models_unreadable"].count, counters["models_incompatible"].count) == (1, 1)


def test_messages_with_unsound_models_change_nothing_and_are_counted(bench: Bench) -> None:
    examples = made_examples(7, 30)
    bench.learn(examples)
    sound = base_of(made_examples(8, 40))
    sums = Sums.decode(sound.sums)
    sums.a[0, 0] = np.inf
    own = Sums(3, None).encode()
    unsound = [
        msgspec.structs.replace(sound, sums=sums.encode()),
        msgspec.structs.replace(sound, sums=own, product_ids=[], counts=b"", residuals=b""),
        msgspec.structs.replace(sound, sums=b"\x02" + b"x" * 79),
        msgspec.structs.replace(sound, counts=np.full(2 * len(sound.product_ids), -9.0).tobytes()),
    ]
    for snapshot in unsound:
        bench.receive(Command("import", T0, snapshot.encode()).encode())
        bench.receive(msgspec.structs.replace(snapshot, lineage="earlier", model_version=T0 - 1).encode())
    bench.receive(encode_update(ShardUpdate(f"{CONDITIONS.key}/0", own, {})))
    bench.receive(encode_update(ShardUpdate(f"{CONDITIONS.key}/0", Sums(DIMENSION, None).encode(), {"p": b"\x00" * 8})))
    bench.tick()
    expect(bench.theta(), examples)
    assert bench.runtimes[1].counters["models_unreadable"].count == 2 * len(unsound) + 2
    more = made_examples(9, 10)
    bench.learn(more)
    bench.tick()
    expect(bench.theta(), examples + more)


def test_after_a_record_that_was_refused_the_topic_gets_the_whole_model_again(bench: Bench) -> None:
    examples = made_examples(7, 30)
    bench.learn(examples)
    bench.tick()
    bench.now_ms += 1_000
    bench.published.clear()
    bench.receive(b"\x02damaged")
    bench.tick()
    assert [key for key, _ in bench.published] == [MODEL_KEY]
    expect(bench.theta(), examples)


def test_state_of_a_release_that_took_an_unsound_model_over_is_opened_without_it(bench: Bench) -> None:
    examples = made_examples(7, 30)
    bench.learn(examples)
    merger = bench.model._mergers[CONDITIONS.key]
    poisoned = Sums(DIMENSION, None)
    poisoned.a[:] = np.nan
    merger.base_sums, merger.shards["other/0"] = poisoned, Sums(3, None).encode()
    bench.model._products.put("poisoned", np.full(DIMENSION + 2, np.nan).tobytes())
    bench.model._base.update(msgspec.structs.replace(base_of(examples), sums=poisoned.encode()).encode())
    bench.model._merged.update(merger.encode())
    bench.restart()
    bench.learn([])
    bench.tick()
    expect(bench.theta(), examples)
    assert bench.runtimes[1].counters["models_unreadable"].count == 4


def test_a_model_that_nobody_would_take_is_not_published(bench: Bench) -> None:
    examples = made_examples(7, 30)
    bench.learn(examples)
    bench.tick()
    good = bench.newest()
    bench.model._mergers[CONDITIONS.key].products._rows[0, 0] = np.nan
    bench.learn(made_examples(8, 5))
    bench.tick()
    assert bench.newest() == good
    assert bench.runtimes[1].counters["models_unsound"].count == 1


def test_after_a_rollback_its_model_is_published_until_more_is_learned_than_taken_back(bench: Bench) -> None:
    """Sessions that were open take back what they had told before; of few exposures nothing adds up to what is left."""
    young, told = made_examples(7, 3), made_examples(8, 40)
    bench.learn(young)
    bench.tick()
    archived = bench.newest()
    bench.learn(told)
    bench.tick()
    merger = bench.model._mergers[CONDITIONS.key]
    bench.model._mergers[CONDITIONS.key] = merger.replaced(archived, bench.now_ms)
    back = [
        msgspec.structs.replace(one, count=-one.count, reward=-one.reward, reward_squared=-one.reward_squared)
        for one in told
    ]
    bench.learn(back)
    bench.tick()
    counters = bench.runtimes[1].counters
    assert counters["models_of_base"].count == 1
    expect(bench.theta(), young)
    later = made_examples(9, 400)
    bench.learn(later)
    bench.tick()
    assert counters["models_of_base"].count == 1
    expect(bench.theta(), young + back + later)
    assert "models_unsound" not in counters or counters["models_unsound"].count == 0


def test_a_snapshot_an_hour_is_archived_and_the_oldest_removed(bench: Bench) -> None:
    for hour in range(ARCHIVE_SIZE + 2):
        bench.now_ms = T0 + hour * ARCHIVE_INTERVAL_MS
        for _ in range(2):
            bench.learn(made_examples(hour, 1))
            bench.tick()
    archived = [(key, value) for key, value in bench.published if b"@" in key]
    kept = {key for key, value in archived if value is not None} - {key for key, value in archived if value is None}
    assert len(kept) == ARCHIVE_SIZE
    assert b"MODEL@%d" % T0 not in kept
    assert b"MODEL@%d" % bench.now_ms in kept


def test_between_whole_snapshots_only_what_changed_goes_out(bench: Bench) -> None:
    bench.learn(made_examples(1, 200))
    bench.tick()
    few = [msgspec.structs.replace(e, product_id="product-1") for e in made_examples(2, 3)]
    versions = [bench.newest().model_version]
    for _ in range(2):
        bench.learn(few)
        bench.tick()
        versions.append(bench.newest().model_version)
    assert [key for key, _ in bench.published if b"@" not in key] == [MODEL_KEY, CHANGE, CHANGE]
    assert versions == [T0, T0 + 1, T0 + 2]  # the clock stands still, versions do not
    change = bench.published[-1][1]
    assert change is not None
    assert Snapshot.decode(Change.decode(change).snapshot).product_ids == ["product-1"]
    expect(bench.theta(), made_examples(1, 200) + few + few)
    bench.now_ms += Bandit().snapshot_interval_ms
    bench.learn(few)
    bench.tick()
    assert bench.published[-1][0] == MODEL_KEY


@pytest.mark.parametrize("how", ["restart", "import", "an earlier job"])
def test_after_a_break_the_whole_goes_out(bench: Bench, how: str) -> None:
    bench.learn(made_examples(1, 200))
    bench.tick()
    if how == "restart":
        bench.restart()
        bench.learn(made_examples(2, 1))
    elif how == "import":
        bench.receive(Command("import", T0, base_of(made_examples(6, 30)).encode()).encode())
    else:
        bench.receive(base_of(made_examples(3, 3)).encode())
    bench.tick()
    assert bench.published[-1][0] == MODEL_KEY


def test_what_the_job_published_itself_is_no_news(bench: Bench) -> None:
    bench.learn(made_examples(1, 200))
    bench.tick()
    for _ in range(2):
        bench.receive(bench.published[0][1] or b"")
        bench.tick()
    assert [key for key, _ in bench.published if b"@" not in key] == [MODEL_KEY]


def test_an_earlier_jobs_model_is_taken_over_with_what_changed_since(bench: Bench) -> None:
    """The whole before a restart, its changes after it."""
    before, after = made_examples(3, 30), made_examples(4, 30)
    whole = msgspec.structs.replace(base_of(before[:20]), model_version=T0 - 10)
    later = [base_of(before[:count]) for count in (25, 30)]
    later = [msgspec.structs.replace(s, model_version=whole.model_version + i) for i, s in enumerate(later)]
    changes = [Change(whole.model_version, s.encode()).encode() for s in later]
    bench.learn(after)
    bench.tick()
    bench.receive(whole.encode())
    bench.receive(changes[0])
    bench.restart()
    bench.receive(changes[1])
    bench.restart()
    bench.tick()
    bench.learn(after[:1])
    bench.tick()
    expect(bench.theta(), before + after + after[:1])


def test_models_of_several_variants_learn_and_travel_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = settings(bandit={"ridge": 1.0, "variants": {"own": {"share": 0.5, "form": "disjoint"}}})
    bench = Bench(monkeypatch)
    bench.learner = LearnerOperator(learners_of(configuration), BUILD_ID)
    bench.model = ModelOperator(conditions_by_key(configuration), configuration.bandit, BUILD_ID)
    bench.learner.open(bench.runtimes[0])
    bench.model.open(bench.runtimes[1])
    keys = {conditions.variant: key for key, conditions in conditions_by_key(configuration).items()}
    examples = made_examples(1, 40)
    for key in keys.values():
        bench.contexts[0].key = f"{key}/0"
        bench.pass_on(bench.learner.process_element((msgspec.msgpack.encode(examples),), bench.contexts[0]))
    bench.tick()
    found = {key: Snapshot.decode(value) for key, value in bench.published if value is not None and b"@" not in key}
    assert {key: (s.variant, s.form) for key, s in found.items()} == {
        b"MODEL": ("default", "shared"), b"MODEL:own": ("own", "disjoint"),
    }  # fmt: skip
    assert any(key.startswith(b"MODEL:own@") for key, _ in bench.published)
    for snapshot in found.values():
        expect(Predictor(snapshot).theta, examples)
    predictor = Predictor(found[b"MODEL:own"])
    assert predictor.arms is not None
    assert set(predictor.arms.row_of) == {example.product_id for example in examples}


def test_messages_for_a_model_that_is_no_more_do_nothing(bench: Bench) -> None:
    bench.learner = LearnerOperator({}, BUILD_ID)
    bench.learner.open(bench.runtimes[0])
    bench.learn(made_examples(1, 10))
    bench.tick()
    assert bench.published == []


def test_dimension_is_the_feature_sets() -> None:
    assert CONDITIONS.dimension == DIMENSION


def test_drift_shortens_the_half_life_once_and_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Learner and model turn at the same moment, restarts in between change nothing, and readers are told."""
    learning = {"ridge": 1.0, "drift": "shorten", "half_life": "8 h", "drift_least_half_life": "4 h"}
    configuration = settings(bandit=learning)
    bench = Bench(monkeypatch)
    [key] = learners_of(configuration)

    def restart() -> None:
        bench.learner = LearnerOperator(learners_of(configuration), BUILD_ID)
        bench.model = ModelOperator(conditions_by_key(configuration), configuration.bandit, BUILD_ID)
        bench.learner.open(bench.runtimes[0])
        bench.model.open(bench.runtimes[1])

    def send(message: Any) -> None:
        bench.contexts[0].key = f"{key}/0"
        bench.pass_on(bench.learner.process_element((msgspec.msgpack.encode(message),), bench.contexts[0]))

    restart()
    monkeypatch.setattr("operators.model.learner.wall_clock_ms", lambda: bench.now_ms)
    examples = made_examples(1, 30, span_ms=3_600_000)
    send(examples)
    send({"default": [0.5, 1.0] * 1_000})
    bench.now_ms = T0 + 2 * 3_600_000
    bench.tick()
    assert Sums.decode(bench.newest().sums).half_life_ms == 8 * 3_600_000
    bench.now_ms = turned_ms = T0 + 4 * 3_600_000
    send({"default": [0.0] * 300})
    restart()
    bench.tick()
    restart()
    send(examples[:1])
    bench.now_ms = T0 + 10 * 3_600_000
    bench.tick()
    newest = bench.newest()
    sums = Sums.decode(newest.sums)
    assert (sums.half_life_ms, sums.turns) == (4 * 3_600_000, [(turned_ms, 8 * 3_600_000)])
    [watched] = newest.watched
    assert (watched.variant, watched.exposures, watched.falls) == ("default", 2_300, watched.drifts)
    assert bench.runtimes[0].counters["drifts_detected"].count == watched.drifts > 0
    known = [*examples, examples[0]]
    faded = [msgspec.structs.replace(e, count=w, reward=w * e.reward) for e in known
             for w in [2.0 ** (-(turned_ms - e.exposed_at_ms) / (8 * 3_600_000) - 1.5)]]  # fmt: skip
    np.testing.assert_allclose(Predictor(newest).theta, reference(faded, None, T0, 1.0), rtol=1e-9, atol=1e-12)


def test_a_half_life_that_was_configured_anew_holds_for_all_from_the_restart_on(bench: Bench) -> None:
    examples = made_examples(1, 30, span_ms=3_600_000)
    bench.learn(examples)
    bench.tick()
    conditions = msgspec.structs.replace(CONDITIONS, half_life_ms=8 * 3_600_000)
    bench.model = ModelOperator({CONDITIONS.key: conditions}, Bandit(), BUILD_ID)
    bench.model.open(bench.runtimes[1])
    bench.receive(bench.published[0][1] or b"")
    bench.now_ms = T0 + 8 * 3_600_000
    bench.learn([])
    bench.tick()
    row = Predictor(bench.newest()).statistics[:, 0].sum()
    assert row == pytest.approx(15)
