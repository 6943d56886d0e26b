"""ytdlpd: yt-dlp behind an HTTP API, as a Trio structured-concurrency service."""

__version__ = "1.0.0"
