"""Takes the service's events (pip install standardwebhooks). Both sides have one secret.

export WEBHOOK_SECRET=whsec_$(openssl rand -base64 32)
WEBHOOK_URL=http://127.0.0.1:8080/ ytdlpd serve
"""

import os
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

WEBHOOK = Webhook(os.environ["WEBHOOK_SECRET"])


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            event = WEBHOOK.verify(body, dict(self.headers))
        except WebhookVerificationError:
            event = None
        self.send_response(401 if event is None else 204)
        self.end_headers()
        if event is not None:
            print(event["at"], event["event"], event["fields"], flush=True)


HTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8080"))), Receiver).serve_forever()
