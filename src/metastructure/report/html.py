"""Pages as HTML from the templates beside this file."""


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

    environment = Environment(
        loader=PackageLoader("metastructure.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**content)
