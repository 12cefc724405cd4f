"""The explorer in a real browser: what it shows is what the model assigned, whatever one points with."""

from __future__ import annotations

import numpy as np
import pytest

from .pages import SIZE, Page


def test_pointer_follows_the_chain(page: Page) -> None:
    look = page.looks[0]
    levels, groups = [labels[0].numpy() for labels in look.levels()], look.groups(4)[0]
    page.slide('groups', 4)
    last = levels[-1]
    top = int(look.logits.argmax())
    for x, y in [(3, 2), (50, 40), (SIZE[0] - 1, SIZE[1] - 1), (97, 8)]:
        page.point(x, y)
        chain = page.chain()
        assert chain['pixel']['text'].startswith(f'Pixel {x}, {y}')
        for i, labels in enumerate(levels, 1):
            item = chain[f'level{i}']
            assert (int(item['cluster']), int(item['pixels'])) == (labels[y, x], (labels == labels[y, x]).sum())
        assert int(chain['group']['group']) == groups[y, x]
        assert float(chain['class']['share']) == pytest.approx(look.shares[top].flatten()[last[y, x]].item(), abs=1e-6)
        assert float(chain['class']['logit']) == pytest.approx(look.logits[top].item(), abs=1e-5)
        assert f'<{top}>' in chain['class']['text']


def test_outlines_of_every_level_surround_the_cluster(page: Page) -> None:
    """On the overlay, borders are painted, the inside is clear, and other clusters lie under a veil."""
    labels = page.looks[0].levels()[-1][0].numpy()
    y, x = 38, 50
    page.point(x, y)
    drawn = page.js(
        """const [w, h] = arguments, c = document.getElementById('overlay'), s = c.width / w;
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        return Array.from({length: h}, (_, y) => Array.from({length: w}, (_, x) =>
          d[4 * (Math.floor((y + .5) * s) * c.width + Math.floor((x + .5) * s)) + 3]))""",
        *SIZE,
    )
    alpha = np.array(drawn)
    inside = labels == labels[y, x]
    padded = np.pad(inside, 2, mode='constant')  # False outside of the picture, which the outline also follows
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5))
    core, outer = windows.all((2, 3)), ~windows.any((2, 3))
    core[y - 4 : y + 5, x - 4 : x + 5] = False  # the probe
    assert outer.any() and (alpha[outer] > 60).all()
    finer = page.looks[0].levels()[0][0].numpy() == page.looks[0].levels()[0][0].numpy()[y, x]
    if (core & ~finer).any():
        assert np.median(alpha[core & ~finer]) == 0
    colours = page.js("""const c = document.getElementById('overlay');
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, seen = new Set();
        for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 250) seen.add(d.slice(i, i + 3).join());
        return [...seen]""")
    assert {'255,225,77', '92,200,255', '255,112,67'} <= set(colours)


def test_sliders_and_pickers_change_the_picture(page: Page) -> None:
    look = page.looks[0]
    image = look.image.astype(float)
    page.js("document.querySelector('[name=view][value=clusters]').click()")
    for level, labels in enumerate(look.levels(), 1):
        page.slide('level', level)
        for y, x in [(2, 3), (70, 95)]:
            mean = image[labels[0].numpy() == labels[0, y, x].item()].mean(0)
            assert np.abs(np.array(page.pixel('base', x, y)[:3]) - mean).max() <= 1
    page.slide('groups', 2)
    colours = {tuple(page.pixel('base', x, y)) for y in range(0, 75, 9) for x in range(0, 101, 9)}
    assert len(colours) > 2  # the grey of the picture shows through
    assert page.js("return document.querySelector('[name=view]:checked').value") == 'groups'
    page.slide('layer', 2)
    page.slide('head', 2)
    page.point(60, 20)
    name = list(look.record.encodes)[2]
    assert int(page.chain()['head']['center']) == look.head(name, 1)[0, 20, 60]
    assert 'stage 3, block 1, head 2' in page.chain()['head']['text']


def test_keys(page: Page) -> None:
    from selenium.webdriver.common.keys import Keys

    page.point(20, 20, click=True)  # holds the probe
    page.point(70, 60)
    assert page.chain()['pixel']['text'].startswith('Pixel 20, 20')
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert page.chain()['pixel']['text'].startswith('Pixel 24, 28')
    page.press(' ')
    page.point(70, 60)
    assert page.chain()['pixel']['text'].startswith('Pixel 70, 60')
    page.press('2')
    assert page.js("return document.getElementById('level').value") == '2'
    page.press('+')
    assert page.js(
        "return [document.getElementById('groups').value, document.querySelector('[name=view]:checked').value]"
    ) == ['7', 'groups']
    page.press('h')
    assert page.js("return document.querySelector('output[for=head]').textContent") == '2 of 2'
    page.press('c')
    assert page.js(
        "return [document.getElementById('class').value, document.querySelector('[name=view]:checked').value]"
    ) == ['1', 'class']
    page.press('v')
    assert page.js("return document.querySelector('[name=view]:checked').value") == 'image'
    page.press('n')
    page.wait("return document.getElementById('name').textContent.startsWith('second.png')")


def test_phone(page: Page) -> None:
    page.browser.execute_cdp_cmd(
        'Emulation.setDeviceMetricsOverride', dict(width=360, height=740, deviceScaleFactor=3, mobile=True)
    )
    try:
        page.js("document.getElementById('keys').open = true")
        page.wait('return innerWidth === 360')
        assert page.js('return document.documentElement.scrollWidth') == 360
        wide = page.js("""return [...document.querySelectorAll('body *')].filter(e => !e.closest('#images')
            && e.getClientRects().length && e.getBoundingClientRect().right > 361)
            .map(e => e.outerHTML.slice(0, 80))""")
        assert wide == []
    finally:
        page.browser.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})
