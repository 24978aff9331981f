"""A registry of this machine that answers, and has no image: what is asked of it is refused clearly."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Empty(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        # Source: OCI distribution specification, "Pulling manifests" and "Error Codes".
        here = self.path.rstrip("/") == "/v2"
        body = (
            b"{}"
            if here
            else json.dumps({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}).encode()
        )
        self.send_response(200 if here else 404)
        self.send_header("Docker-Distribution-API-Version", "registry/2.0")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = _answer  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        return None


@contextlib.contextmanager
def empty_registry() -> Iterator[str]:
    """Its host:port, as image references want it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Empty)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
