"""Where events and measurements go: log, Sentry, Prometheus, StatsD, traces, webhook, dashboard."""
