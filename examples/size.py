"""How big is it in each resolution? Asks again, when the service says that waiting helps."""

import json
import os
import sys
import time
import urllib.error
import urllib.request

SERVICE = os.environ.get("YTDLPD_URL", "http://127.0.0.1:3000")


def sizes(url: str, attempts: int = 3) -> dict:
    request = urllib.request.Request(
        f"{SERVICE}/api/v1/size",
        json.dumps({"url": url}).encode(),
        {"Content-Type": "application/json", "X-API-Key": os.environ.get("YTDLPD_KEY", "")},
    )
    for attempt in range(1, attempts + 1):
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            try:
                problem = json.load(error)
            except ValueError:  # not the service's: a proxy in between
                sys.exit(f"{error.code} {error.reason}")
            if "retryAfter" not in problem or attempt == attempts:
                sys.exit(f"{problem['code']}: {problem['error']} ({problem['requestId']})")
            time.sleep(problem["retryAfter"])
    raise AssertionError("the last attempt has returned or ended")


answer = sizes(sys.argv[1] if len(sys.argv) > 1 else "https://www.youtube.com/watch?v=dQw4w9WgXcQ")
for row in answer["resolutions"]:
    if row["bytes"] is not None:
        print(f"{row['resolution']:>10}  {row['human']} ({row['accuracy']})")
for name in ("audio", "best"):
    if answer[name] and answer[name]["bytes"] is not None:
        print(f"{name:>10}  {answer[name]['human']} ({answer[name]['accuracy']})")
if answer["best"] is None:
    print(f"{'best':>10}  unknown: {answer['reason']}")
