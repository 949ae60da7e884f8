"""A scan by axe-core of the pages a clinician works with, light and dark: no serious finding that comes from us."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.serving import Served

pytestmark = pytest.mark.browser
# address, and what is drawn last
PAGES = {
    "Worklist": ("/", "[data-testid=stDataFrame] canvas"),
    "New recording": ("/new-recording", "[data-testid=stFileUploader] button"),
    "Patient": ("/patient?patient=P-D004", "[data-tag], .js-plotly-plot .main-svg"),
    "Session": ("/session?session=P-D004/S-03", "[data-testid=stDataFrame] canvas"),
    "Signals": ("/session?session=P-D004/S-03&tab=Signals", ".js-plotly-plot .main-svg"),
    "Insights": ("/insights?patient=P-D004", ".js-plotly-plot .main-svg"),
    "Import and export": ("/import-export", "[data-testid=stDataFrame] canvas"),
}
# Findings in markup that Streamlit makes and no page can change: rule, part of the selector or markup, why.
OF_STREAMLIT = (
    ("list", "stSidebarNavItems", "the menu puts a div for each section into its list"),
    ("listitem", '<li class="st-emotion-cache', "the entries of the menu, which stand in those divs"),
)


def drawn(page: Page, last: str) -> None:
    """The page is there to its last line and nothing is loading; its parts come one after the other."""
    for part in last.split(", "):
        expect(page.locator(part).first).to_be_visible()
    expect(page.get_by_text("Research software. Not a medical device.").first).to_be_visible()
    expect(page.locator(".stSkeleton, [data-testid=stStatusWidget]")).to_have_count(0)


def findings(page: Page) -> list[str]:
    """Serious and critical findings, one line for each element, without those of Streamlit."""
    result = Axe().run(page, options={"resultTypes": ["violations"]})
    return [
        f"{v['id']} ({v['impact']}): {node['target']} {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for v in result.response["violations"]
        if v["impact"] in ("serious", "critical")
        for node in v["nodes"]
        if not any(rule == v["id"] and part in f"{node['target']} {node['html']}" for rule, part, _ in OF_STREAMLIT)
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_finding_of_the_accessibility_scan(chromium: Browser, demo: Served, scheme: str) -> None:
    found = {}
    with chromium.new_context(
        base_url=demo.url, color_scheme=scheme, viewport={"width": 1280, "height": 1600}
    ) as context:
        page = context.new_page()
        for name, (path, last) in PAGES.items():
            page.goto(path)
            drawn(page, last)
            found[name] = findings(page)
    assert not any(found.values()), "\n".join(f"{n}: {line}" for n, lines in found.items() for line in lines)
