"""The sinks of events: the log, and Sentry when a DSN is set (the `sentry` extra)."""

from __future__ import annotations

from typing import Any, Literal

import structlog

from .. import __version__, events
from ..config import Config, ConfigError
from ..logs import fields_of, scrub

log = structlog.get_logger(events.__name__)

_WARNINGS = (
    events.TemplateEnded,
    events.WorkerBootFailed,
    events.CanaryRefused,
    events.CanaryBootFailed,
    events.ReleaseRolledBack,
    events.PatchesInactive,
    events.SolverUnavailable,
    events.ScriptRejected,
    events.ChallengeUnsolved,
    events.ExtractorBroken,
    events.ReleaseAvailable,
    events.ReleaseRefused,
    events.UpdateFailed,
    events.SidecarFailed,
    events.CookiesUnusable,
    events.EgressDenied,
    events.EgressQuarantined,
    events.UrlQuarantined,
    events.ClusterLost,
)


def level_of(event: events.Event) -> Literal["warning", "info", "debug"]:
    """The level of an event: trouble is a warning, ordinary starts and ends of workers are debug."""
    match event:
        case events.BreakerChanged(current="OPEN") | events.AccessRules(advice=str()):
            return "warning"
        case events.PluginsLoaded(broken=(_, *_)):
            return "warning"
        case _ if isinstance(event, _WARNINGS):
            return "warning"
    return "debug" if isinstance(event, events.WorkerStarted | events.WorkerEnded) else "info"


def log_sink(event: events.Event) -> None:
    """One log line per event."""
    getattr(log, level_of(event))(type(event).__name__, **fields_of(event))


def sentry_sink(config: Config) -> events.Sink | None:
    """Start Sentry and return its sink; None where no DSN is set.

    A report has the service's warnings and errors, and nothing of requests: no URL, address, header, body,
    log line or local variable. Errors are grouped by where they were raised.

    Raises:
        ConfigError: SENTRY_DSN is set but the extra is not installed, or the DSN is malformed.
    """
    if config.sentry_dsn is None:
        return None
    try:
        import sentry_sdk
        from sentry_sdk.integrations.atexit import AtexitIntegration
        from sentry_sdk.integrations.dedupe import DedupeIntegration
        from sentry_sdk.integrations.excepthook import ExcepthookIntegration
        from sentry_sdk.integrations.logging import LoggingIntegration
        from sentry_sdk.integrations.threading import ThreadingIntegration
        from sentry_sdk.utils import BadDsn
    except ImportError:
        raise ConfigError("SENTRY_DSN is set but sentry-sdk is missing; pip install sentry-sdk") from None
    try:
        sentry_sdk.init(
            dsn=config.sentry_dsn.get_secret_value(),
            release=f"ytdlpd@{__version__}",
            send_default_pii=False,
            include_local_variables=False,
            max_request_body_size="never",
            # The others add requests and breadcrumbs, which name clients, their URLs and WEBHOOK_URL.
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[
                AtexitIntegration(callback=lambda *_: None),
                DedupeIntegration(),
                ExcepthookIntegration(),
                LoggingIntegration(level=None),
                ThreadingIntegration(propagate_scope=False),
            ],
            before_breadcrumb=lambda *_: None,
            before_send=_scrub_report,
        )
    except BadDsn:
        raise ConfigError("SENTRY_DSN is not a DSN; copy it from the project's settings in Sentry") from None

    def sink(event: events.Event) -> None:
        if level_of(event) != "warning":
            return
        name, site = type(event).__name__, getattr(event, "site", None)
        with sentry_sdk.new_scope() as scope:
            scope.fingerprint = [name, site or ""]  # an issue for each kind of event and site
            scope.set_tag("event", name)
            if site is not None:
                scope.set_tag("site", site)
            scope.set_context("event", fields_of(event))
            sentry_sdk.capture_message(f"{name} {site}" if site is not None else name, level="warning")

    return sink


def _scrub_report(report: Any, _hint: Any) -> Any:
    """Remove credentials and queries from every string of a report."""
    if isinstance(report, dict):
        return {key: _scrub_report(value, None) for key, value in report.items()}
    if isinstance(report, list | tuple):
        return [_scrub_report(value, None) for value in report]
    return scrub(report) if isinstance(report, str) else report
