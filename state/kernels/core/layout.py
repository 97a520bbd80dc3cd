"""Records of the compiled core: a session with its scratch, the world that it meets, inputs and results.

A session's state value is its header and the used parts of its columns, copied; see `record.py`. A change of `HEADER` or `COLUMNS`
is another form of state: docs/upgrades.md.
"""

from typing import Any

import numpy as np

from state.feature_set import DIMENSION

EVENTS, TOUCHES, NAMES, OPEN, SLATES, ITEMS, SHOWN, HINTED, POOL = 130, 768, 768, 56, 2, 20, 66, 48, 32_000
"""Capacities: events in the log, their products, names of all kinds, open exposures, slates and their items, products counted as
shown, products and categories that are known of the user, and bytes of texts."""
CANDIDATES, DRAWS, WIDTH = 128, 32, 32
"""Columns of candidates, a multiple of 16; most draws; coefficients with padding."""
INDEX = 2048
"""Slots of the index of a session's names."""
KINDS, REASONS, LISTS, MOST_PRODUCTS, MOST_SHOWN, MOST_CONTEXT, TREND_LIST = 16, 16, 64, 24, 40, 16, 256
MOST_BOUGHT, MOST_PARTS, PRIMARIES, CONSIDERED = 5, 21, 10, 20
"""Of bundles: those that one checkout is of, and their products; primary products of proposals, and bundles of each that are looked
at. A test holds them to the Python core."""
GROUP = 640
"""Room for a group's name with all that could be in it."""
BUNDLED = MOST_BOUGHT * (1 + MOST_PARTS)
"""Bytes that say which bundles an event is a checkout of."""
LONGEST_NAME = 62
"""Bytes of a product's or a category's name that the catalogue can hold as such."""

_i8, _i4, _i2, _u2, _u1, _f8, _f4 = "i8", "i4", "i2", "u2", "u1", "f8", "f4"

HEADER = [
    ("n_events", _i4),
    ("n_touches", _i4),
    ("n_names", _i4),
    ("n_open", _i4),
    ("n_slates", _i4),
    ("n_shown", _i4),
    ("n_hint", _i4),
    ("pool_len", _i4),
    ("swept_len", _i4),
    ("generation", _i8),
    ("updated_at_ms", _i8),
    ("newest_input_ms", _i8),
    ("timer_ms", _i8),
    ("pending_ms", _i8),
    ("pending_cause", _i8),
    ("horizon_ms", _i8),
    ("hint_total", _f8),
    ("hint_seen_ms", _i8),
    ("applied", _i4),
    ("duplicates", _i4),
    ("dropped", _i4),
    ("horizon_off", _u2),
    ("region_off", _u2),
    ("moment_off", _u2),
    ("moment_len", _u2),
    ("user_off", _u2),
    ("policy_off", _u2),
    ("listed_off", _u2),
    ("listed_len", _u2),
    ("horizon_len", _u1),
    ("region_len", _u1),
    ("user_len", _u1),
    ("policy_len", _u1),
    ("sends_impressions", _u1),
    ("has_hint", _u1),
    ("hint_products", _u1),
]
"""Counts first, in the order of `C_…`."""
C_EVENTS, C_TOUCHES, C_NAMES, C_OPEN, C_SLATES, C_SHOWN, C_HINT, C_POOL = range(8)

COLUMNS: list[tuple[str, str, int, int, tuple[int, ...]]] = [
    ("ev_ms", _i8, EVENTS, C_EVENTS, ()),
    ("ev_strength", _i2, EVENTS, C_EVENTS, ()),
    ("ev_off", _u2, EVENTS, C_EVENTS, ()),
    ("ev_first", _u2, EVENTS, C_EVENTS, ()),
    ("ev_decision", _u2, EVENTS, C_EVENTS, ()),
    ("ev_bundles", _u2, EVENTS, C_EVENTS, ()),
    ("ev_len", _u1, EVENTS, C_EVENTS, ()),
    ("ev_kind", _u1, EVENTS, C_EVENTS, ()),
    ("ev_n", _u1, EVENTS, C_EVENTS, ()),
    ("to_product", _u2, TOUCHES, C_TOUCHES, ()),
    ("to_category", _u2, TOUCHES, C_TOUCHES, ()),
    ("to_credited", _u1, TOUCHES, C_TOUCHES, ()),
    ("na_off", _u2, NAMES, C_NAMES, ()),
    ("na_len", _u1, NAMES, C_NAMES, ()),
    ("op_at_ms", _i8, OPEN, C_OPEN, ()),
    ("op_cause", _i8, OPEN, C_OPEN, ()),
    ("op_reward", _f8, OPEN, C_OPEN, ()),
    ("op_told_weight", _f8, OPEN, C_OPEN, ()),
    ("op_told_reward", _f8, OPEN, C_OPEN, ()),
    ("op_product", _u2, OPEN, C_OPEN, ()),
    ("op_decision", _u2, OPEN, C_OPEN, ()),
    ("op_seq", _u2, OPEN, C_OPEN, ()),
    ("op_position", _u1, OPEN, C_OPEN, ()),
    ("op_place", _u1, OPEN, C_OPEN, ()),
    ("op_flags", _u1, OPEN, C_OPEN, ()),
    ("op_x", _u2, OPEN, C_OPEN, (DIMENSION,)),
    ("sl_at_ms", _i8, SLATES, C_SLATES, ()),
    ("sl_model", _i8, SLATES, C_SLATES, ()),
    ("sl_cause", _i8, SLATES, C_SLATES, ()),
    ("sl_version", _i4, SLATES, C_SLATES, ()),
    ("sl_seen", _i4, SLATES, C_SLATES, ()),
    ("sl_decision", _u2, SLATES, C_SLATES, ()),
    ("sl_next_seq", _u2, SLATES, C_SLATES, ()),
    ("sl_n", _u1, SLATES, C_SLATES, ()),
    ("sl_flags", _u1, SLATES, C_SLATES, ()),
    ("sl_propensity", _f8, SLATES, C_SLATES, (ITEMS,)),
    ("sl_product", _u2, SLATES, C_SLATES, (ITEMS,)),
    ("sl_category", _u2, SLATES, C_SLATES, (ITEMS,)),
    ("sl_source", _u1, SLATES, C_SLATES, (ITEMS,)),
    ("sl_explored", _u1, SLATES, C_SLATES, (ITEMS,)),
    ("sl_x", _u2, SLATES, C_SLATES, (ITEMS, DIMENSION)),
    ("sh_name", _u2, SHOWN, C_SHOWN, ()),
    ("sh_times", _u2, SHOWN, C_SHOWN, ()),
    ("hi_value", _f8, HINTED, C_HINT, ()),
    ("hi_name", _u2, HINTED, C_HINT, ()),
    ("pool", _u1, POOL, C_POOL, ()),
]
"""Name, type, capacity, which count says how much is used, and further dimensions.

`ev_` are events, oldest first; `to_` the products that they touch, each event's from `ev_first` on; `na_` names by number, 0 is the
empty one; `op_` open exposures; `sl_` slates, oldest first; `sh_` products shown in vain, longest unseen first; `hi_` what is
known of the user from elsewhere, first `hint_products` products, then categories. Texts lie in `pool`: so does the user's list,
each product behind a byte with its length. `ev_bundles` is one more than the place of what an event is a checkout of: a byte with
the length of what follows, and for each bundle how many products it has and which of the event's those are.
"""
FULL_STRENGTH = 20_000
"""In `ev_strength`, 1 and negative -1; else a rating in thousandths, whose strength is (rating - 3) / 2."""
IMPLICIT, QUEUED, EXPLORED, TOLD_PASSED, TOLD_BELOW = 1, 2, 4, 8, 16
"""Bits of `op_flags`."""
SLATE_IMPLICIT, SLATE_LOGGED = 1, 2
"""Bits of `sl_flags`."""

SCRATCH: list[tuple[Any, ...]] = [
    # what is made of the columns when a session is loaded
    ("ev_hash", _i8, (EVENTS,)),
    ("na_hash", _i8, (NAMES,)),
    ("na_row", _i4, (NAMES,)),
    ("na_code", _i4, (NAMES,)),
    ("na_slot", _i2, (INDEX,)),
    ("na_slot_mark", _i4, (INDEX,)),
    ("mark", _i4),
    ("mark2", _i4),
    ("na_mark", _i4, (NAMES,)),
    ("na_chain", _i4, (NAMES,)),
    ("na_new", _u2, (TOUCHES,)),
    ("op_chain", _i4, (OPEN,)),
    # interest
    ("affinity", _f8, (NAMES,)),
    ("liking", _f8, (NAMES,)),
    ("visits_of", _f8, (NAMES,)),
    ("aff_list", _u2, (TOUCHES,)),
    ("cat_list", _u2, (TOUCHES,)),
    ("n_aff", _i4),
    ("n_cat", _i4),
    ("total", _f8),
    ("counted", _i4),
    ("visits", _f8),
    ("aff_mark", _i4, (NAMES,)),
    ("cat_mark", _i4, (NAMES,)),
    ("bad_mark", _i4, (NAMES,)),
    ("has_feedback", _u1),
    ("interest_mark", _i4),
    ("visit_list", _u2, (NAMES,)),
    ("n_visit", _i4),
    # the session's own part of it, where more is known of the user
    ("is_warmed", _u1),
    ("n_own_aff", _i4),
    ("n_own_cat", _i4),
    ("own_affinity", _f8, (NAMES,)),
    ("own_liking", _f8, (NAMES,)),
    ("listed_rows", _i8, (CANDIDATES,)),
    # bundles: products of those that were offered, rows of candidates, and what a profile proposes
    ("bundled", _u2, (BUNDLED,)),
    ("n_bundled", _i4),
    ("bundle_rows", _i8, (CANDIDATES,)),
    # what is expected of most: rows, and how much that is
    ("best_rows", _i8, (CANDIDATES,)),
    ("best_score", _f8, (CANDIDATES,)),
    ("pr_score", _f8, (PRIMARIES * CONSIDERED,)),
    ("pr_list", _i4, (PRIMARIES * CONSIDERED,)),
    ("pr_at", _i4, (PRIMARIES * CONSIDERED,)),
    ("n_proposed", _i4),
    ("vain", _i4, (NAMES,)),
    ("vain_list", _u2, (OPEN,)),
    ("n_vain", _i4),
    ("liked", _u2, (4,)),
    ("n_liked", _i4),
    ("last_code", _i4),
    ("last_event_ms", _i8),
    ("group_number", _i8),  # the session's group in the model, see `find_region`
    # means over the products that the session likes, and how many those are
    ("usual_price", _f8),
    ("usual_relative_price", _f8),
    ("n_usual_prices", _i4),
    # of categories: code, share, taste, shown in vain; and these as float16 holds them
    ("kc", _f8, (NAMES, 4)),
    ("kr", _f4, (NAMES + 1, 8)),
    ("n_kc", _i4),
    # candidates, and what is drawn for them
    ("n", _i4),
    ("rows", _i4, (CANDIDATES,)),
    ("sources", _u1, (CANDIDATES,)),
    ("codes", _i4, (CANDIDATES,)),
    ("personal", _u1, (CANDIDATES,)),
    ("x", _f4, (DIMENSION, CANDIDATES)),
    ("mean", _f4, (CANDIDATES,)),
    ("deviation", _f4, (CANDIDATES,)),
    ("means", _f8, (CANDIDATES,)),
    ("draws", _f4, (DRAWS, CANDIDATES)),
    ("theta", _f4, (DRAWS, WIDTH)),
    ("eligible", _u1, (CANDIDATES,)),
    ("open", _u1, (CANDIDATES,)),
    ("above", _i4, (CANDIDATES,)),
    ("first", _i4, (DRAWS,)),
    ("follow", _i4, (CANDIDATES,)),
    ("rank_keys", _i4, (CANDIDATES,)),
    ("raw_share", _f4, (CANDIDATES,)),
    ("raw_taste", _f4, (CANDIDATES,)),
    ("k", _i4),
    ("chosen", _i4, (ITEMS,)),
    ("expected", _f8, (ITEMS,)),
    ("better", _u1, (ITEMS,)),
    ("propensity", _f8, (ITEMS,)),
    ("weight", _f8, (CANDIDATES,)),
    ("told", _f8, (ITEMS, 4)),
    ("terms", _f8, (REASONS,)),
    ("shares", _i4, (ITEMS,)),
    ("order", _i4, (TOUCHES,)),
    ("lists", _i8, (LISTS, 6)),
    ("group", _u1, (GROUP,)),
    ("n_lists", _i4),
    ("sort_v", _f8, (NAMES,)),
    ("trend_v", _f8, (TREND_LIST,)),
    ("trend_i", _i4, (TREND_LIST,)),
    ("w_counts", _i4, (3, KINDS)),
    ("w_order", _i4, (3, KINDS)),
    ("w_n", _i4, (3,)),
    ("viewed", _u2, (4,)),
    # the event that is being applied
    ("e_ms", _i8),
    ("e_kind", _i4),
    ("e_strength", _i4),
    ("e_id", _i8),
    ("e_id_len", _i4),
    ("e_hash", _i8),
    ("e_product", _i8),
    ("e_product_len", _i4),
    ("e_category", _i8),
    ("e_category_len", _i4),
    ("e_decision", _i8),
    ("e_decision_len", _i4),
    ("e_region", _i8),
    ("e_region_len", _i4),
    ("e_device", _i8),
    ("e_device_len", _i4),
    ("e_user", _i8),
    ("e_user_len", _i4),
    ("e_session", _i8),
    ("e_session_len", _i4),
    ("e_items", _i8, (MOST_PRODUCTS, 2)),
    ("e_n_items", _i4),
    ("e_shown", _i8, (MOST_SHOWN, 2)),
    ("e_n_shown", _i4),
    ("e_context", _i8, (MOST_CONTEXT, 4)),
    ("e_n_context", _i4),
    ("e_has", _i4),
    # the text that was read last
    ("t_at", _i8),
    ("t_n", _i8),
    ("t_chars", _i8),
    ("t_plain", _i8),
    ("e_bundles", _u1, (BUNDLED + 1,)),
    ("e_bundles_len", _i4),
    ("self_at", _i8),
    ("packed", _u1, (64,)),
    ("scratch", _u1, (POOL + 2_048,)),
    # where is written to
    ("p_profile", _i8),
    ("p_decision", _i8),
    ("p_outcome", _i8),
    ("p_example", _i8),
    ("n_example", _i4),
    ("p_accepted", _i8),
    ("p_wanted", _i8),
    ("due", _u1),
    ("timer", _i8),
    ("pending", _i8),
    ("user_changed", _u1),
    ("miss_kind", _i8),
    ("miss_at", _i8),
    ("miss_len", _i8),
]
SESSION = np.dtype([*HEADER, *((n, t, (c, *more)) for n, t, c, _, more in COLUMNS), *SCRATCH], align=True)


def _offset(name: str) -> int:
    fields = SESSION.fields
    assert fields is not None
    return int(fields[name][1])


HEAD_BYTES = _offset("ev_ms")
N_COLUMNS = len(COLUMNS)
COLUMN_OFFSET = np.array([_offset(column[0]) for column in COLUMNS], np.int64)
COLUMN_SIZE = np.array(
    [np.dtype(column[1]).itemsize * int(np.prod(column[4], dtype=int)) for column in COLUMNS], np.int64
)
COLUMN_COUNT = np.array([column[3] for column in COLUMNS], np.int64)
COUNT_CAPACITY = np.array([EVENTS, TOUCHES, NAMES, OPEN, SLATES, SHOWN, HINTED, POOL], np.int64)
MOST_STATE_BYTES = 1 + HEAD_BYTES + int(sum(COLUMN_SIZE * COUNT_CAPACITY[COLUMN_COUNT]))
OFF_POOL, OFF_PACKED, OFF_SCRATCH, OFF_ORDER = map(_offset, ("pool", "packed", "scratch", "order"))
OFF_DRAWS, OFF_MEAN, OFF_OP_X, OFF_SL_X = map(_offset, ("draws", "mean", "op_x", "sl_x"))
OFF_LISTED_ROWS, OFF_BUNDLE_ROWS, OFF_E_BUNDLES = map(_offset, ("listed_rows", "bundle_rows", "e_bundles"))
OFF_BEST_ROWS, OFF_BEST_SCORE, OFF_KC, OFF_GROUP = map(_offset, ("best_rows", "best_score", "kc", "group"))

PASSING = ("now_ms", "watermark_ms", "late_before_ms", "min_interval_ms", "mark", "limit")
"""The first fields of the world, which are others for each batch."""
WORLD = np.dtype(
    [
        ("now_ms", _i8),
        ("watermark_ms", _i8),
        ("late_before_ms", _i8),
        ("min_interval_ms", _i8),
        ("mark", _i8),
        ("limit", _i8),
        ("ttl_ms", _i8),
        ("open_for_ms", _i8),
        ("window_ms", _i8),
        ("disorder_ms", _i8),
        ("max_events", _i4),
        ("open_max", _i4),
        ("implicit_items", _i4),
        ("by_evidence", _i4),
        ("exposure_mode", _i4),
        ("aggregate", _i4),
        ("implicit_dwell_ms", _i8),
        ("decay", _f8),
        ("weights", _f8, (KINDS,)),
        ("counts", _u1, (KINDS,)),
        ("largest", _f8),
        ("view_weight", _f8),
        ("bundle_weight", _f8),
        ("user_share", _f8),
        ("slots", _i4),
        ("draws", _i4),
        ("way", _i4),
        ("temperature", _f8),
        ("floor", _f8),
        ("boosts", _f4, (3,)),
        ("has_boosts", _u1),
        ("full_share", _f8),
        ("logs_published", _u1),
        ("cap_category", _i4),
        ("cap_personal", _i4),
        ("times_shown", _i4),
        ("hide_bought", _i4),
        ("warming_after", _i4),
        ("active_after", _i4),
        ("active_variety", _i4),
        ("active_match", _i4),
        ("affinities", _i4),
        ("trends_most", _i4),
        ("bundles_most", _i4),
        ("max_bytes", _i4),
        ("refresh_after_ms", _i8),
        ("max_event_bytes", _i8),
        ("max_future_ms", _i8),
        ("model_version", _i8),
        ("has_theta", _u1),
        ("has_catalogue", _u1),
        ("has_bundles", _u1),
        # the catalogue
        ("names", _i8),
        ("code_names", _i8),
        ("category", _i8),
        ("active", _i8),
        ("stamp", _i8),
        ("rows", _i8),
        ("codes", _i8),
        ("row_index", _i8),
        ("row_mask", _i8),
        ("code_index", _i8),
        ("code_mask", _i8),
        ("code_slot", _i8),
        ("pool", _i8),
        ("pool_size", _i8),
        ("quotas", _i8),
        ("most_visits", _i8),
        ("category_parts", _i8),
        ("usual", _i8),
        ("n_usual", _i8),
        # lists that were resolved, by kind and name
        ("resolved", _i8),
        ("resolved_index", _i8),
        ("resolved_mask", _i8),
        ("existing", _i8),
        ("existing_mask", _i8),
        # the model
        ("coefficients", _f8, (WIDTH,)),
        ("root", _f4, (DIMENSION, WIDTH)),
        ("features", _i8),
        ("rated", _i8),
        ("own_effect", _i8),
        # the first pass over what may be offered, see `first_pass.py`
        ("pass_products", _i8),
        ("pass_rows", _i8),
        ("pass_n", _i8),
        ("pass_theta", _i8),
        ("pass_codes", _i8),
        ("pass_places", _i8),  # where the products of `local_rows` are among those of the pass
        ("pass_local", _i8),
        ("regional", _i8),  # means, and variances as they are drawn, by the region's number and the category's code
        (
            "local_rows",
            _i8,
        ),  # products that have an effect in a region; its mean, and what its variance is other than by category
        ("local", _i8),
        ("local_begins", _i8),  # which are a region's, by its number: the first, and the one after the last
        ("groups", _i8),
        ("n_regions", _i8),
        ("region_codes", _i8),
        ("region_names", _i8),
        ("region_index", _i8),
        ("region_mask", _i8),
        ("normals", _i8),
        ("normals_size", _i8),
        ("normals_used", _i8),
        ("random", _i8, (4,)),
        # texts
        ("texts", _i8),
        ("reason_off", _i4, (REASONS,)),
        ("reason_len", _i4, (REASONS,)),
        ("reason_of", _i4, (WIDTH,)),
        ("kind_off", _i4, (KINDS,)),
        ("kind_len", _i4, (KINDS,)),
        ("moment_off", _i4, (16,)),
        ("moment_len", _i4, (16,)),
        ("policy_off", _i4),
        ("policy_len", _i4),
        ("key_off", _i4),
        ("key_len", _i4),
        ("name_off", _i4),
        ("name_len", _i4),
        ("named", _i8),
        ("rated_off", _i4),
        ("rated_len", _i4),
        ("rated_short_len", _i4),
        ("base64", _i8),
        ("counters", _i8, (32,)),
    ],
    align=True,
)
SAMPLED, GREEDY, OPTIMISTIC, WEIGHTED = 0, 1, 2, 3
"""Ways of a policy: the best of a posterior draw; the best expected reward; the best with the width of what is believed; in
proportion to the exponential of the expected reward. The two in the middle are rankings: one draw, without chance."""
MODE_AUTO, MODE_EXPLICIT, MODE_IMPLICIT = 0, 1, 2
FIRST, SUM, MAX = 0, 1, 2

RESOLVED = np.dtype(
    [
        ("kind", _i8),
        ("name", _i8),
        ("name_len", _i8),
        ("until_ms", _i8),
        ("rows", _i8),
        ("values", _i8),
        ("n", _i8),
        ("extra", _i8),
        ("extra_n", _i8),
        ("text", _i8),
        ("text_len", _i8),
        ("weights", _i8),
    ]
)
"""A list that was asked for: `n` rows of the catalogue and what it tells of them, to be used for events before `until_ms`. `extra`
are of partners the hashes of all names, whose `weights` are the lifts; of what is popular the categories that are liked there
(code, name, its length); of trends category, count and row, whose `weights` are the trends; of bundles see below. `text` is JSON or
a hash."""
(
    REGION_ADMITTED,
    CATEGORY_ADMITTED,
    POPULAR,
    TRENDING,
    MOST_VIEWED,
    BOUGHT_WITH,
    VIEWED_WITH,
    BUNDLES_OF,
    OF_MOMENT,
    USER_HASH,
) = range(1, 11)
"""Kinds of lists. An admission has no rows: it is there while the name is counted on its own."""
OF_THE_JOB = (POPULAR, BUNDLES_OF)
"""First and last of the kinds that come from the rest of the job: it is known which there are, and what is asked for of others is
empty."""

BUNDLE_FIELDS = 8
B_UNTIL, B_FIRST, B_COUNT, B_ID, B_ID_LEN, B_HEAD, B_HEAD_LEN, B_IS_PLAIN = range(BUNDLE_FIELDS)
"""Of a list of bundles, what `extra` has of each: until when it may be offered, its first part and how many there are, where in
`text` its id is, where its JSON up to the score, and whether the core can find all parts by name. `rows` are (n, 3) the parts'
names: hash, place in `text`, length. `values` are the discounts."""

COUNTERS = (
    "events_applied",
    "events_duplicate",
    "events_dropped",
    "profiles_coalesced",
    "exposures",
    "exposures_new",
    "exposures_explored",
    "exposures_retracted",
    "exposures_closed_early",
    "impressions_of_unknown_decisions",
    "impressions_of_unknown_products",
    "rewards_without_exposure",
    "reward_milli",
    "penalty_milli",
    "sessions_ended",
    "popular_regions_folded",
    "popular_categories_folded",
    "bundles_bought",
)
(
    N_APPLIED,
    N_DUPLICATE,
    N_DROPPED,
    N_COALESCED,
    N_EXPOSURES,
    N_NEW,
    N_EXPLORED,
    N_RETRACTED,
    N_CLOSED_EARLY,
    N_UNKNOWN_DECISION,
    N_UNKNOWN_PRODUCT,
    N_UNEXPOSED,
    N_REWARD,
    N_PENALTY,
    N_ENDED,
    N_REGION_FOLDED,
    N_CATEGORY_FOLDED,
    N_BUNDLES_BOUGHT,
) = range(len(COUNTERS))

INPUT = np.dtype(
    [
        ("kind", _i8),
        ("at", _i8),
        ("size", _i8),
        ("record_ms", _i8),
        ("session", _i8),
        ("name", _i8),
        ("name_len", _i8),
    ]
)
EVENT, PUBLISH, TIMER, PENDING, REPEAT = range(5)
"""Kinds of inputs: an event; a publication that missed a list; an event-time timer at `record_ms`; a pending publication; the last
slate once more."""

RESULT = np.dtype(
    [
        ("status", _i8),
        ("publication", _i8),
        ("timer", _i8),
        ("pending", _i8),
        ("profile", _i8),
        ("profile_len", _i8),
        ("decision", _i8),
        ("decision_len", _i8),
        ("outcome", _i8),
        ("outcome_len", _i8),
        ("example", _i8),
        ("example_len", _i8),
        ("n_example", _i8),
        ("accepted", _i8),
        ("accepted_len", _i8),
        ("version", _i8),
        ("updated_at_ms", _i8),
        ("generation", _i8),
        ("event_ms", _i8),
        ("miss_kind", _i8),
        ("miss_at", _i8),
        ("miss_len", _i8),
        ("user_changed", _i8),
        ("is_pending", _i8),
    ]
)
APPLIED, SLOW, MISSED, BEHIND, ENDED, NOTHING = range(6)
"""Statuses: the input was applied; it is for the Python core; a list is needed first; it waits for one of those of its session; the
session is over; there was nothing to do."""
NOT_DUE, PUBLISHED, LACKS, FOR_PYTHON = range(4)
"""Of a publication: none is due; it is done; a list is needed first; it is for the Python core."""

STATE = np.dtype([("at", _i8), ("size", _i8), ("new_at", _i8), ("new_size", _i8), ("changed", _i8), ("world", _i8)])

CALL = np.dtype(
    [
        ("sessions", _i8),
        ("worlds", _i8),
        ("n_worlds", _i8),
        ("inputs", _i8),
        ("states", _i8),
        ("results", _i8),
        ("outs", _i8),
        ("ends", _i8),
        ("n", _i8),
    ]
)
"""Addresses of what a call works on, and its number of inputs: to unpack arrays takes longer than many an input."""

OUTS = 7
ROOM = np.array([64 << 10, 8 << 10, 256 << 10, 176 << 10, 64 << 10, 2 << 10, MOST_STATE_BYTES + 64], np.int64)
"""What one input may write to each of the buffers, at most."""
O_PROFILE, O_DECISION, O_OUTCOME, O_EXAMPLE, O_ACCEPTED, O_WANTED, O_STATE = range(OUTS)
"""Buffers that are written to."""
TABLE_COLUMNS = 16
(
    T_PRICE,
    T_RATING,
    T_RELATIVE_PRICE,
    T_PRICE_SQUARED,
    T_REVIEWS,
    T_NOVELTY,
    T_LOG_RATIO,
    T_UNCERTAINTY,
    T_RATE,
    T_EFFECT,
    T_DEVIATION,
    T_CODE,
) = range(12)
"""Columns of the table that is made of `Rates.table` for this; what is a feature by itself is rounded already."""
