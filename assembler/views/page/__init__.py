"""A sweep or a run as a page: one HTML file that needs neither a server nor a network.

Untrusted data is in the page as JSON only, and its scripts insert it as text, never as HTML. The policy in the page's
head allows only these scripts, by their hashes, and nothing is loaded.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from assembler.settings.groups import Groups
from assembler.views.page.data import File, as_json, packed, run_data, sweep_data

_COMMON = ("dom", "format", "copy", "viewer", "diagram", "layers", "details")

_SWEEP = (
    *_COMMON,
    "columns",
    "groups",
    "edits",
    "state",
    "filter",
    "table",
    "failures",
    "changes",
    "compare",
    "controls",
    "front",
    "plots",
    "scatter",
    "parallel",
    "follow",
    "sweep",
)

_RUN = (*_COMMON, "run")

_LIVE = (*_COMMON, "changes", "source", "live")

_DIAGRAM = ("dom", "copy", "viewer", "diagram", "alone")


def sweep_page(
    title: str,
    rows: Sequence[Mapping[str, Any]],
    overrides: Sequence[str],
    records: Mapping[str, Mapping[str, Any]],
    diagrams: Mapping[str, Mapping[str, Any]],
    groups: Groups | None = None,
    next_one: float | None = None,
) -> str:
    """The page of a sweep: its table, plots of any metrics, and the results of each job.

    Args:
        title: of the page.
        rows: one mapping per job, all with the same keys: ``job`` and ``status``, the overrides, metrics, and
            ``message``, ``started`` and ``path``, as far as known. Values that a job does not have are None.
        overrides: the keys that the command line set. Among the others, those with numbers are the metrics.
        records: the ``result.json`` of jobs, by their names.
        diagrams: of jobs, by their names, as ``assembler.views.diagram.Picture.data`` gives them.
        groups: of jobs, if they are worth showing.
        next_one: of a running sweep, the seconds after which another page is written at the latest; the page then
            reloads itself.
    """
    from plotly.offline import get_plotlyjs

    data = sweep_data(rows, overrides, records, diagrams, groups)
    data["running"] = None if next_one is None else {"written": time.time(), "next": next_one}
    # For parallel coordinates, Plotly generates WebGL programs, which the policy treats as eval.
    return _page("sweep", title, packed(data), _script(_SWEEP), get_plotlyjs(), "'unsafe-eval'")


def run_page(
    title: str, record: Mapping[str, Any], diagram: Mapping[str, Any] | None, files: Sequence[File] = ()
) -> str:
    """The page of a single run.

    Args:
        title: of the page.
        record: the run's ``result.json``.
        diagram: see ``sweep_page``; None if there is none.
        files: that the page leads to.
    """
    return _page("run", title, as_json({"title": title, **run_data(record, diagram, files)}), _script(_RUN))


def runs_page(title: str, said: str, names: Sequence[str], right: Sequence[str], rows: Sequence[Any]) -> str:
    """A page of past runs; it has no script.

    Args:
        title: of the page.
        said: a line below it.
        names: of the columns.
        right: those that hold numbers.
        rows: each has ``texts``, one for each column, and ``page``, the address of what the last one leads to, or None.
    """
    return _page("runs", title, said=said, names=names, right=right, rows=rows)


def diagram_page(title: str, diagram: Mapping[str, Any]) -> str:
    """A page with nothing but a diagram; see ``sweep_page``."""
    return _page("diagram", title, as_json({"title": title, "diagram": diagram}), _script(_DIAGRAM))


def live_page(title: str) -> str:
    """The page of a recipe that is being edited. It shows what its server sends from ``events``.

    The events are named after the parts that ``assembler.live.shown`` publishes.
    """
    return _page("live", title, script=_script(_LIVE), connect="; connect-src 'self'")


def _page(
    kind: str,
    title: str,
    data: str = "",
    script: str = "",
    library: str = "",
    *allowed: str,
    connect: str = "",
    **rest: Any,
) -> str:
    """A page.

    Args:
        kind: the name of its template.
        script: is run at once; empty for a page that needs none.
        library: a script that the first one runs when it needs it.
        allowed: other sources of scripts for the policy.
        connect: is added to the policy of a page that has a server.
        rest: what the template fills in besides.
    """
    from jinja2 import Environment, PackageLoader
    from markupsafe import Markup

    loader = PackageLoader("assembler.views.page", ".")
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    script, library = _closed(script), _closed(library)
    page = environment.get_template(f"{kind}.html").render(
        title=title,
        policy=_policy([one for one in (script, library) if one], allowed) + connect,
        style=Markup(_text("page.css")),
        data=Markup(data),
        script=Markup(script),
        library=Markup(library),
        **rest,
    )
    return page.encode("utf-8", "replace").decode()  # half of a surrogate pair cannot be encoded


def _policy(scripts: Sequence[str], allowed: Sequence[str]) -> str:
    """The policy of the browser: run these scripts, apply styles, show images in the page."""
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    sources = " ".join([*(f"'sha256-{digest}'" for digest in digests), *allowed]) or "'none'"
    styles, images = "style-src 'unsafe-inline'", "img-src data: blob:"
    return f"default-src 'none'; script-src {sources}; {styles}; {images}; base-uri 'none'; form-action 'none'"


def _closed(script: str) -> str:
    """A script to be put between tags: strings that would end it, or begin a comment, are escaped."""
    script = script.replace("\r\n", "\n").replace("\r", "\n")  # browsers do this before they compute the hash
    return re.sub(r"<(/script|script|!--)", r"\\x3c\1", script, flags=re.IGNORECASE)


def _script(names: Sequence[str]) -> str:
    """Several scripts as one, with local names. It is asynchronous, because a browser unpacks data asynchronously."""
    return '(async () => {\n"use strict";\n' + "\n".join(_text(f"scripts/{name}.js") for name in names) + "})();"


@cache
def _text(name: str) -> str:
    return (files(__name__) / name).read_text(encoding="utf-8")
