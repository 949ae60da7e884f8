"""The pages of research on a site's first day: each says what is needed, light and dark, wide and narrow."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_accessibility import findings
from tests.serving import serving

pytestmark = pytest.mark.browser
EMPTY = {
    "experiments": "No experiments yet.",
    "ablation": "No study yet, so there is nothing to take apart.",
    "leak-audit": "Choose a run: there is none yet.",
    "ei-groups": "No EI scores.",
    "models": "0.50 is a coin",
}


def test_each_page_says_what_is_needed_before_there_is_anything(chromium: Browser, tmp_path) -> None:
    with serving(tmp_path / "data") as served:
        for scheme, width in (("light", 1280), ("dark", 390)):
            with chromium.new_context(
                base_url=served.url, color_scheme=scheme, viewport={"width": width, "height": 1000}
            ) as context:
                page = context.new_page()
                for address, words in EMPTY.items():
                    page.goto(f"/{address}")
                    expect(page.get_by_text(words).first).to_be_visible(timeout=60_000)
                    expect(page.get_by_text("Research software. Not a medical device.").first).to_be_visible()
                    expect(page.locator(".stSkeleton, [data-testid=stStatusWidget]")).to_have_count(0)
                    assert not findings(page), f"{address}, {scheme}"
                    overflow = page.get_by_test_id("stMain").evaluate("e => e.scrollWidth - e.clientWidth")
                    assert overflow <= 0, f"{address} is wider than {width} px"
