"""Installs a plugin for yt-dlp into a folder."""

from __future__ import annotations

from pathlib import Path


def install_plugin(plugins: Path, source: str) -> Path:
    """Put an extractor's `source` into `plugins`, a folder for PLUGIN_DIR; returns the folder."""
    folder = plugins / "package" / "yt_dlp_plugins" / "extractor"
    folder.mkdir(parents=True)
    (folder / "plugin.py").write_text(source)
    return plugins
