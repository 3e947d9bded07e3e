"""Pages that commands write: one file that needs nothing else, no network, no fonts, no libraries."""

import base64
import hashlib
from html import escape
from importlib.resources import files
from string import Template


def page(title: str, body: str) -> str:
    """Returns a page, as HTML: a title, which is text, and a body of HTML.

    The page runs its own script and style alone: text from a file stays text.
    """
    css = _read("page.css")
    js = _read("pooling.js") + _read("panel.js")
    return fill(
        "page.html",
        title=escape(title),
        css=css,
        css_hash=_hash(css),
        js=js,
        js_hash=_hash(js),
        body=body,
    )


def fill(name: str, **parts: object) -> str:
    """Returns one of this folder's templates with its parts, which are HTML."""
    return Template(_read(name)).substitute(parts)


def _read(name: str) -> str:
    return files(__name__).joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    """Returns the hash by which a Content-Security-Policy allows a script or style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
