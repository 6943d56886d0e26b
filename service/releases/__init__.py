"""yt-dlp releases."""
