"""The names of the fields of metadata: all that may be in an answer, and so all that a client may ask for."""

from __future__ import annotations

from difflib import get_close_matches


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# yt-dlp's documented fields (extractor/common.py), those that its processing adds, and our `partial`.
VIDEO = words(
    """
    _type id title fulltitle alt_title display_id ext url ie_key description direct thumbnail thumbnails
    uploader uploader_id uploader_url channel channel_id channel_url channel_follower_count
    channel_is_verified creator creators license location timestamp upload_date release_timestamp
    release_date release_year modified_timestamp modified_date duration duration_string view_count
    concurrent_view_count save_count like_count dislike_count repost_count average_rating comment_count
    comments age_limit categories tags cast is_live was_live live_status start_time end_time chapters heatmap
    playable_in_embed availability media_type chapter chapter_number chapter_id series series_id season
    season_number season_id episode episode_number episode_id track track_number track_id artist artists
    composer composers genre genres album album_type album_artist album_artists disc_number section_start
    section_end subtitles automatic_captions requested_subtitles formats requested_formats extractor
    extractor_key webpage_url webpage_url_basename webpage_url_domain original_url epoch entries n_entries
    requested_entries playlist playlist_autonumber playlist_channel playlist_channel_id playlist_count
    playlist_id playlist_index playlist_title playlist_uploader playlist_uploader_id playlist_webpage_url
    partial
    """
)
FORMAT = words(
    """
    abr acodec app aspect_ratio asr audio_channels audio_ext available_at columns container
    downloader_options dynamic_range ext filesize filesize_approx format format_id format_index format_note
    fps fragment_base_url fragments has_drm height http_headers is_dash_periods is_from_start language
    language_preference manifest_stream_number manifest_url no_resume page_url play_path player_url
    preference protocol quality resolution rows source_preference stretched_ratio tbr tc_url url vbr vcodec
    video_ext width
    """
)
# What every answer has, named or not.
_ALWAYS = words("ok partial selection hasMore cursor playlistCount")
_KNOWN = VIDEO | FORMAT | _ALWAYS


def known(name: str) -> str:
    """`name` itself.

    Raises:
        ValueError: no answer has such a field.
    """
    if name not in _KNOWN:
        likely = get_close_matches(name, _KNOWN, 1)
        raise ValueError(f"there is no field {name}" + (f"; is it {likely[0]}?" if likely else ""))
    return name
