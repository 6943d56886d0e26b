"""All telemetry, wired to the two buses: metrics, traces, history, event log, webhook."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from .. import events
from ..config import Config
from . import statsd
from .diagnosis import Diagnosis
from .event_log import EventLog
from .history import History
from .measurements import JobEnded, RunEnded
from .metrics import Metrics
from .tracing import Tracer, tracer_of
from .webhook import Webhook, webhook_of


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The telemetry of one service.

    Attributes:
        measured: the bus of measurements.
    """

    measured: events.Events = field(default_factory=events.Events)
    metrics: Metrics = field(default_factory=Metrics)
    event_log: EventLog = field(default_factory=EventLog)
    history: History = field(default_factory=History)
    diagnosis: Diagnosis = field(default_factory=Diagnosis)
    tracer: Tracer | None = None
    webhook: Webhook | None = None

    @classmethod
    def build(cls, config: Config, bus: events.Events) -> Telemetry:
        """The telemetry that the settings ask for, subscribed to `bus`.

        Raises:
            ConfigError: a setting needs an extra that is not installed.
        """
        watchers = cls(tracer=tracer_of(config), webhook=webhook_of(config))
        for sink in (watchers.metrics.on_event, watchers.event_log.on_event, watchers.remember):
            bus.subscribe(sink)
        if watchers.webhook is not None:
            bus.subscribe(watchers.webhook.on_event)
        watchers.measured.subscribe(watchers.metrics.on_measurement)
        watchers.measured.subscribe(watchers.remember)
        if watchers.tracer is not None:
            watchers.measured.subscribe(watchers.tracer.on_measurement)
        return watchers

    def start(self, config: Config, nursery: trio.Nursery) -> None:
        """Start the long-lived tasks."""
        if self.webhook is not None:
            nursery.start_soon(self.webhook.run)
        if config.statsd_addr is not None:
            host, _, port = config.statsd_addr.rpartition(":")
            nursery.start_soon(statsd.report, self.metrics.registry, host.strip("[]"), int(port))

    async def finish(self) -> None:
        """Send what is left, for a few seconds at most."""
        if self.webhook is not None:
            await self.webhook.finish()
        if self.tracer is not None:
            await self.tracer.finish()

    def remember(self, event: events.Event) -> None:
        """A sink for both buses: the history that the dashboard shows."""
        match event:
            case JobEnded(site, outcome, seconds, request_id):
                self.history.job(trio.current_time(), site, outcome, seconds, request_id)
            case RunEnded():
                self.diagnosis.note(trio.current_time(), event)
            case events.BreakerChanged(site, _, current, reason):
                self.history.breaker(trio.current_time(), site, current, reason)
