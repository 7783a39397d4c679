"""A bare sharing server: answers that were made before and files as they lie there, and nothing asked of anybody.

`python -m bench.delivery_parts.stub PORT FOLDER`, where FOLDER holds `metadata`, `query` and the files by their names.
GET /count tells how many requests came since it was last asked.
"""

import http.server
import os
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

requests = {"count": 0}


class Stub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder = Path()

    def do_GET(self) -> None:
        name = urlsplit(self.path).path.rsplit("/", 1)[-1]
        if name == "count":
            self.answer(str(requests["count"]).encode())
            requests["count"] = 0
            return
        requests["count"] += 1
        if not name.endswith(".parquet"):
            self.answer((self.folder / name).read_bytes())
            return
        with (self.folder / name).open("rb") as file:
            self.head(os.fstat(file.fileno()).st_size)
            shutil.copyfileobj(file, self.wfile, 1024 * 1024)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.do_GET()

    def answer(self, body: bytes) -> None:
        self.head(len(body))
        self.wfile.write(body)

    def head(self, size: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.send_header("Delta-Table-Version", "1")
        self.send_header("delta-sharing-capabilities", "responseformat=delta")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Quiet."""


if __name__ == "__main__":
    Stub.folder = Path(sys.argv[2])
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Stub).serve_forever()
