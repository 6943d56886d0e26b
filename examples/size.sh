#!/bin/sh
# How big is it in each resolution? Then: its title and duration alone; and the metadata of many, line by line.
set -eu
service=${YTDLPD_URL:-http://127.0.0.1:3000}

curl --silent --show-error --fail-with-body --json '{"url": "https://www.youtube.com/watch?v=dQw4w9WgXcQ"}' "$service/api/v1/size"
echo

curl --silent --show-error --fail-with-body --get "$service/api/v1/extract" \
  --data-urlencode 'url=https://www.youtube.com/watch?v=dQw4w9WgXcQ' --data fields=title,duration
echo

curl --silent --show-error --fail-with-body --no-buffer "$service/api/v1/batch" \
  --json '{"urls": ["https://youtu.be/dQw4w9WgXcQ", "https://youtu.be/removed____"], "fields": ["title"]}'
