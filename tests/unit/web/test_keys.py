"""Pure: API keys, their settings, and the owner of a presented key."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from service.config import Config, ConfigError
from service.keys import ApiKey, KeyRing, KeySettings, digest_of, new_key


def settings(key: str, **values: object) -> KeySettings:
    return KeySettings.model_validate({"hash": hashlib.sha256(key.encode()).hexdigest(), **values})


def test_a_key_is_recognised_by_its_hash() -> None:
    ring = KeyRing.of({"alice": settings("a-key", tier=1, rate=5.0, burst=20), "bob": settings("b-key")})
    assert ring.identify("a-key") == ApiKey("alice", 1, rate=5.0, burst=20, share=1.0, admin=False)
    assert ring.identify("b-key") == ApiKey("bob", 0, rate=None, burst=1, share=1.0, admin=False)
    assert len(ring) == 2


@pytest.mark.parametrize("presented", ["", "a-ke", "a-key ", "A-KEY", hashlib.sha256(b"a-key").hexdigest()])
def test_anything_else_is_not(presented: str) -> None:
    assert KeyRing.of({"alice": settings("a-key")}).identify(presented) is None
    assert KeyRing.of({}).identify(presented) is None


@given(st.text(st.characters(codec=None)))
def test_no_text_breaks_it(presented: str) -> None:
    assert KeyRing.of({"alice": settings("a key that nobody guesses")}).identify(presented) is None


def test_a_new_key_is_known_by_its_hash() -> None:
    key, digest = new_key()
    assert bytes.fromhex(digest) == digest_of(key)
    ring = KeyRing.of({"new": KeySettings.model_validate({"hash": digest.upper(), "admin": True})})
    assert ring.identify(key) == ApiKey("new", 0, None, 1, 1.0, admin=True)


def test_without_a_burst_a_second_of_the_rate_may_come_at_once() -> None:
    found = KeyRing.of({"a": settings("k", rate=7.4)}).identify("k")
    assert found is not None
    assert found.burst == 7


@pytest.mark.parametrize(
    "values",
    [
        {"hash": "the-key-itself"},
        {"hash": "0" * 63},
        {"tier": -1},
        {"rate": 0},
        {"burst": 0},
        {"share": 0},
        {"colour": "red"},
    ],
)
def test_wrong_settings_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        settings("k", **values)


def test_the_table_in_the_settings_file(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"a-key").hexdigest()
    file = tmp_path / "ytdlpd.toml"
    file.write_text(f'require_auth = true\n[keys.alice]\nhash = "{digest}"\ntier = 2\nshare = 0.5\n')
    config = Config.load(file=file)
    alice = KeyRing.of(config.keys).identify("a-key")
    assert alice is not None
    assert (alice.name, alice.tier, alice.share) == ("alice", 2, 0.5)
    assert digest not in str(config.masked())
    assert digest not in repr(config)


def test_a_mistake_in_the_table_names_the_key_and_not_what_was_written(tmp_path: Path) -> None:
    file = tmp_path / "ytdlpd.toml"
    file.write_text('[keys.alice]\nhash = "a-secret-key"\n')
    with pytest.raises(ConfigError) as error:
        Config.load(file=file)
    assert "KEYS.ALICE.HASH" in str(error.value)
    assert "a-secret-key" not in str(error.value)


@pytest.mark.parametrize(("scaling", "fixed"), [("auto", None), ("fixed:4", 4), ("fixed:10", 10)])
def test_the_scaling_setting(scaling: str, fixed: int | None) -> None:
    assert Config.load(scaling=scaling).fixed_workers == fixed


@pytest.mark.parametrize("scaling", ["fixed", "fixed:0", "fixed:1", "fixed:11", "fixed:x", "4"])
def test_a_wrong_scaling_setting_is_refused(scaling: str) -> None:
    with pytest.raises(ConfigError, match="SCALING"):
        Config.load(scaling=scaling)
