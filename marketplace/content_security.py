"""What the site's pages may load and whom they may ask: the Content-Security-Policy."""

from csp.constants import NONE, SELF


def content_security_policy(*, live_url: str, public_url: str) -> dict[str, dict[str, list[str]]]:
    """live_url: where live streams are, when that is another origin than the pages'."""
    live = [live_url] if live_url != public_url else []
    return {
        "DIRECTIVES": {
            "default-src": [SELF],
            "script-src": [SELF],
            "style-src": [SELF],
            "img-src": [SELF, "data:"],
            "font-src": [SELF],
            "connect-src": [SELF, *live],
            "object-src": [NONE],
            "base-uri": [SELF],
            "form-action": [SELF],
            "frame-ancestors": [NONE],
        }
    }
