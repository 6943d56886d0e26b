"""Installs plugins for yt-dlp into a folder."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path


def install_plugin(plugins: Path, source: str) -> Path:
    """Put an extractor's `source` into `plugins`, a folder for PLUGIN_DIR; returns the folder."""
    folder = plugins / "package" / "yt_dlp_plugins" / "extractor"
    folder.mkdir(parents=True)
    (folder / "plugin.py").write_text(source)
    return plugins


def install_distribution(folder: Path, name: str) -> Path:
    """Make of `folder` what `pip install --target` does with the distribution `name`, which is installed."""
    for file in metadata.files(name) or ():
        copy = folder / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_binary())
    return folder
