"""What one input does to one session: the heart of the job, without Flink."""

from state.choosing.choice import Chooser
from state.choosing.features import Context
from state.configuration import Settings
from state.events.accepted import COUNTED_TYPES, MOST_CO_VIEWED, accepted_lines
from state.events.event import Event
from state.events.moment import moment_of
from state.popularity.admission import admission_of
from state.profile.effect import Effect
from state.profile.publishing import Publisher
from state.session.attribution import Attribution
from state.session.exposure import open_for_ms
from state.session.hint import Hint
from state.session.interest import IMPRESSION, Interest, offered_in
from state.session.log import Record, audit_record
from state.session.recent_events import InsertResult, LoggedEvent, logged
from state.session.session import Session
from state.users.user_link import accepts_hint, forget_messages, identify_user


class Personalizer:
    """Application of inputs to sessions. Holds the newest catalogue and model through its chooser, and nothing of any session.

    An input is applied in full whenever it comes. Its profile may wait, see `Publisher`; erasure and withdrawal never wait.

    `tasks` is how many tasks share the sessions, and so what is bounded over all of them.

    Attributes:
        publisher: chooses slates and writes profiles.
    """

    def __init__(self, settings: Settings, chooser: Chooser, salt: bytes, tasks: int = 1) -> None:
        self.settings = settings
        self.chooser = chooser
        self.publisher = Publisher(settings, chooser)
        self._salt = salt
        self.regions = admission_of(settings.popularity.max_regions, settings.popularity, tasks)
        self.categories_admitted = admission_of(settings.popularity.max_categories, settings.popularity, tasks)
        self._denied_by_default = settings.consent.default == "denied"

    def is_late(self, event: Event, watermark_ms: int) -> bool:
        """Return whether the event is older than the watermark by more than the allowed lateness."""
        return event.timestamp < watermark_ms - self.settings.events.allowed_lateness_ms

    def apply(self, session: Session | None, event: Event, *, record_ms: int, now_ms: int, watermark_ms: int) -> Effect:
        """Apply an event that is not late, and publish what is due. `record_ms` is the Kafka time of its record, `now_ms` the wall
        clock."""
        effect = self.apply_unpublished(session, event, record_ms=record_ms, now_ms=now_ms, watermark_ms=watermark_ms)
        return self.publisher.publish_due(effect, event.session_id, now_ms)

    def apply_unpublished(
        self, session: Session | None, event: Event, *, record_ms: int, now_ms: int, watermark_ms: int
    ) -> Effect:
        """Apply as `apply` does, but let what is due wait for `publisher.publish_due`.

        Several events can be applied first, and then published for, so that the same code runs several times in a row.
        """
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
                self.publisher.publish_now(effect, session, session_id, now_ms)
            return effect
        attribution.close_due(timer_ms)
        return self._with_timer(Effect(session, attribution.finish(), counts=attribution.counts))

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
            self.publisher.schedule(effect, session, now_ms, newest.digest)
        return self.publisher.publish_due(effect, session_id, now_ms)

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
            self.publisher.schedule(effect, session, now_ms, entry.digest)
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
        if region and not self.regions.admits(region, now_ms):
            effect.counts["popular_regions_folded"] = 1
            region = ""
        code_of = self.chooser.catalogue.code_of  # 0 for a category that no product is in
        kept = [c if not c or code_of(c) or self.categories_admitted.admits(c, now_ms) else "" for c in categories]
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
            follows_order=chooser.is_apprentice,
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
        self.publisher.schedule(effect, session, now_ms)
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
            self.publisher.publish_now(effect, fresh, event.session_id, now_ms)
        return self._with_timer(effect)

    def _refuse_without_consent(self, session: Session, event: Event, record_ms: int, now_ms: int) -> Effect:
        """Keeps nothing of the event. Where consent was never given nor withdrawn, answers with a list for everybody."""
        if session.consent.has_marker():
            session.dropped += 1
            return self._with_timer(Effect(session, counts={"events_without_consent": 1}))
        stranger = Session.begin(record_ms)
        context = Context(_NO_INTEREST, "", {}, now_ms)
        most = self.publisher.most_candidates()
        slate = self.chooser.of(event.session_id).choose(context, profile_version=0, cause=b"", most=most)
        profile = self.publisher.profile(stranger, event.session_id, slate, _NO_INTEREST, now_ms)
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

    def _categories(self, event: Event) -> list[str]:
        """Categories in parallel to the event's products: the event's own, else the catalogue's."""
        products = event.products()
        if not products:
            return [event.category_id] if event.category_id else []
        if event.category_id and len(products) == 1:
            return [event.category_id]
        return [self.chooser.catalogue.category_of(product) for product in products]


_NO_INTEREST = Interest({}, {}, 0.0)
