"""The nginx of production in front of the web of production: nginx.conf, with ports and folders of a test."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from django.conf import settings

from marketplace.embedded.processes import start_child
from tests.delivery.live.process import LiveServer, WebServer, wait_for

# The kernel of production is told to take little ahead of slow readers; here only this socket can be.
_LISTEN = "listen 127.0.0.1:{port} sndbuf=64k;"
_MAIN = """
daemon off; {user} worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/nginx.log warn;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {servers}
}}
"""


def find_nginx() -> str:
    """NGINX in the environment, or one of the usual places; empty when there is none."""
    usual = shutil.which("nginx") or shutil.which("/usr/sbin/nginx") or ""
    return os.environ.get("NGINX", usual)


class Nginx(LiveServer):
    health = "/health/live"

    def __init__(self, folder: Path, web: WebServer, more: str = "", listen: str = _LISTEN) -> None:
        """more: further servers and locations of the http block."""
        super().__init__(folder)
        servers = (Path(settings.BASE_DIR) / "nginx.conf").read_text()
        for ours, of_test in (
            ("listen 80;", listen.format(port=self.port)),
            ("server web:8000;", f"server 127.0.0.1:{web.port};"),
            ("server live:8001;", "server 127.0.0.1:9;"),
            ("alias /srv/ownstream/var/files/;", f"alias {settings.MEDIA_ROOT}/;"),
        ):
            assert ours in servers
            servers = servers.replace(ours, of_test)
        self.folder = folder
        user = "user root;" if os.getuid() == 0 else ""
        (folder / "nginx.conf").write_text(_MAIN.format(folder=folder, user=user, servers=servers + more))

    def start(self) -> None:
        command = [find_nginx(), "-p", str(self.folder), "-e", f"{self.folder}/nginx.log", "-c", "nginx.conf"]
        with (self.folder / "nginx.out").open("ab") as output:
            self.child = start_child(command, environment=self.environment, output=output, folder=self.folder)
        wait_for(self.is_ready, f"not ready, see {self.folder}/nginx.log", 30)
