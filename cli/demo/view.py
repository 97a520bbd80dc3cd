"""What the demo shows: addresses, rates, the model's age, click-through, and one session's profile as it changes."""

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from rich.console import ConsoleDimensions, Group, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.text import Text

from cli.endpoints import Endpoints
from cli.output import duration_text
from cli.profile.view import WIDE, profile_view
from cli.simulate.report import Trend, live_view, percent
from cli.simulate.runner import Runner
from cli.stack.record import without_password
from cli.text import visible_tree

RATE_WINDOW_S = 5.0
ROWS_BESIDE_ITEMS = 21  # of the screen; more where the profile has no room for two parts next to each other
ROWS_BELOW_ITEMS = 36


class Rate:
    """Per second over the last few seconds, from a count that only grows."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, float]] = deque()

    def update(self, count: float, now_s: float) -> None:
        """Note the count as it stands at a moment, in seconds of any clock."""
        self._points.append((now_s, count))
        while len(self._points) > 2 and self._points[1][0] < now_s - RATE_WINDOW_S:
            self._points.popleft()

    @property
    def value(self) -> float:
        """The rate; 0 before there are two points."""
        (first_s, first), (last_s, last) = self._points[0], self._points[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else 0.0


class Figures:
    """The moving figures of the demo."""

    def __init__(self) -> None:
        self.events = Rate()
        self.profiles = Rate()
        self.model_version = 0
        self.trend = Trend()

    def update(self, runner: Runner, profiles: int, model_version: int) -> None:
        """Take the counts as they stand now."""
        now_s = time.monotonic()
        self.events.update(runner.sent, now_s)
        self.profiles.update(profiles, now_s)
        self.model_version = model_version
        self.trend.update(runner.results, runner.elapsed_s)

    def text(self, now_ms: int) -> str:
        """Return the figures in one line."""
        model = duration_text(max(0, now_ms - self.model_version)) + " old" if self.model_version else "none yet"
        return f"{self.events.value:,.0f} events/s in, {self.profiles.value:,.0f} profiles/s out, model {model}"


def addresses(endpoints: Endpoints) -> Text:
    """Return where to look besides the demo."""
    text = Text()
    if endpoints.serving:
        text.append("Shop ", "dim").append(endpoints.serving, f"link {endpoints.serving} underline").append("   ")
    text.append("Flink UI ", "dim").append(endpoints.flink, f"link {endpoints.flink} underline")
    text.append("   Kafka ", "dim").append(endpoints.kafka)
    text.append("   Redis ", "dim").append(without_password(endpoints.redis).partition("://")[2])
    return text


def demo_view(
    endpoints: Endpoints,
    figures: Figures,
    runner: Runner,
    profile: Mapping[str, Any] | None,
    titles: Mapping[str, str],
    size: ConsoleDimensions,
) -> RenderableType:
    """Return the whole screen; `size` decides how much of the profile's list is shown."""
    now_ms = int(time.time() * 1_000)
    shown = Text("waiting for the first profile", style="dim")
    items = max(3, min(20, size.height - (ROWS_BESIDE_ITEMS if size.width >= WIDE else ROWS_BELOW_ITEMS)))
    view = profile_view(profile, now_ms, titles, items) if profile is not None else Panel(shown, title="profile")
    return Group(
        addresses(endpoints),
        Text(figures.text(now_ms), style="bold"),
        Rule(style="dim"),
        live_view(runner, figures.trend),
        Rule("one shopper's profile, Ctrl-C ends", style="dim"),
        view,
    )


def demo_line(figures: Figures, runner: Runner, profile: Mapping[str, Any] | None, titles: Mapping[str, str]) -> str:
    """Return the same in one line, for where no terminal is."""
    results = runner.results
    parts = [
        f"{runner.elapsed_s:4.0f} s",
        figures.text(int(time.time() * 1_000)),
        f"click-through {percent(results.heliotrope.value)} ± {percent(results.heliotrope.standard_error)}"
        f" (random {percent(results.uniform.value)}, best {percent(results.best.value)})",
    ]
    if profile is not None:
        profile, titles = visible_tree(profile), visible_tree(dict(titles))
        names = [titles.get(item["product_id"], item["product_id"]) for item in (profile.get("score_data") or [])[:3]]
        who = f"{profile.get('session_id')} ({profile.get('status')}, version {profile.get('version')})"
        parts.append(f"{who} sees first {', '.join(names) or 'nothing'}")
    return "; ".join(parts)
