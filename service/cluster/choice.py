"""Which cluster a service has: that of CLUSTER_URL, or none."""

from __future__ import annotations

from ..config import Config, ConfigError
from ..events import Events
from .port import Alone, Cluster


def cluster_of(config: Config, events: Events) -> Cluster:
    """The cluster that the settings ask for. Without CLUSTER_URL nothing of it is imported.

    Raises:
        ConfigError: CLUSTER_URL is set but the extra is not installed.
    """
    if config.cluster_url is None:
        return Alone()
    try:
        from .shared import Shared
    except ImportError:
        raise ConfigError("CLUSTER_URL is set but hiredis is missing; pip install hiredis") from None
    return Shared(config, events)
