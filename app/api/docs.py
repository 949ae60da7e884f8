"""The documentation page: plain HTML made from the OpenAPI document, without a script and without a CDN."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font-family: ui-monospace, monospace; font-size: .9em }
pre { overflow-x: auto; padding: .6rem .8rem; border: 1px solid #8886; border-radius: .4rem }
details { border: 1px solid #8886; border-radius: .4rem; margin: .5rem 0; padding: .4rem .8rem }
summary { cursor: pointer } summary b { display: inline-block; min-width: 3.5rem }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 }
td, th { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid #8884 }
"""


def page(document: Mapping[str, Any]) -> str:
    """The whole page."""
    info, base = document["info"], document["servers"][0]["url"]
    operations = [
        operation(base + path, method, entry, document)
        for path, methods in document["paths"].items()
        for method, entry in methods.items()
    ]
    schemas = "".join(
        f"<details id='{escape(name)}'><summary><code>{escape(name)}</code></summary>{pretty(schema)}</details>"
        for name, schema in sorted(document["components"]["schemas"].items())
    )
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(info['title'])} API</title><style>{STYLE}</style></head><body>"
        f"<h1>{escape(info['title'])} API {escape(info['version'])}</h1><p>{escape(info['description'])}</p>"
        f"<p>Machine-readable: <a href='{escape(base)}/openapi.json'>openapi.json</a>. Every refusal is "
        "<code>application/problem+json</code> with <code>code</code>, <code>what</code>, <code>where</code> and "
        "<code>what_to_do</code>.</p>"
        f"<h2>Addresses</h2>{''.join(operations)}<h2>Payloads</h2>{schemas}</body></html>"
    )


def operation(path: str, method: str, entry: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """One address: what it does, takes and answers."""
    rows = [
        (p["name"], p["in"], words(p["schema"]), p.get("description", ""), p.get("required", False))
        for p in entry.get("parameters", [])
    ]
    for kind, content in entry.get("requestBody", {}).get("content", {}).items():
        schema = resolved(content["schema"], document)
        for name, field in schema.get("properties", {}).items():
            text = field.get("description", "")
            rows.append((name, kind, words(field), text, name in schema.get("required", ())))
    takes = "".join(
        f"<tr><td><code>{escape(name)}</code>{' *' if needed else ''}</td><td>{escape(where)}</td>"
        f"<td>{escape(kind)}</td><td>{escape(text)}</td></tr>"
        for name, where, kind, text, needed in rows
    )
    table = f"<table><tr><th>Field (* needed)</th><th>In</th><th>Is</th><th></th></tr>{takes}</table>" if rows else ""
    answers = "".join(
        f"<tr><td>{escape(code)}</td><td>{escape(answer['description'])}</td></tr>"
        for code, answer in sorted(entry["responses"].items())
    )
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{escape(path)}</code> {escape(entry['summary'])}</summary>"
        f"<p>{escape(entry.get('description', ''))}</p>{table}"
        f"<table><tr><th>Answer</th><th></th></tr>{answers}</table></details>"
    )


def resolved(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema, followed through its reference."""
    reference = schema.get("$ref")
    return document["components"]["schemas"][reference.rsplit("/", 1)[1]] if reference else schema


def words(schema: Mapping[str, Any]) -> str:
    """What a field is, in a few words."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(words(option) for option in schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    kind = schema.get("format") or schema.get("type", "any")
    if kind == "array":
        kind = f"array of {words(schema.get('items', {}))}"
    bounds = [f"{word} {schema[key]:g}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in schema]
    default = [f"default {schema['default']}"] if schema.get("default") not in (None, {}) else []
    return ", ".join([kind, *bounds, *default])


def pretty(schema: Mapping[str, Any]) -> str:
    """A schema as indented JSON."""
    return f"<pre>{escape(json.dumps(schema, indent=2, ensure_ascii=False))}</pre>"
