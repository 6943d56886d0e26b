"""How big is it in each resolution? (pip install "ytdlpd[client]")"""

import os
import sys

from ytdlpd.client import Client, ServiceError

URL = sys.argv[1] if len(sys.argv) > 1 else "https://www.youtube.com/watch?v=dQw4w9WgXcQ"

with Client(
    os.environ.get("YTDLPD_URL", "http://127.0.0.1:3000"), key=os.environ.get("YTDLPD_KEY")
) as service:
    try:
        answer = service.size(URL)
    except ServiceError as error:
        sys.exit(f"{error.code}: {error} ({error.request_id})")

for row in answer["resolutions"]:
    if row["bytes"] is not None:
        print(f"{row['resolution']:>10}  {row['human']} ({row['accuracy']})")
for name in ("audio", "best"):
    if answer[name] and answer[name]["bytes"] is not None:
        print(f"{name:>10}  {answer[name]['human']} ({answer[name]['accuracy']})")
if answer["best"] is None:
    print(f"{'best':>10}  unknown: {answer['reason']}")
