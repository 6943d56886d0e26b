"""The operator's plugins for yt-dlp: loads them, names them, and tells when their code asks for something."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yt_dlp.plugins
from yt_dlp.extractor.youtube.jsc._registry import _jsc_providers
from yt_dlp.extractor.youtube.pot._registry import _pot_providers
from yt_dlp.globals import plugin_dirs, plugin_specs

from .cold import ColdTemplate

PACKAGE = yt_dlp.plugins.PACKAGE_NAME
PROVIDERS = "yt_dlp.extractor.youtube.pot._director"  # calls them, and goes on without what one refuses


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of a folder of plugins.

    Attributes:
        names: the modules that run.
        providers: what they offer to YouTube's extractor: PO tokens, solved challenges.
        broken: the modules that cannot be imported.
    """

    names: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()


def load(folder: str | None) -> Loaded:
    """Load the plugins in `folder`: each in a package of its own, as yt-dlp has it, or as pip installs them.

    `pip install --target` puts the one package that all plugins share right into the folder.

    Raises:
        ColdTemplate: there is none, or none can be imported.
    """
    plugin_dirs.value = [folder] if folder else []
    if folder is None:
        yt_dlp.plugins.load_all_plugins()
        return Loaded()
    installed = (Path(folder) / PACKAGE).is_dir()
    if installed:
        sys.path.append(folder)  # last, so that what plugins depend on is found and replaces nothing
        yt_dlp.plugins.candidate_plugin_paths = lambda candidate: iter((Path(candidate),))
    said: list[str] = []
    yt_dlp.plugins.write_string = said.append  # a traceback for each that cannot be imported
    yt_dlp.plugins.load_all_plugins()
    found = {
        name.removeprefix(f"{PACKAGE}.")
        for spec in plugin_specs.value.values()
        for _, name, _ in yt_dlp.plugins.iter_modules(spec.module_name)
        if not any(part.startswith("_") for part in name.split("."))
    }
    broken = {name for name in found if any(f"module '{PACKAGE}.{name}'" in each for each in said)}
    if not found:
        raise ColdTemplate(
            f"PLUGIN_DIR {folder} holds no plugin of yt-dlp: neither {PACKAGE}/extractor/*.py, "
            f"as `pip install --target` makes it, nor a folder that holds it"
        )
    if found == broken:
        why = said[0].strip().splitlines()[-1]
        raise ColdTemplate(f"the plugins in PLUGIN_DIR {folder} cannot be imported: {why}")
    return Loaded(tuple(sorted(found - broken)), tuple(sorted(_providers())), tuple(sorted(broken)))


def _providers() -> Iterator[str]:
    offered: list[Any] = [*_pot_providers.value.values(), *_jsc_providers.value.values()]
    return (each.PROVIDER_NAME for each in offered if each.__module__.startswith(f"{PACKAGE}."))


def asked_by(package: str) -> bool:
    """Whether code of `package`, or what it calls, is asking."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name == package or name.startswith(f"{package}."):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
