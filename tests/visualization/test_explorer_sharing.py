"""Views of the explorer as addresses and pictures, and side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from fec_mm.models import FEC, ContextCluster
from fec_mm.visualization.explorer import explorer_page, explorers_beside

from .pages import SIZE, Page, look_with


def test_a_link_leads_to_image_pixel_and_level(page: Page) -> None:
    page.press('n')
    page.wait("return document.getElementById('name').textContent.startsWith('second.png')")
    page.slide('level', 2)
    page.point(40, 30, click=True)
    before = page.chain()
    page.browser.find_element('id', 'link').click()
    address = page.browser.current_url
    assert all(part in address for part in ('image=1', 'level=2', 'x=40', 'y=30'))
    page.browser.get('about:blank')
    page.browser.get(address)
    page.wait("return document.getElementById('name').textContent.startsWith('second.png')")
    page.wait("return document.getElementById('level').value === '2'")
    assert page.chain() == before
    page.browser.get('about:blank')
    page.browser.get(
        address.split('#')[0] + '#image=99&level=99&groups=0&view=nothing&x=99999&y=0&head=7'
    )  # of another page
    page.wait("return document.getElementById('name').textContent.startsWith('second.png')")
    page.wait("return document.getElementById('level').value === '3'")
    assert page.chain()['pixel']['text'].startswith(f'Pixel {SIZE[0] - 1}, 0')


def test_veil_and_what_is_saved(page: Page) -> None:
    page.point(50, 38, click=True)
    far = page.looks[0].levels()[-1][0].numpy() != page.looks[0].levels()[-1][0].numpy()[38, 50]
    page.slide('veil', 90)
    y, x = (int(v) for v in np.argwhere(far)[len(np.argwhere(far)) // 2])
    assert page.pixel('overlay', x, y)[3] > 200
    saved = page.js("""const c = composed(), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        return [c.width, c.height, [...d.slice(0, 4)]]""")
    size = page.js("const o = document.getElementById('overlay'); return [o.width, o.height]")
    assert saved[:2] == size and saved[2][3] == 255
    page.js("document.querySelector('[name=view][value=clusters]').click()")
    assert not page.browser.find_element('id', 'veil').is_enabled()
    assert page.browser.find_element('id', 'level').is_enabled()


def test_an_svg_shows_what_the_screen_shows(page: Page) -> None:
    page.point(50, 38, click=True)
    page.slide('veil', 60)
    page.browser.find_element('id', 'lines').click()
    drawing = page.js('return drawing()')
    kinds = [node.tag.split('}')[1] for node in ElementTree.fromstring(drawing).iter()]
    assert kinds.count('image') == 1 and kinds.count('path') == len(page.js('return marks')) >= 8
    differences = page.browser.execute_async_script(
        """const done = arguments[1], picture = new Image();
        picture.src = 'data:image/svg+xml;charset=utf-8,' + encodeURIComponent(arguments[0]);
        picture.decode().then(() => {
          const {width, height} = overlay;
          const context = new OffscreenCanvas(width, height).getContext('2d');
          context.drawImage(picture, 0, 0);
          const drawn = context.getImageData(0, 0, width, height).data;
          const screen = composed().getContext('2d').getImageData(0, 0, width, height).data;
          done(Array.from(drawn, (value, i) => Math.abs(value - screen[i])).filter((_, i) => i % 5 === 0));
        })""",
        drawing,
    )
    assert np.mean(differences) < 1 and np.mean(np.array(differences) > 40) < 0.01


class Beside:
    """The explorers of two models on one page."""

    def __init__(self, browser: Any, path: Path, models: dict[str, list[Any]]) -> None:
        self.browser = browser
        pages = [explorer_page(looks, name) for name, looks in models.items()]
        path.write_text(explorers_beside(pages, ' & '.join(models)), encoding='utf-8')
        browser.get(path.as_uri())
        for i in (0, 1):
            self.wait(i, "document.querySelectorAll('#chain li').length > 0")

    def on(self, side: int, script: str) -> Any:
        """Run a script in one of them, which also gets the keys from now on."""
        self.browser.switch_to.default_content()
        self.browser.switch_to.frame(side)
        return self.browser.execute_script(script)

    def wait(self, side: int, condition: str) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.browser, 10).until(lambda _: self.on(side, f'return {condition}'))


def test_models_side_by_side_share_view_and_pointer(browser: Any, tmp_path: Path) -> None:
    """What one shows the other shows, where it has it: Context Cluster has no levels."""
    names = ('first.png', 'second.png')
    looks = [[look_with(family, seed, name) for seed, name in enumerate(names)] for family in (FEC, ContextCluster)]
    both = Beside(browser, tmp_path / 'beside.html', dict(zip(('<a>', 'b'), looks)))
    browser.switch_to.default_content()
    assert browser.title == '<a> & b'
    both.on(0, 'moveTo(40, 30); state.level = 2; state.head = 1; render()')
    both.wait(1, "document.getElementById('chain').textContent.startsWith('Pixel 40, 30')")
    both.on(
        1,
        "const e = document.getElementById('layer'); e.value = 3; e.dispatchEvent(new Event('input'))",
    )
    both.wait(0, "document.getElementById('layer').value === '3'")
    both.wait(0, "document.querySelector('[name=view]:checked').value === 'head'")
    assert both.on(0, 'return [state.level, state.head, shown.layers[3].label(1)[0]]') == [
        2,
        1,
        int(looks[0][0].head(list(looks[0][0].record.encodes)[3], 1)[0, 0, 0]),
    ]
    both.on(1, 'selectImage(1)')
    both.wait(0, "document.getElementById('name').textContent.startsWith('second.png')")
    both.on(1, 'moveTo(7, 9)')
    both.wait(0, 'state.x === 7 && state.y === 9')
    both.on(0, "document.getElementById('link').click()")
    browser.switch_to.default_content()
    address = browser.current_url
    assert all(part in address for part in ('image=1', 'view=head', 'level=2', 'x=7', 'y=9'))
    browser.get('about:blank')
    browser.get(address)
    for side in (0, 1):
        both.wait(side, "state.view === 'head' && state.image === 1 && state.x === 7 && state.held")
    browser.switch_to.default_content()
    assert [entry for entry in browser.get_log('browser') if entry['source'] != 'rendering'] == []
