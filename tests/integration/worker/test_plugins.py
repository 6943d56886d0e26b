"""What a folder of plugins may look like, and what is said of it at the start. Contract: a real template."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from service.config import Config
from service.events import Event, Events, PluginsLoaded
from service.pool.template import StartError, Template
from tests.support.plugins import install_distribution

EXTRACTOR = """
from yt_dlp.extractor.common import InfoExtractor

class OursIE(InfoExtractor):
    _VALID_URL = r"https://ours[.]example/"
"""


def plugin(folder: Path, source: str = EXTRACTOR, name: str = "ours") -> None:
    folder = folder / "yt_dlp_plugins" / "extractor"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(source)


async def said(folder: Path) -> PluginsLoaded:
    """The event of a template with PLUGIN_DIR `folder`. Raises StartError."""
    heard: list[Event] = []
    bus = Events()
    bus.subscribe(heard.append)
    template = Template(Config.load(plugin_dir=folder), bus)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(template.run)
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    (event,) = (each for each in heard if isinstance(each, PluginsLoaded))
    return event


async def test_pips_target_is_one(tmp_path: Path) -> None:
    folder = install_distribution(tmp_path / "target", "bgutil-ytdlp-pot-provider")
    plugin(folder / "beside")  # pip does not put plugins there
    assert await said(folder) == PluginsLoaded(
        ("extractor.getpot_bgutil", "extractor.getpot_bgutil_http", "extractor.getpot_bgutil_script"),
        ("bgutil:http", "bgutil:script-deno", "bgutil:script-node"),
    )


async def test_so_is_a_folder_of_packages(tmp_path: Path) -> None:
    plugin(tmp_path / "one")
    plugin(tmp_path / "two", "import nothing_of_that_name", name="broken")
    assert await said(tmp_path) == PluginsLoaded(("extractor.ours",), (), ("extractor.broken",))


async def test_what_pip_puts_beside_plugins_can_be_imported_and_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "helper_of_ours.py").write_text("")
    (tmp_path / "requests.py").write_text("raise SystemExit")
    plugin(tmp_path, "import helper_of_ours, requests\n" + EXTRACTOR)
    assert (await said(tmp_path)).names == ("extractor.ours",)


@pytest.mark.parametrize("made", ["nothing", "too deep", "broken"])
async def test_a_folder_without_plugins_is_refused(tmp_path: Path, made: str) -> None:
    if made == "too deep":
        plugin(tmp_path / "one" / "two")
    elif made == "broken":
        plugin(tmp_path, "import nothing_of_that_name")
    with pytest.raises(StartError) as info:
        await said(tmp_path)
    why = "cannot be imported: ModuleNotFoundError" if made == "broken" else "holds no plugin of yt-dlp"
    assert f"{tmp_path} {why}" in str(info.value)
