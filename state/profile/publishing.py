"""Choosing and writing what is due: at most one profile of a session in an interval."""

from state.choosing.choice import Chooser
from state.choosing.features import Context
from state.choosing.overload import Level, Overload
from state.configuration import Settings
from state.profile.bundle_proposals import Proposal, propose
from state.profile.effect import Effect, Write
from state.profile.profile import ProfileExtras, build_profile
from state.profile.trends import Trends
from state.session.activation import status_of
from state.session.group import group_of
from state.session.hint import Hint
from state.session.interest import Interest, bought_in, interest
from state.session.log import decision_record
from state.session.session import SLATES_KEPT, Session
from state.session.shown import hidden_products
from state.session.slate import Slate
from state.users.warm_start import warmed


class Publisher:
    """Writer of sessions' profiles, which chooses their slates.

    A publication waits if the session's last one is less than an interval ago: it is pending then, and a timer flushes it.

    Attributes:
        overload: how far the task is behind, which decides on the interval and on the number of candidates.
    """

    def __init__(self, settings: Settings, chooser: Chooser) -> None:
        self.settings = settings
        self.chooser = chooser
        self.overload = Overload(settings.overload)
        self._trends = Trends(chooser.catalogue, settings.profile.trends)
        self._denied_by_default = settings.consent.default == "denied"

    def publish_due(self, effect: Effect, session_id: str, now_ms: int) -> Effect:
        """Publish what is due after an input, before anything else happens to its session."""
        if effect.is_due and effect.session is not None:
            effect.is_due = False
            self.publish_now(effect, effect.session, session_id, now_ms)
        return effect

    def publish_pending(self, session: Session, session_id: str, now_ms: int) -> Effect:
        """Publish what is pending, if anything, once the session's interval is over."""
        effect = Effect(session)
        if session.pending_ms:
            self.chooser.refresh(now_ms)
            self.publish_now(effect, session, session_id, now_ms)
        return effect

    def republish(self, session: Session, session_id: str, now_ms: int) -> Effect:
        """Return the session's profile from its last slate, none where it has none: for a write that may be lost."""
        effect = Effect(session)
        self._publish_last_slate(effect, session, session_id, now_ms)
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
            return self.republish(session, session_id, now_ms)
        write = self.profile(session, session_id, slate, self._interest(session), now_ms, session.updated_at_ms)
        write.life_ms = min(left_ms, self.settings.session.ttl_ms)
        return Effect(None, write=write)

    def schedule(self, effect: Effect, session: Session, now_ms: int, cause: bytes = b"") -> None:
        """Let a publication follow now or, if the last one is too recent, when a timer fires.

        `cause` is the digest of the event that asks for a new slate, empty where the same slate will do. A publication that is
        pending already is one with this one.
        """
        if session.pending_ms:
            effect.counts["profiles_coalesced"] = 1
        session.pending_cause = cause or session.pending_cause
        due_ms = min(session.updated_at_ms, now_ms) + self.interval_ms()  # the clock may have been set back
        if due_ms <= now_ms:
            effect.is_due = True
        elif not session.pending_ms or due_ms < session.pending_ms:
            session.pending_ms = effect.pending_ms = due_ms

    def publish_now(self, effect: Effect, session: Session, session_id: str, now_ms: int) -> None:
        """Publish a new slate if an event asked for one, else the same with the new counts."""
        cause = session.pending_cause
        session.pending_ms, session.pending_cause = 0, b""
        if cause:
            self._publish_new_slate(effect, session, session_id, cause, now_ms)
        else:
            self._publish_last_slate(effect, session, session_id, now_ms)

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
        return Context(
            known,
            last,
            unrewarded,
            now_ms,
            category_unrewarded,
            session.region,
            session.moment,
            hidden,
            event_ms,
            session.shop_order or known.listed,
            self.settings.bandit.groups,
        )

    def profile(
        self, session: Session, session_id: str, slate: Slate, known: Interest, now_ms: int, updated_at_ms: int = 0
    ) -> Write:
        """Build the profile as of now; `updated_at_ms` is the time that it says it was published at, if that was earlier."""
        session.updated_at_ms = updated_at_ms or max(session.updated_at_ms, now_ms)
        chooser = self.chooser.of(session_id)
        group = group_of(session.region, session.moment, self.settings.bandit.groups)
        values, theta = chooser.predict(slate, group), chooser.coefficients(slate)
        ratings = self.chooser.catalogue.category_rating
        extras = self._extras(session, known, now_ms)
        profile = build_profile(session_id, session, slate, values, theta, known, ratings, self.settings, extras)
        return Write(session.generation, session.applied, session.updated_at_ms, profile)

    def _publish_last_slate(self, effect: Effect, session: Session, session_id: str, now_ms: int) -> None:
        """Publishes the last slate, or a new one where a product of it can no longer be shown."""
        if not session.slates:
            return
        slate, catalogue = session.slates[-1], self.chooser.catalogue
        if len(catalogue) and not catalogue.can_show(slate.product_ids):
            self._publish_new_slate(effect, session, session_id, slate.cause, now_ms)
        else:
            effect.write = self.profile(session, session_id, slate, self._interest(session), now_ms)

    def _publish_new_slate(self, effect: Effect, session: Session, session_id: str, cause: bytes, now_ms: int) -> None:
        slate, known = self._choose(session, session_id, cause, now_ms)
        effect.write = self.profile(session, session_id, slate, known, now_ms)
        if self.settings.decisions.log == "published" and not slate.logged:
            slate.logged = True
            effect.records.append(decision_record(session_id, slate, None))

    def _choose(self, session: Session, session_id: str, cause: bytes, now_ms: int) -> tuple[Slate, Interest]:
        chooser = self.chooser.of(session_id)
        if not chooser.is_apprentice:
            session.shop_order = []
        context = self.context(session, now_ms)
        most = self.most_candidates()
        slate = chooser.choose(context, profile_version=session.applied, cause=cause, most=most)
        session.slates = [*session.slates, slate][-SLATES_KEPT:]
        return slate, context.interest

    def most_candidates(self) -> int:
        """Return from how many candidates a slate is chosen now."""
        most = self.settings.candidates.max
        if self.overload.level >= Level.FEWER_CANDIDATES:
            return min(most, self.settings.overload.candidates)
        return most

    def interval_ms(self) -> int:
        """Return how long a session's publications are apart now."""
        interval_ms = self.settings.profile.min_interval_ms
        if self.overload.level >= Level.SPACING:
            return max(interval_ms, self.settings.overload.spacing_ms)
        return interval_ms

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

    def _interest(self, session: Session) -> Interest:
        """The session's own, with what is known of its user from elsewhere."""
        weights = self.settings.reward.weights
        own = interest(session.recent.events, weights, self.settings.session.decay)
        if not session.hint:
            return own
        return warmed(own, Hint.decode(session.hint), weights, self.settings.users.weight)
