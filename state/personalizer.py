"""What one input does to one session: the heart of the job, without Flink."""

import msgspec

from state.choosing.choice import Chooser
from state.choosing.features import Context
from state.choosing.overload import Level, Overload
from state.configuration import Settings
from state.events.accepted import COUNTED_TYPES, MOST_CO_VIEWED, accepted_lines
from state.events.event import Event
from state.events.moment import moment_of
from state.popularity.admission import admission_of
from state.profile.bundle_proposals import Proposal, propose
from state.profile.profile import ProfileExtras, build_profile
from state.profile.trends import Trends
from state.session.activation import status_of
from state.session.attribution import Attribution
from state.session.exposure import open_for_ms
from state.session.interest import IMPRESSION, Interest, bought_in, interest, offered_in
from state.session.log import Record, audit_record, decision_record
from state.session.recent_events import InsertResult, LoggedEvent, logged
from state.session.session import SLATES_KEPT, Session
from state.session.shown import hidden_products
from state.session.slate import Slate
from state.users.hint import Hint
from state.users.user_link import accepts_hint, forget_messages, identify_user
from state.users.warm_start import warmed


class Write(msgspec.Struct, gc=False):
    """A profile to write: its place in the order of writes, its bytes, and its life where that is not `session.ttl`."""

    generation: int
    version: int
    updated_at_ms: int
    profile: bytes
    life_ms: int = 0


class Effect(msgspec.Struct):
    """Consequences of an input.

    `session` is to be stored, None to be cleared; `write` is the profile to publish, or `delete` to take it away; `timer_ms` is an
    event-time timer to set, None where the one that is set will do; `pending_ms` is a wall-clock timer to set for
    `publish_pending`, None likewise; `counts` are increments of metrics by name; `accepted` tells the rest of the job of the event.
    `is_due` says that `Personalizer.publish` is to follow.
    """

    session: Session | None
    records: list[Record] = []
    write: Write | None = None
    delete: bool = False
    timer_ms: int | None = None
    pending_ms: int | None = None
    counts: dict[str, int] = {}
    accepted: str | None = None
    is_due: bool = False


class Personalizer:
    """Application of inputs to sessions. Holds the newest catalogue and model through its chooser, and nothing of any session.

    An input is applied in full whenever it comes. Its profile waits where the session's last publication is less than an interval
    ago: it is pending then, and a timer publishes it. Erasure and withdrawal never wait.

    `tasks` is how many tasks share the sessions, and so what is bounded over all of them.

    Attributes:
        overload: how far the task is behind, which decides on the interval and on the number of candidates.
    """

    def __init__(self, settings: Settings, chooser: Chooser, salt: bytes, tasks: int = 1) -> None:
        self.settings = settings
        self.chooser = chooser
        self.overload = Overload(settings.overload)
        self._trends = Trends(chooser.catalogue, settings.profile.trends)
        self._salt = salt
        self._regions = admission_of(settings.popularity.max_regions, settings.popularity, tasks)
        self._categories_admitted = admission_of(settings.popularity.max_categories, settings.popularity, tasks)
        self._denied_by_default = settings.consent.default == "denied"

    def is_late(self, event: Event, watermark_ms: int) -> bool:
        """Return whether the event is older than the watermark by more than the allowed lateness."""
        return event.timestamp < watermark_ms - self.settings.events.allowed_lateness_ms

    def apply(self, session: Session | None, event: Event, *, record_ms: int, now_ms: int, watermark_ms: int) -> Effect:
        """Apply an event that is not late, and publish what is due. `record_ms` is the Kafka time of its record, `now_ms` the wall
        clock."""
        effect = self.apply_unpublished(session, event, record_ms=record_ms, now_ms=now_ms, watermark_ms=watermark_ms)
        return self.publish(effect, event.session_id, now_ms)

    def apply_unpublished(
        self, session: Session | None, event: Event, *, record_ms: int, now_ms: int, watermark_ms: int
    ) -> Effect:
        """Apply as `apply` does, but let what is due wait for `publish`: several events can be applied first, and then published
        for, so that the same code runs several times in a row."""
        session = session or Session.begin(record_ms)
        session.newest_input_ms = max(session.newest_input_ms, event.timestamp)
        self.chooser.refresh(now_ms)
        if event.event_type == "erase" or (event.event_type == "consent" and not event.granted):
            return self._forget(session, event, record_ms, now_ms)
        if event.event_type == "consent":
            session.consent.record(granted=True, timestamp_ms=event.timestamp)
        if not session.consent.is_given(self._denied_by_default):
            return self._refuse_without_consent(session, event, record_ms, now_ms)
        if event.timestamp <= session.consent.usable_after_ms(self._denied_by_default):
            session.dropped += 1
            return self._finish(session, now_ms, {"events_dropped": 1})
        return self._insert(session, event, record_ms, now_ms, watermark_ms)

    def on_timer(self, session: Session, session_id: str, timer_ms: int, now_ms: int) -> Effect:
        """Close exposures that are due as the watermark has passed `timer_ms`, and the session when its life is over."""
        session.timer_ms = 0
        attribution = self._attribution(session, session_id, "", now_ms)
        if session.newest_input_ms + self.settings.session.ttl_ms <= timer_ms:
            attribution.queue_for_learning()
            effect = Effect(None, attribution.finish(), counts={"sessions_ended": 1})
            if session.pending_ms:
                self._publish(effect, session, session_id, now_ms)
            return effect
        attribution.close_due(timer_ms)
        return self._with_timer(Effect(session, attribution.finish(), counts=attribution.counts))

    def publish(self, effect: Effect, session_id: str, now_ms: int) -> Effect:
        """Publish what is due after an input, before anything else happens to its session."""
        if effect.is_due and effect.session is not None:
            effect.is_due = False
            self._publish(effect, effect.session, session_id, now_ms)
        return effect

    def publish_pending(self, session: Session, session_id: str, now_ms: int) -> Effect:
        """Publish what is pending, if anything, once the session's interval is over."""
        effect = Effect(session)
        if session.pending_ms:
            self.chooser.refresh(now_ms)
            self._publish(effect, session, session_id, now_ms)
        return effect

    def apply_hint(self, session: Session | None, session_id: str, hint: Hint, now_ms: int) -> Effect:
        """Apply what is known of the session's user. It creates no session, and changes none but its user's.

        A young session is answered anew; one that is to forget what it was told, whatever its age.
        """
        if session is None or not accepts_hint(session, hint, self._denied_by_default):
            return Effect(session, counts={"hints_unwanted": 1})
        data = b"" if hint.is_empty else hint.encode()
        if data == session.hint:
            return Effect(session, counts={"hints_repeated": 1})
        session.hint = data
        effect = Effect(session, counts={"hints_forgotten" if hint.is_empty else "hints_taken": 1})
        self.chooser.catalogue.want([*hint.items, *hint.products])
        newest = session.recent.newest
        is_young = len(session.recent.events) < self.settings.session.active_after
        if newest is not None and (is_young or hint.is_empty):
            self.chooser.refresh(now_ms)
            self._publish_soon(effect, session, now_ms, newest.digest)
        return self.publish(effect, session_id, now_ms)

    def publish_again(self, session: Session, session_id: str, now_ms: int) -> Effect:
        """Return the session's profile from its last slate, none where it has none: for a write that may be lost."""
        effect = Effect(session)
        self._publish_last(effect, session, session_id, now_ms)
        return effect

    def lost_profile(self, session: Session, session_id: str, now_ms: int) -> Effect | None:
        """Return what brings a profile back that Redis has lost; None where there was none, or its life would be over.

        A profile of the last slate is as it was, with the time of its publication and the life that it had left, and changes no
        state: the effect's session is None then. Where that slate can no longer be shown, a new one is published.
        """
        left_ms = session.updated_at_ms + self.settings.session.ttl_ms - now_ms
        if left_ms <= 0 or not session.slates or not session.consent.is_given(self._denied_by_default):
            return None
        slate, catalogue = session.slates[-1], self.chooser.catalogue
        if len(catalogue) and not catalogue.can_show(slate.product_ids):
            return self.publish_again(session, session_id, now_ms)
        write = self._profile(session, session_id, slate, self._interest(session), now_ms, session.updated_at_ms)
        write.life_ms = min(left_ms, self.settings.session.ttl_ms)
        return Effect(None, write=write)

    def _insert(self, session: Session, event: Event, record_ms: int, now_ms: int, watermark_ms: int) -> Effect:
        """Inserts the event into the log, and if it is new attributes rewards, learns, and asks for a new slate."""
        session.recent.complete(self.chooser.catalogue.category_of)
        entry = logged(event, self._categories(event), self._bundles_bought(event))
        result, evicted = session.recent.insert(entry, self.settings.session.max_events)
        if result is InsertResult.DUPLICATE:
            session.duplicates += 1
            return self._finish(session, now_ms, {"events_duplicate": 1})
        if result is InsertResult.DROPPED:
            session.dropped += 1
            return self._finish(session, now_ms, {"events_dropped": 1})
        if not session.applied:
            session.generation = record_ms
        session.applied += 1
        effect = Effect(session, [], counts={"events_applied": 1})
        if not self._is_first(session, entry):
            attribution = self._attribute(session, event, entry, evicted, now_ms, watermark_ms)
            effect.records = attribution.finish()
            effect.counts |= attribution.counts
        if entry.bundles:
            effect.counts["bundles_bought"] = self._count_bundles(session, entry)
        effect.accepted = self._report_accepted(session, event, entry, effect, now_ms)
        if entry.kind != IMPRESSION:
            self.chooser.catalogue.want(entry.products)
            self._publish_soon(effect, session, now_ms, entry.digest)
        return self._with_timer(effect)

    def _is_first(self, session: Session, entry: LoggedEvent) -> bool:
        """Whether the event finds nothing that it could reward, close or expose."""
        return (
            session.applied == 1
            and not session.exposures
            and not session.slates
            and not session.shown
            and not entry.decision_id
            and entry.kind != IMPRESSION
        )

    def _report_accepted(
        self, session: Session, event: Event, entry: LoggedEvent, effect: Effect, now_ms: int
    ) -> str | None:
        """Notes where, when and who, and tells the rest of the job."""
        moment = moment_of(event)
        is_newest = entry is session.recent.newest
        if is_newest:
            session.region = event.region or session.region
            session.moment = moment
        user, hint_requests = identify_user(session, event, is_newest, self._salt)
        effect.records += hint_requests
        viewed = session.recent.viewed(MOST_CO_VIEWED + 1) if event.event_type in COUNTED_TYPES else ()
        region, categories = self._admitted(event, entry.categories, effect, now_ms)
        return accepted_lines(event, categories, viewed, moment, user, region)

    def _admitted(self, event: Event, categories: list[str], effect: Effect, now_ms: int) -> tuple[str, list[str]]:
        """The event's region and categories as they are counted: a name beyond the bounds is none, and only the whole counts it."""
        region = event.region or ""
        if event.event_type not in COUNTED_TYPES:
            return region, categories
        if region and not self._regions.admits(region, now_ms):
            effect.counts["popular_regions_folded"] = 1
            region = ""
        code_of = self.chooser.catalogue.code_of  # 0 for a category that no product is in
        kept = [c if not c or code_of(c) or self._categories_admitted.admits(c, now_ms) else "" for c in categories]
        if kept != categories:
            effect.counts["popular_categories_folded"] = 1
        return region, kept

    def _attribute(
        self,
        session: Session,
        event: Event,
        entry: LoggedEvent,
        evicted: list[LoggedEvent],
        now_ms: int,
        watermark_ms: int,
    ) -> Attribution:
        """1 close what is over; 2 expose by the visitor's stay; 3 reward; 4 learn; 5 expose by impression."""
        attribution = self._attribution(session, event.session_id, event.identity, now_ms)
        attribution.close_due(watermark_ms)
        attribution.close_evicted(evicted)
        if entry.kind != IMPRESSION:
            attribution.expose_implicitly(entry)
        affected = entry.products if attribution.credits(entry) else ()
        if session.exposures:
            attribution.reward([*affected, *[e.product_id for e in session.exposures if not e.queued]])
            attribution.queue_for_learning()
        if entry.kind == IMPRESSION:
            attribution.expose_explicitly(event)
            attribution.reward(event.shown or ())
        return attribution

    def _attribution(self, session: Session, session_id: str, event_id: str, now_ms: int) -> Attribution:
        chooser = self.chooser.of(session_id)
        return Attribution(
            session_id,
            session,
            self.settings,
            event_id,
            now_ms,
            chooser.learners,
            chooser.drift_target,
            chooser.examination,
        )

    def _publish_soon(self, effect: Effect, session: Session, now_ms: int, cause: bytes = b"") -> None:
        """Lets a publication follow now or, where the last one is too recent, when a timer fires.

        `cause` is the digest of the event that asks for a new slate, empty where the same slate will do. A publication that is
        pending already is one with this one.
        """
        if session.pending_ms:
            effect.counts["profiles_coalesced"] = 1
        session.pending_cause = cause or session.pending_cause
        due_ms = min(session.updated_at_ms, now_ms) + self._interval_ms()  # the clock may have been set back
        if due_ms <= now_ms:
            effect.is_due = True
        elif not session.pending_ms or due_ms < session.pending_ms:
            session.pending_ms = effect.pending_ms = due_ms

    def _publish(self, effect: Effect, session: Session, session_id: str, now_ms: int) -> None:
        """Publishes a new slate where an event asked for one, else the same with the new counts."""
        cause = session.pending_cause
        session.pending_ms, session.pending_cause = 0, b""
        if cause:
            self._publish_new(effect, session, session_id, cause, now_ms)
        else:
            self._publish_last(effect, session, session_id, now_ms)

    def _publish_last(self, effect: Effect, session: Session, session_id: str, now_ms: int) -> None:
        """Publishes the last slate, or a new one where a product of it can no longer be shown."""
        if not session.slates:
            return
        slate, catalogue = session.slates[-1], self.chooser.catalogue
        if len(catalogue) and not catalogue.can_show(slate.product_ids):
            self._publish_new(effect, session, session_id, slate.cause, now_ms)
        else:
            effect.write = self._profile(session, session_id, slate, self._interest(session), now_ms)

    def _publish_new(self, effect: Effect, session: Session, session_id: str, cause: bytes, now_ms: int) -> None:
        slate, known = self._choose(session, session_id, cause, now_ms)
        effect.write = self._profile(session, session_id, slate, known, now_ms)
        if self.settings.decisions.log == "published" and not slate.logged:
            slate.logged = True
            effect.records.append(decision_record(session_id, slate, None))

    def _interval_ms(self) -> int:
        interval_ms = self.settings.profile.min_interval_ms
        if self.overload.level >= Level.SPACING:
            return max(interval_ms, self.settings.overload.spacing_ms)
        return interval_ms

    def _most_candidates(self) -> int:
        most = self.settings.candidates.max
        if self.overload.level >= Level.FEWER_CANDIDATES:
            return min(most, self.settings.overload.candidates)
        return most

    def context(self, session: Session, now_ms: int) -> Context:
        """Return what the session brings to a choice made now."""
        known = self._interest(session)
        unrewarded: dict[str, int] = {}
        category_unrewarded: dict[str, int] = {}
        for exposure in session.exposures:
            if exposure.reward <= 0:
                unrewarded[exposure.product_id] = unrewarded.get(exposure.product_id, 0) + 1
        for product, times in unrewarded.items():
            category = self.chooser.catalogue.category_of(product)
            category_unrewarded[category] = category_unrewarded.get(category, 0) + times
        newest = session.recent.newest
        last = next((category for category in (newest.categories if newest else ()) if category), "")
        hidden = hidden_products(session.shown, session.recent.events, self.settings.variety)
        event_ms = newest.timestamp_ms if newest else 0
        place = (session.region, session.moment)
        return Context(known, last, unrewarded, now_ms, category_unrewarded, *place, hidden, event_ms)

    def _choose(self, session: Session, session_id: str, cause: bytes, now_ms: int) -> tuple[Slate, Interest]:
        context = self.context(session, now_ms)
        chooser = self.chooser.of(session_id)
        most = self._most_candidates()
        slate = chooser.choose(context, profile_version=session.applied, cause=cause, most=most)
        session.slates = [*session.slates, slate][-SLATES_KEPT:]
        return slate, context.interest

    def _profile(
        self, session: Session, session_id: str, slate: Slate, known: Interest, now_ms: int, updated_at_ms: int = 0
    ) -> Write:
        """The profile as of now; `updated_at_ms` is the time that it says it was published at, where that was earlier."""
        session.updated_at_ms = updated_at_ms or max(session.updated_at_ms, now_ms)
        chooser = self.chooser.of(session_id)
        values, theta = chooser.predict(slate), chooser.coefficients(slate)
        ratings = self.chooser.catalogue.category_rating
        extras = self._extras(session, known, now_ms)
        profile = build_profile(session_id, session, slate, values, theta, known, ratings, self.settings, extras)
        return Write(session.generation, session.applied, session.updated_at_ms, profile)

    def _extras(self, session: Session, known: Interest, now_ms: int) -> ProfileExtras:
        shelf = self.chooser.shelf
        newest = session.recent.newest
        popular = shelf.popularity.of(session.region, newest.timestamp_ms if newest else now_ms)
        return ProfileExtras(
            status_of(session.recent.events, self.settings.session, shelf.together.viewed_with),
            shelf.because(known),
            self._trends.of(popular, known),
            self._proposals(session, known, now_ms),
        )

    def _proposals(self, session: Session, known: Interest, now_ms: int) -> list[Proposal]:
        shelf, most = self.chooser.shelf, self.settings.profile.bundles
        if not most or not len(shelf.bundles):
            return []
        bought = bought_in(session.recent.events)
        return propose(
            known,
            bought,
            shelf.bundles,
            shelf.together,
            shelf.catalogue,
            self.chooser.merchandise,
            now_ms,
            most,
        )

    def _bundles_bought(self, event: Event) -> list[list[str]]:
        if event.event_type != "checkout":
            return []
        return self.chooser.shelf.bundles.bought_in(event.products(), event.timestamp)

    def _count_bundles(self, session: Session, entry: LoggedEvent) -> int:
        """How many bundles the checkout bought that were offered, as far as the session's events have come by now."""
        events = session.recent.events
        at = next(at for at, event in enumerate(events) if event is entry)
        return len(offered_in(entry, events[:at]))

    def _finish(self, session: Session, now_ms: int, counts: dict[str, int]) -> Effect:
        """After an input that changes nothing but the accounting: the same slate is published with the new counts."""
        effect = Effect(session, counts=counts)
        self._publish_soon(effect, session, now_ms)
        return self._with_timer(effect)

    def _forget(self, session: Session, event: Event, record_ms: int, now_ms: int) -> Effect:
        """Erasure or withdrawal: nothing that is not later remains, and what is later begins a new generation."""
        consent = session.consent
        before = (consent.denied_ms, consent.erased_ms)
        if event.event_type == "erase":
            consent.erase(event.timestamp)
            action = "erase"
        else:
            consent.record(granted=False, timestamp_ms=event.timestamp)
            action = "consent_withdrawn"
        records: list[Record] = []
        if (consent.denied_ms, consent.erased_ms) != before:
            users, messages = forget_messages(session, event, self._salt)
            records.append(audit_record(event.session_id, action, event.timestamp, now_ms, self._salt, users))
            records += messages
        attribution = self._attribution(session, event.session_id, event.identity, now_ms)
        attribution.discard()
        fresh = Session.begin(record_ms)
        fresh.consent, fresh.newest_input_ms, fresh.timer_ms = consent, session.newest_input_ms, session.timer_ms
        if consent.is_given(self._denied_by_default):
            fresh.recent = session.recent
            fresh.recent.forget_through(consent.usable_after_ms(self._denied_by_default))
        effect = Effect(fresh, [*records, *attribution.finish()], delete=True, counts={"sessions_forgotten": 1})
        newest = fresh.recent.newest
        if newest is not None:
            fresh.applied = len(fresh.recent.events)
            fresh.pending_cause = newest.digest
            self._publish(effect, fresh, event.session_id, now_ms)
        return self._with_timer(effect)

    def _refuse_without_consent(self, session: Session, event: Event, record_ms: int, now_ms: int) -> Effect:
        """Keeps nothing of the event. Where consent was never given nor withdrawn, answers with a list for everybody."""
        if session.consent.has_marker():
            session.dropped += 1
            return self._with_timer(Effect(session, counts={"events_without_consent": 1}))
        stranger = Session.begin(record_ms)
        context = Context(_NO_INTEREST, "", {}, now_ms)
        most = self._most_candidates()
        slate = self.chooser.of(event.session_id).choose(context, profile_version=0, cause=b"", most=most)
        profile = self._profile(stranger, event.session_id, slate, _NO_INTEREST, now_ms)
        return Effect(None, write=profile, counts={"events_without_consent": 1})

    def _with_timer(self, effect: Effect) -> Effect:
        session = effect.session
        if session is not None:
            due_ms = session.newest_input_ms + self.settings.session.ttl_ms
            if session.exposures:
                oldest_ms = min([exposure.exposed_at_ms for exposure in session.exposures])
                due_ms = min(due_ms, oldest_ms + open_for_ms(self.settings.reward))
            if not session.timer_ms or due_ms < session.timer_ms:
                session.timer_ms = effect.timer_ms = due_ms
        return effect

    def _interest(self, session: Session) -> Interest:
        """The session's own, with what is known of its user from elsewhere."""
        weights = self.settings.reward.weights
        own = interest(session.recent.events, weights, self.settings.session.decay)
        if not session.hint:
            return own
        return warmed(own, Hint.decode(session.hint), weights, self.settings.users.weight)

    def _categories(self, event: Event) -> list[str]:
        """Categories in parallel to the event's products: the event's own, else the catalogue's."""
        products = event.products()
        if not products:
            return [event.category_id] if event.category_id else []
        if event.category_id and len(products) == 1:
            return [event.category_id]
        return [self.chooser.catalogue.category_of(product) for product in products]


_NO_INTEREST = Interest({}, {}, 0.0)
