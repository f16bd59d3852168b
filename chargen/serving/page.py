"""The page to play in: one file, which asks its own server only."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("page.html")


@cache
def page() -> tuple[bytes, dict[str, str]]:
    """Return the page and its headers.

    The content security policy lets the browser run the page's own script and style, which it
    knows by their hashes, and nothing else, whatever text a model writes.
    """
    text = FILE.read_text(encoding="utf-8")
    hashes = {}
    for part in ("script", "style"):
        found = re.search(f"<{part}>(.*?)</{part}>", text, re.DOTALL)
        assert found is not None
        digest = hashlib.sha256(found[1].encode()).digest()
        hashes[part] = f"'sha256-{base64.b64encode(digest).decode()}'"
    policy = (
        f"default-src 'none'; script-src {hashes['script']}; style-src {hashes['style']}; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return text.encode(), headers
