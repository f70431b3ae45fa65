"""Pages as HTML from the templates beside this file, each one file that asks nothing of any network.

All share one style and one script. The browser is told to run that script alone and to load nothing, so a page stays
harmless even where a text in it is not.
"""

import base64
import hashlib
from importlib.resources import files

from metastructure.report.intervals import with_drawings

STYLE, SCRIPTS = "page.css", ("sort.js", "viewer.js")


def render_html(template: str, **content: object) -> str:
    """Return a page; every text in it is escaped, and what the template needs must be given.

    Parameters
    ----------
    template : str
        File name in ``templates``.
    **content : object
        What it shows, by name; markup (SVG) as `markupsafe.Markup`.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("metastructure.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["with_drawings"] = with_drawings
    script = "".join(_read(name) for name in SCRIPTS)
    return environment.get_template(template).render(
        style=Markup(_read(STYLE)), script=Markup(script), policy=_make_policy(script), **content
    )


def _read(name: str) -> str:
    return (files("metastructure.report") / "templates" / name).read_text(encoding="utf-8")


def _make_policy(script: str) -> str:
    """Return a content security policy (W3C, level 3): this script, styles in the page, pictures in the page."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
