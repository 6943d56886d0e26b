"""Pure: settings from the three sources, their checks and their sentences."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.breaker.settings import Mode
from service.config import Config, ConfigError


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Config.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_defaults_are_the_contract() -> None:
    config = Config.load()
    assert (config.host, config.port) == ("127.0.0.1", 3000)
    assert (config.min_workers, config.max_workers, config.max_tasks_per_worker) == (2, 10, 100)
    assert (config.worker_idle_ms, config.ytdlp_timeout, config.ytdlp_max_buffer) == (
        120_000,
        25_000,
        10_485_760,
    )
    assert (config.cb_failure_threshold, config.cb_volume_threshold) == (5, 10)
    assert (config.cb_success_threshold, config.cb_cooldown_ms) == (2, 60_000)
    assert (config.rate_limit_window_ms, config.rate_limit_max_requests) == (60_000, 20)
    assert (config.queue_max, config.shutdown_grace_ms, config.require_auth) == (100, 10_000, False)
    assert (config.job_timeout, config.worker_idle, config.cooldown, config.shutdown_grace) == (
        25,
        120,
        60,
        10,
    )


def test_the_command_line_wins_then_the_environment_then_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ytdlpd.toml"
    file.write_text("port = 1\nmin_workers = 3\nmax_workers = 4\n")
    monkeypatch.setenv("PORT", "2")
    monkeypatch.setenv("MIN_WORKERS", "4")
    config = Config.load(file=file, port="5")
    assert (config.port, config.min_workers, config.max_workers) == (5, 4, 4)


def test_lists_are_comma_separated_or_toml_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ytdlpd.toml"
    file.write_text('trusted_proxies = ["10.0.0.0/8", "::1"]\n')
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://a.example, chrome-extension://abc,")
    config = Config.load(file=file)
    assert config.allowed_origins == ("https://a.example", "chrome-extension://abc")
    assert [str(network) for network in config.trusted_networks] == ["10.0.0.0/8", "::1/128"]


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "EGRESS_PROXY", "EGRESS_CA_FILE", "SENTRY_DSN"):
        monkeypatch.setenv(name, "")
    config = Config.load()
    assert (config.api_key, config.egress_proxy, config.egress_ca_file, config.sentry_dsn) == (None,) * 4


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"port": "eighty"}, "PORT: "),
        ({"port": "70000"}, "PORT: "),
        ({"min_workers": "5", "max_workers": "4"}, "MIN_WORKERS (5) is over MAX_WORKERS (4)"),
        ({"cb_failure_threshold": "11"}, "CB_FAILURE_THRESHOLD is over CB_VOLUME_THRESHOLD"),
        ({"require_auth": "true"}, "set API_KEY"),
        ({"egress_proxy": "localhost:3128"}, "EGRESS_PROXY must look like http://host:port"),
        ({"egress_proxy": "http://proxy:abc"}, "EGRESS_PROXY must look like http://host:port"),
        ({"webhook_url": "https://hook.example:99999/"}, "WEBHOOK_URL must look like https://host/path"),
        ({"shutdown_grace_ms": "100000000000000"}, "SHUTDOWN_GRACE_MS: "),
        ({"egress_ca_file": "/nowhere.pem"}, "EGRESS_CA_FILE /nowhere.pem does not exist"),
        ({"plugin_dir": "/nowhere"}, "PLUGIN_DIR /nowhere is not a directory"),
        ({"trusted_proxies": "10.0.0.0/8,friend"}, "'friend' is not an address or a network"),
        ({"log_level": "loud"}, "LOG_LEVEL: "),
    ],
)
def test_a_wrong_setting_is_named_in_one_sentence(given: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=r".") as info:
        Config.load(file=None, **given)
    assert sentence in str(info.value)
    assert "\n" not in str(info.value)


def test_each_wrong_setting_gets_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "x")
    monkeypatch.setenv("QUEUE_MAX", "-1")
    with pytest.raises(ConfigError) as info:
        Config.load()
    assert [line.partition(":")[0] for line in str(info.value).splitlines()] == ["PORT", "QUEUE_MAX"]


def test_an_unknown_name_in_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ytdlpd.toml"
    file.write_text("max_worker = 4\n")
    with pytest.raises(ConfigError, match="MAX_WORKER is not a setting"):
        Config.load(file=file)


def test_a_file_that_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        Config.load(file=tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("port = = 1")
    with pytest.raises(ConfigError, match="not valid TOML"):
        Config.load(file=broken)


def test_secrets_are_masked_for_people() -> None:
    config = Config.load(api_key="k-1", admin_key="k-2", egress_proxy="http://user:word@proxy.example:3128")
    text = repr(config.masked()) + repr(config.api_key) + repr(config.admin_key)
    assert not any(secret in text for secret in ("k-1", "k-2", "word"))
    assert config.masked()["egress_proxy"] == "http://***@proxy.example:3128"


def test_a_config_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config.load().port = 1


def test_a_site_may_have_a_breaker_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "ytdlpd.toml"
    file.write_text(
        'cb_cooldown_ms = 5000\n[site."example.com"]\nprobes = 1\nmode = "METRICS_ONLY"\nconcurrency = 3\n'
    )
    config = Config.load(file=file)
    assert config.site_caps == {"example.com": 3}
    breaker = config.site_breakers["example.com"]
    assert (breaker.probes, breaker.mode, breaker.cooldown) == (1, Mode.METRICS_ONLY, 5)
    assert config.breaker.probes != 1


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ('[site."www.example.com"]\nprobes = 1', "write its domain"),
        ('[site."example.com"]\nprobe = 1', "probe is not a setting of a site"),
        ('[site."example.com"]\nprobes = 0', "probes must be at least 1"),
        ('[site."example.com"]\nprobes = "many"', "probes "),
        ('[site."example.com"]\nmode = "ODD"', "mode "),
        ('[site."example.com"]\nconcurrency = 0', "concurrency must be"),
        ('[site."example.com"]\nconcurrency = "2"', "concurrency must be"),
    ],
)
def test_a_site_table_that_is_wrong_is_named(tmp_path: Path, table: str, sentence: str) -> None:
    file = tmp_path / "ytdlpd.toml"
    file.write_text(table)
    with pytest.raises(ConfigError) as info:
        Config.load(file=file)
    assert sentence in str(info.value)
    assert "\n" not in str(info.value)
