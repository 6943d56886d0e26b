"""How big are the videos of a list? Reads it page by page, under Trio (pip install "ytdlpd[client]")."""

import os
import sys

import trio
from ytdlpd.client import AsyncClient


async def main(url: str) -> None:
    key = os.environ.get("YTDLPD_KEY")
    async with AsyncClient(os.environ.get("YTDLPD_URL", "http://127.0.0.1:3000"), key=key) as service:
        async for page in service.pages(url, count=20, fields=["entries"]):
            entries = [entry for entry in page["entries"] if entry]  # null: one that is not available
            async with service.batch([entry["url"] for entry in entries], kind="size") as lines:
                async for line in lines:
                    best = line.result and line.result["best"]
                    size = best["human"] if best else line.error or "unknown"
                    print(f"{entries[line.index]['title']}: {size}")


trio.run(main, sys.argv[1] if len(sys.argv) > 1 else "https://feed.example/rss.xml")
