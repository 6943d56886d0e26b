"""Releases of yt-dlp side by side: what they are, where they lie, how and when one is fetched."""
