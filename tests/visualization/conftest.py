"""A headless browser, and the explorer in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fec_mm.models import FEC

from .pages import Page, look_with


@pytest.fixture(scope='session')
def browser() -> Iterator[Any]:
    """Chromium, driven by selenium; skips where either is missing."""
    webdriver = pytest.importorskip('selenium.webdriver', reason='selenium is not installed: pip install selenium')
    chromium, driver = shutil.which('chromium'), shutil.which('chromedriver')
    if chromium is None or driver is None:
        pytest.skip('no chromium: apt-get install --no-install-recommends chromium chromium-driver')
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        '--headless=new',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-dev-shm-usage',
        '--window-size=1280,1000',
    ):
        options.add_argument(argument)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    window = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield window
    window.quit()


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Iterator[Page]:
    """Two images of a classifier of FEC; nothing may be complained of."""
    page = Page(browser, tmp_path / 'page.html', [look_with(FEC), look_with(FEC, 1, 'second.png')])
    yield page
    assert page.complaints() == []
