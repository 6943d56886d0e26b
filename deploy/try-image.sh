#!/bin/sh
# Builds the image and tries it as it runs in production: read-only, without capabilities, with limits.
#
#     deploy/try-image.sh [options of the build, such as --network host]
#
# It takes podman (which builds with buildah), or docker. ENGINE is another command, such as "podman --runtime runc";
# RUN_OPTIONS are more options of its `run`.
set -eu
cd "$(dirname "$0")/.."
engine=${ENGINE:-$(command -v podman || command -v docker)} || { echo 'Neither podman nor docker is installed.' >&2; exit 1; }
# shellcheck disable=SC2086  # it may be several words
run() { $engine "$@"; }
step() { echo "$1 …"; }

step "Building the image with $engine"
case $engine in *podman*) set -- --format docker "$@" ;; esac # its own format knows no HEALTHCHECK
run build --quiet --file deploy/Dockerfile --tag ytdlpd "$@" . >/dev/null

step 'Starting it'
# shellcheck disable=SC2086
name=$(run run --detach --read-only --tmpfs /tmp --cap-drop ALL --pids-limit 512 --publish 127.0.0.1::3000 \
  --env DRAIN_DELAY_MS=0 ${RUN_OPTIONS:-} ytdlpd)
trap 'run rm --force "$name" >/dev/null' EXIT

step 'Waiting until it is ready'
tries=0
until run exec "$name" python -P -m ytdlpd.probe >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ "$tries" -lt 60 ] || { run logs "$name" >&2; echo 'It did not get ready.' >&2; exit 1; }
  sleep 1
done

step 'Asking it from outside'
address=$(run port "$name" 3000)
for path in / /dashboard /api/v1/docs /health /metrics; do
  curl --fail --silent --show-error --output /dev/null "http://$address$path"
done

step 'Looking at what it may do'
run exec "$name" grep -E '^(Uid|CapBnd|Seccomp):' /proc/1/status
if run exec "$name" sh -c ': >/etc/x' 2>/dev/null; then echo 'It can write to /etc.' >&2; exit 1; fi

step 'Stopping it'
run stop --time 60 "$name" >/dev/null
code=$(run inspect --format '{{.State.ExitCode}}' "$name")
[ "$code" = 0 ] || { echo "It ended with $code." >&2; exit 1; }
echo 'The image works.'
