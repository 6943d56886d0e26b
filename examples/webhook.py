"""Takes the service's events: WEBHOOK_URL=http://127.0.0.1:8080/ WEBHOOK_SECRET=… ytdlpd serve"""

import hashlib
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

SECRET = os.environ["WEBHOOK_SECRET"].encode()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        timestamp = self.headers["X-Ytdlpd-Timestamp"]
        digest = hmac.new(SECRET, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        genuine = hmac.compare_digest(self.headers["X-Ytdlpd-Signature"], f"sha256={digest}")
        fresh = abs(time.time() - int(timestamp)) < 300
        self.send_response(204 if genuine and fresh else 401)
        self.end_headers()
        if genuine and fresh:
            event = json.loads(body)
            print(event["at"], event["event"], event["fields"], flush=True)


HTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8080"))), Receiver).serve_forever()
