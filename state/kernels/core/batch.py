"""The one call for a batch: every session with its inputs in order. The twins are `state/personalizer.py` and
`state/profile/publishing.py`."""

from typing import Any

import numpy as np

from state.kernels.core.bundles import DONE, MISSING, find_bought, find_offered
from state.kernels.core.describing import describe
from state.kernels.core.drawing import expect_and_draw, pick
from state.kernels.core.exposures import (
    close_due,
    close_evicted,
    credits,
    expose_explicitly,
    expose_implicitly,
    log_decision,
    queue_for_learning,
    reward,
)
from state.kernels.core.interest import UNKNOWN, find_context, find_liked, status_of, sum_interest
from state.kernels.core.items import have_partners
from state.kernels.core.layout import (
    APPLIED,
    BEHIND,
    CALL,
    ENDED,
    EVENT,
    FOR_PYTHON,
    INPUT,
    LACKS,
    LISTS,
    MISSED,
    N_APPLIED,
    N_BUNDLES_BOUGHT,
    N_COALESCED,
    N_DROPPED,
    N_DUPLICATE,
    N_ENDED,
    NOT_DUE,
    NOTHING,
    O_ACCEPTED,
    O_DECISION,
    O_EXAMPLE,
    O_OUTCOME,
    O_PROFILE,
    O_STATE,
    O_WANTED,
    OF_MOMENT,
    OFF_POOL,
    OFF_SCRATCH,
    OUTS,
    PENDING,
    PUBLISH,
    PUBLISHED,
    REPEAT,
    RESOLVED,
    RESULT,
    ROOM,
    SESSION,
    SLOW,
    STATE,
    TIMER,
    TRENDING,
    WORLD,
)
from state.kernels.core.log import (
    complete,
    evict,
    excess,
    find_duplicate,
    identity_hash,
    insert,
    is_before_horizon,
    pack_identity,
    touch_products,
)
from state.kernels.core.memory import carray, core, entry, pointer
from state.kernels.core.offering import find_candidates, next_random, popular_of
from state.kernels.core.prices import find_usual_prices
from state.kernels.core.profile import write_profile
from state.kernels.core.proposals import find_proposals
from state.kernels.core.reading import IMPRESSION, LONGEST_SESSION, read_event
from state.kernels.core.record import has_room, load, resolved, shift, store
from state.kernels.core.regional import find_region
from state.kernels.core.scanning import is_plain
from state.kernels.core.slate import are_named, can_show, keep_slate, predict
from state.kernels.core.telling import find_admissions, find_user, note_place, tell, want_products
from state.kernels.core.text import put


@core
def _schedule(s: Any, w: Any, cause: int) -> None:
    """Lets a publication follow now, or when the session's interval is over; `cause` asks for a new slate."""
    w.counters[N_COALESCED] += s.pending_ms != 0
    if cause:
        s.pending_cause = cause
    due_ms = min(s.updated_at_ms, w.now_ms) + w.min_interval_ms  # the clock may have been set back
    if due_ms <= w.now_ms:
        s.due = 1
    elif s.pending_ms == 0 or due_ms < s.pending_ms:
        s.pending_ms = due_ms
        s.pending = due_ms


@core
def _set_timer(s: Any, w: Any) -> None:
    """Finds when the session is to be looked at by event time, if that is sooner than it is by now."""
    end_ms = s.newest_input_ms + w.ttl_ms
    for i in range(s.n_open):
        end_ms = min(end_ms, s.op_at_ms[i] + w.open_for_ms)
    if s.timer_ms == 0 or end_ms < s.timer_ms:
        s.timer_ms = end_ms
        s.timer = end_ms


@core
def _attribute(s: Any, w: Any, at: int, gone: int) -> None:
    """1 close what is over; 2 expose by the visitor's stay; 3 reward; 4 learn; 5 expose by impression."""
    close_due(s, w, w.watermark_ms)
    for k in range(gone):
        close_evicted(s, w, s.lists[k, 0], s.lists[k, 1], s.lists[k, 2])
    if s.e_kind != IMPRESSION:
        expose_implicitly(s, w)
    is_credited = credits(s, w, at)
    if s.n_open:
        reward(s, w, at, is_credited)
        queue_for_learning(s, w)
    if s.e_kind == IMPRESSION:
        expose_explicitly(s, w)


@core
def _begin(s: Any) -> None:
    s.due, s.timer, s.pending, s.user_changed = 0, 0, 0, 0
    s.miss_kind = 0


@core
def _finish_unchanged(s: Any, w: Any, counter: int) -> Any:
    """After an event that changes nothing but the accounting: the same slate is published with the new counts."""
    s.newest_input_ms = max(s.newest_input_ms, s.e_ms)
    w.counters[counter] += 1
    _schedule(s, w, 0)
    _set_timer(s, w)
    return APPLIED


@core
def _apply(s: Any, w: Any, record_ms: int) -> Any:
    """Applies the event that was read. It changes nothing where it is not APPLIED."""
    if not has_room(s):
        return SLOW
    user = find_user(s, w)
    if user < 0:
        return MISSED
    if not complete(s, w):
        return SLOW
    pack_identity(s, w)
    identity_hash(s)
    if find_duplicate(s):
        s.duplicates += 1
        return _finish_unchanged(s, w, N_DUPLICATE)
    if is_before_horizon(s):
        s.dropped += 1
        return _finish_unchanged(s, w, N_DROPPED)
    n = touch_products(s, w)
    if n < 0:
        return SLOW
    admissions = find_admissions(s, w, n)
    if admissions < 0 or not find_bought(s, w, n):
        return MISSED
    at = insert(s, n)
    gone = excess(s, w)
    if gone > LISTS:
        shift(s, at, -1)
        s.n_touches -= n
        return SLOW
    for k in range(gone):
        s.lists[k, 0], s.lists[k, 1], s.lists[k, 2] = s.ev_first[0], s.ev_n[0], s.ev_ms[0]
        evict(s)
    if at < gone:
        s.dropped += 1
        return _finish_unchanged(s, w, N_DROPPED)
    _apply_new(s, w, at - gone, gone, record_ms, admissions, user)
    return APPLIED


@core
def _apply_new(s: Any, w: Any, at: int, gone: int, record_ms: int, admissions: int, user: int) -> None:
    """What follows from an event that is in the log now."""
    s.newest_input_ms = max(s.newest_input_ms, s.e_ms)
    if s.applied == 0:
        s.generation = record_ms
    s.applied += 1
    w.counters[N_APPLIED] += 1
    finds_nothing = s.applied == 1 and s.n_open == 0 and s.n_slates == 0 and s.n_shown == 0 and s.e_decision_len == 0
    if not finds_nothing or s.e_kind == IMPRESSION:
        _attribute(s, w, at, gone)
    if s.ev_bundles[at]:
        w.counters[N_BUNDLES_BOUGHT] += find_offered(s, at)
    user_at, user_len = note_place(s, w, at == s.n_events - 1, user)
    tell(s, w, at, admissions, user_at, user_len)
    if s.e_kind != IMPRESSION:
        want_products(s, w, at)
        _schedule(s, w, s.e_hash)
    _set_timer(s, w)


@core
def _choose(s: Any, w: Any, cause: int, has_logged: int) -> Any:
    """Chooses a new slate: PUBLISHED, or why not. One input has room for one decision, which `has_logged` may say is taken."""
    if not w.has_catalogue or (w.logs_published and has_logged):
        return FOR_PYTHON
    if w.full_share > 0 and next_random(w) < w.full_share:
        return FOR_PYTHON
    find_usual_prices(s, w)
    found = find_candidates(s, w)
    if found != DONE:
        return LACKS if found == MISSING else FOR_PYTHON
    describe(s, w)
    expect_and_draw(s, w)
    pick(s, w)
    if not are_named(s, w):
        return FOR_PYTHON
    keep_slate(s, w, cause)
    return PUBLISHED


@core
def _has_lists(s: Any, w: Any) -> Any:
    """Whether the lists that a profile needs besides its slate's are here."""
    if s.moment_len and resolved(s, w, OF_MOMENT, s.self_at + OFF_POOL + s.moment_off, s.moment_len) < 0:
        return False
    return popular_of(s, w, TRENDING) != -2 and have_partners(s, w)


@core
def _has_odd_trends(s: Any, w: Any) -> Any:
    """Whether a trending product has a name that the core cannot write."""
    number = popular_of(s, w, TRENDING)
    return number >= 0 and carray(pointer(w.resolved), w.resolved_mask + 1, RESOLVED)[number].extra_n < 0


@core
def _publish(s: Any, w: Any, r: Any, repeats: int) -> Any:
    """Publishes a new slate where an event asked for one, else the same with the new counts; NOT_DUE where there is none."""
    if not has_room(s):
        return FOR_PYTHON
    cause = 0 if repeats else s.pending_cause
    if cause == 0 and s.n_slates == 0:
        s.pending_ms, s.pending_cause = 0, 0
        return NOT_DUE
    sum_interest(s, w)
    find_context(s, w)
    s.group_number = find_region(s, w)
    status = status_of(s, w)
    if status == UNKNOWN or not _has_lists(s, w):
        return LACKS
    proposed = find_proposals(s, w)
    if proposed != DONE:
        return LACKS if proposed == MISSING else FOR_PYTHON
    if _has_odd_trends(s, w):
        return FOR_PYTHON
    if cause == 0 and w.has_catalogue and not can_show(s, w, s.n_slates - 1):
        cause = s.sl_cause[s.n_slates - 1]
    if cause:
        found = _choose(s, w, cause, s.p_decision != r.decision)
        if found != PUBLISHED:
            return found
    else:
        predict(s, w, s.n_slates - 1)
    if not repeats:
        s.pending_ms, s.pending_cause = 0, 0
    s.updated_at_ms = max(s.updated_at_ms, w.now_ms)
    find_liked(s)
    write_profile(s, w, s.n_slates - 1, status)
    if cause and w.logs_published:
        log_decision(s, w, s.n_slates - 1, 0)
    return PUBLISHED


@core
def _on_timer(s: Any, w: Any, time_ms: int) -> Any:
    """Closes exposures that are due at an event time, and the session when its life is over."""
    if time_ms < s.timer_ms:
        return NOTHING
    s.e_id, s.e_id_len = s.self_at + OFF_SCRATCH, 0
    if s.newest_input_ms + w.ttl_ms <= time_ms:
        if s.pending_ms:
            return SLOW
        queue_for_learning(s, w)
        w.counters[N_ENDED] += 1
        return ENDED
    s.timer_ms = 0
    close_due(s, w, time_ms)
    _set_timer(s, w)
    return APPLIED


@core
def _handle(s: Any, w: Any, one: Any, r: Any) -> Any:
    """One input of the session in the record; whether the session may have changed."""
    _begin(s)
    r.publication = NOT_DUE
    s.e_session, s.e_session_len = one.name, one.name_len
    if one.kind == EVENT:
        is_read = (
            one.size <= w.max_event_bytes and 1 <= one.name_len <= LONGEST_SESSION and is_plain(one.name, one.name_len)
        )
        is_read = is_read and read_event(s, w, one.at, one.at + one.size) and s.e_ms >= w.late_before_ms
        r.status = _apply(s, w, one.record_ms) if is_read else SLOW
        if r.status == APPLIED and s.due:
            r.publication = _publish(s, w, r, 0)
    elif one.kind == TIMER:
        r.status = _on_timer(s, w, one.record_ms)
    elif one.kind == PUBLISH or one.kind == REPEAT:
        r.status = APPLIED
        r.publication = _publish(s, w, r, one.kind == REPEAT)
    elif one.kind == PENDING:
        r.status = NOTHING
        if s.pending_ms and w.now_ms >= s.pending_ms:
            r.status = APPLIED
            r.publication = _publish(s, w, r, 0)
    return r.status == APPLIED


@core
def _note_result(s: Any, r: Any) -> None:
    r.timer, r.pending = s.timer, s.pending
    r.version, r.updated_at_ms, r.generation = s.applied, s.updated_at_ms, s.generation
    r.event_ms, r.user_changed, r.is_pending = s.e_ms, s.user_changed, s.pending_ms != 0


@core
def _note_miss(s: Any, r: Any) -> None:
    """Copies the name of the list that is needed to where Python finds it: behind the decisions."""
    if r.status == MISSED or r.publication == LACKS:
        r.miss_kind, r.miss_at, r.miss_len = s.miss_kind, s.p_decision, s.miss_len
        s.p_decision = put(s.p_decision, s.miss_at, s.miss_len)


@core
def _begin_result(s: Any, r: Any) -> None:
    r.profile, r.decision, r.outcome = s.p_profile, s.p_decision, s.p_outcome
    r.example, r.accepted = s.p_example, s.p_accepted
    s.n_example = 0


@core
def _end_result(s: Any, r: Any) -> None:
    r.profile_len, r.decision_len = s.p_profile - r.profile, s.p_decision - r.decision
    r.outcome_len = max(0, s.p_outcome - r.outcome - 1)
    r.example_len, r.n_example = s.p_example - r.example, s.n_example
    r.accepted_len = s.p_accepted - r.accepted


@core
def _has_space(s: Any, ends: Any, to: int) -> Any:
    """Whether each buffer has room for what one input may write."""
    return (
        s.p_profile + ROOM[O_PROFILE] <= ends[O_PROFILE]
        and s.p_decision + ROOM[O_DECISION] <= ends[O_DECISION]
        and s.p_outcome + ROOM[O_OUTCOME] <= ends[O_OUTCOME]
        and s.p_example + ROOM[O_EXAMPLE] <= ends[O_EXAMPLE]
        and s.p_accepted + ROOM[O_ACCEPTED] <= ends[O_ACCEPTED]
        and s.p_wanted + ROOM[O_WANTED] <= ends[O_WANTED]
        and to + 2 * ROOM[O_STATE] <= ends[O_STATE]
    )


@core
def _put_state(s: Any, of: Any, to: int, is_changed: int) -> Any:
    """Writes the state value of the session in the record, if it has changed; returns where it ends."""
    if not is_changed:
        return to
    of.changed = 1
    of.new_at = to
    end = store(s, to)
    of.new_size = end - to
    return end


@entry
def run_batch(call_at: int) -> Any:
    """Apply the inputs of the `CALL` at an address, those of a session one after the other; return how many were looked at before a
    buffer was full.

    `sessions` is the address of the record, `worlds` of one `WORLD` for each variant; `inputs` of n `INPUT`, `states` of `STATE`,
    `results` of n `RESULT` that are zero. `outs` (7,) says where profiles, decisions, outcomes, examples, accepted lines, wanted
    products and states go, and afterwards where they end; `ends` (7,) where the buffers end. An input that is not APPLIED leaves
    its session as it was, and those of the session behind it are BEHIND. `miss_…` of a result name the list that is needed first.
    """
    call = carray(pointer(call_at), 1, CALL)[0]
    n = call.n
    s, worlds = carray(pointer(call.sessions), 1, SESSION)[0], carray(pointer(call.worlds), call.n_worlds, WORLD)
    w = worlds[0]
    inputs, states = carray(pointer(call.inputs), n, INPUT), carray(pointer(call.states), n, STATE)
    results = carray(pointer(call.results), n, RESULT)
    outs, ends = carray(pointer(call.outs), OUTS, np.int64), carray(pointer(call.ends), OUTS, np.int64)
    s.p_profile, s.p_decision, s.p_outcome = outs[O_PROFILE], outs[O_DECISION], outs[O_OUTCOME]
    s.p_example, s.p_accepted, s.p_wanted = outs[O_EXAMPLE], outs[O_ACCEPTED], outs[O_WANTED]
    to, current, is_changed, stopped, done = outs[O_STATE], -1, 0, 0, n
    for i in range(n):
        one, r = inputs[i], results[i]
        if not _has_space(s, ends, to):
            done = i
            break
        if one.session != current:
            if current >= 0:
                to = _put_state(s, states[current], to, is_changed)
            current, is_changed = one.session, 0
            mark, w = w.mark, worlds[states[current].world]
            w.mark = mark  # columns of marks are the catalogue's: those of one variant go on where another's end
            stopped = 0 if load(s, w, states[current].at, states[current].size) else 2
        if stopped:
            r.status = SLOW if stopped == 2 else BEHIND
            stopped = 1
            continue
        if one.kind != EVENT and not is_changed and states[current].size == 0:
            r.status = NOTHING  # there is no session; an event behind it may begin one
            continue
        _begin_result(s, r)
        is_changed = 1 if _handle(s, w, one, r) else is_changed
        _note_result(s, r)
        _end_result(s, r)
        _note_miss(s, r)
        if r.status == SLOW or r.status == MISSED or r.status == ENDED or r.publication >= LACKS:
            stopped = 1
    if current >= 0:
        to = _put_state(s, states[current], to, is_changed)
    worlds[0].mark = w.mark
    outs[O_PROFILE], outs[O_DECISION], outs[O_OUTCOME] = s.p_profile, s.p_decision, s.p_outcome
    outs[O_EXAMPLE], outs[O_ACCEPTED], outs[O_WANTED] = s.p_example, s.p_accepted, s.p_wanted
    outs[O_STATE] = to
    return done
