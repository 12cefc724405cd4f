"""The explorer in a real browser: what it shows is what the model assigned, whatever one points with."""

from __future__ import annotations

import base64
import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fec_mm.clusters import record_assignments
from fec_mm.models import FEC, CLUENet, ContextCluster, EnFormer
from fec_mm.visualization.explorer import SURE, explorer_entry, explorer_page
from fec_mm.visualization.look import Look, logit_shares

ARCH = dict(
    depths=(1, 1, 1, 1),
    embed_dims=(8, 12, 16, 20),
    num_heads=(2, 2, 2, 2),
    head_dims=(4, 4, 4, 4),
    centers_per_side=(2, 2, 2, 2),
    regions_per_side=(1, 1, 1, 1),
)
SIZE = (101, 75)  # W, H: no multiples of the stem's stride; the network gets 8 rows and 4 columns of padding more
NAME = '</script><b>&"日本 {{data}}.png'


class GlobalAveragePooling(nn.Module):
    """Only its name is asked for."""


class LinearClsHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(20, 7)


def backbone_of(family: type) -> nn.Module:
    stages = {key: ARCH[key] for key in ('depths', 'embed_dims', 'num_heads', 'head_dims')}
    if family is EnFormer:
        soft = dict(kernel_sizes=(3,) * 4, centers_per_side=(2, 2, 2, 2), agents_per_side=(5, 0, 0, 0))
        return EnFormer({**stages, **soft}, layer_scale_init_value=0.5)
    if family is CLUENet:
        return CLUENet({**stages, 'centers_per_side': (2, 2, 2, 2), 'stem_stride': 1})
    return family(ARCH, layer_scale_init_value=0.5)


def look_with(family: type, seed: int = 0, name: str = NAME) -> Look:
    torch.manual_seed(seed)
    backbone = backbone_of(family).eval()
    model = nn.ModuleDict(dict(backbone=backbone, neck=GlobalAveragePooling(), head=LinearClsHead()))
    model.neck, model.head = model['neck'], model['head']
    batch = torch.rand(1, 3, SIZE[1] + 8, SIZE[0] + 4)
    with torch.no_grad(), record_assignments(backbone) as record:
        features = backbone(batch)[-1]
        shares, bias = logit_shares(model, features)
    image = (255 * batch[0, :, : SIZE[1], : SIZE[0]]).byte().permute(1, 2, 0).numpy()
    return Look(name, image, record, features, shares[0].sum((1, 2)) + bias, shares[0])


def test_shares_sum_to_the_logits() -> None:
    torch.manual_seed(0)
    features = torch.randn(3, 20, 5, 4, dtype=torch.float64)
    model: Any = nn.Module()
    model.neck, model.head = GlobalAveragePooling(), LinearClsHead().double()
    shares, bias = logit_shares(model, features)
    torch.testing.assert_close(shares.sum((2, 3)) + bias, model.head.fc(features.mean((2, 3))))
    by_hand = model.head.fc.weight[3] @ features[1, :, 2, 1] / 20
    torch.testing.assert_close(shares[1, 3, 2, 1], by_hand)
    assert logit_shares(nn.Linear(1, 1), features) is None


def test_shares_of_a_real_classifier() -> None:
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    pytest.importorskip('mmpretrain')
    cfg = Config.fromfile(Path(__file__).parents[2] / 'configs/quickstart/classification.py')
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).double().eval()
    x = torch.randn(2, 3, 64, 48, dtype=torch.float64)
    with torch.no_grad():
        features = model.backbone(x)[-1]
        shares, bias = logit_shares(model, features)
        torch.testing.assert_close(shares.sum((2, 3)) + bias, model(x, mode='tensor'))


def test_page_is_self_contained_and_escaped() -> None:
    page = explorer_page([look_with(FEC)], '<i>title & "more"</i>', ['<b>'] * 7)
    assert '<i>title' not in page and html.escape('<i>title & "more"</i>') in page
    assert page.count('</script>') == 2
    assert not re.search(r'(?:src|href)=["\'](?!data:)|url\(|@import|https?://', page)
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
    assert data[0]['name'] == NAME and data[0]['classifier']['names'][0] == '<b>'


def unpacked(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed['data']), f'<{packed["kind"]}').reshape(packed['shape'])


def test_soft_assignments_come_with_their_confidence() -> None:
    look = look_with(EnFormer)
    entry = explorer_entry(look)
    assert not entry['pools'] and not entry['groups'] and entry['stem'] == [21, 27] and entry['stride'] == 4
    names = [layer['name'] for layer in entry['layers']]
    assert names[:3] == ['stage 1, block 1, fuzzy', 'stage 1, block 1, hard', 'stage 1, block 1']
    for (name, ids), layer in zip(look.record.encodes.items(), entry['layers']):
        assert np.array_equal(unpacked(layer), ids[0])
        shares = look.record.confidences[name][0].numpy()
        assert np.abs(unpacked(layer['confidence']) / SURE - shares).max() <= 0.5 / SURE + 1e-6
    assert not any('confidence' in layer for layer in explorer_entry(look_with(FEC))['layers'])


def test_cells_are_as_large_as_the_stem_says() -> None:
    entry = explorer_entry(look_with(CLUENet))
    assert entry['stride'] == 1 and entry['stem'] == [SIZE[1] + 8, SIZE[0] + 4] and len(entry['pools']) == 3


class Page:
    """The explorer, opened from disk."""

    def __init__(self, browser: Any, path: Path, looks: list[Look]) -> None:
        self.browser, self.looks = browser, looks
        path.write_text(explorer_page(looks, 'tiny', [f'<{i}>' for i in range(7)]), encoding='utf-8')
        browser.get(path.as_uri())
        self.wait("return document.querySelectorAll('#chain li').length")

    def js(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def complaints(self) -> list[dict]:
        """What is in the console, but for the advice that this test's reading of canvases is slow."""
        return [entry for entry in self.browser.get_log('browser') if entry['source'] != 'rendering']

    def wait(self, script: str) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.browser, 10).until(lambda _: self.js(script))

    def press(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.browser).send_keys(*keys).perform()

    def point(self, x: int, y: int, click: bool = False) -> None:
        """Move the real pointer to the middle of a pixel of the image."""
        from selenium.webdriver import ActionChains

        frame = self.browser.find_element('id', 'frame')
        box = frame.rect
        dx = (x + 0.5) * box['width'] / SIZE[0] - box['width'] / 2
        dy = (y + 0.5) * box['height'] / SIZE[1] - box['height'] / 2
        move = ActionChains(self.browser).move_to_element_with_offset(frame, round(dx), round(dy))
        (move.click() if click else move).perform()

    def slide(self, name: str, value: int) -> None:
        self.js(f"const e = document.getElementById('{name}'); e.value = {value}; e.dispatchEvent(new Event('input'))")

    def chain(self) -> dict[str, dict[str, str]]:
        items = self.js(
            "return [...document.querySelectorAll('#chain li')].map(li => ({...li.dataset, text: li.innerText}))"
        )
        return {item['kind'] + item.get('level', ''): item for item in items}

    def pixel(self, canvas: str, x: int, y: int) -> list[int]:
        return self.js(f"""const c = document.getElementById('{canvas}'), s = c.width / {SIZE[0]};
            return [...c.getContext('2d').getImageData(Math.floor(({x} + .5) * s), Math.floor(({y} + .5) * s),
            1, 1).data]""")


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Any:
    page = Page(browser, tmp_path / 'page.html', [look_with(FEC), look_with(FEC, 1, 'second.png')])
    yield page
    assert page.complaints() == []


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


def test_without_hierarchy_heads_are_shown(browser: Any, tmp_path: Path) -> None:
    look = look_with(ContextCluster)
    page = Page(browser, tmp_path / 'page.html', [look])
    assert browser.find_element('id', 'note').is_displayed()
    assert not browser.find_element('id', 'level').is_displayed()
    page.slide('layer', 3)
    page.point(90, 70)
    name = list(look.record.encodes)[3]
    chain = page.chain()
    assert int(chain['head']['center']) == look.head(name, 0)[0, 70, 90]
    row, col = 70 // 32, 90 // 32
    top = int(look.logits.argmax())
    assert float(chain['class']['share']) == pytest.approx(look.shares[top, row, col].item(), abs=1e-6)
    assert page.complaints() == []


def test_soft_heads_are_as_opaque_as_they_are_sure(browser: Any, tmp_path: Path) -> None:
    look = look_with(EnFormer)
    page = Page(browser, tmp_path / 'page.html', [look])
    assert browser.find_element('id', 'note').is_displayed()
    page.slide('layer', 2)
    page.point(61, 33)
    name = list(look.record.encodes)[2]
    head = page.chain()['head']
    assert int(head['center']) == look.head(name, 0)[0, 33, 61]
    sure = look.confidence(name, 0)[0, 33, 61].item()
    assert float(head['confidence']) == pytest.approx(sure, abs=1e-4) and 'membership' in head['text']
    grey = look.image[33, 61] @ np.array([1, 2, 1]) / 4
    hue = 137.508 * int(head['center'])
    colour = [150 + 95 * np.cos(np.deg2rad(hue - shift)) for shift in (0, 120, 240)]
    page.js("document.querySelector('[name=view][value=head]').click()")
    assert 'Memberships are soft' in browser.find_element('id', 'soft').text
    sure /= look.record.confidences[name][0, 0].max().item()  # the largest is as opaque as hard assignments are
    shown = page.pixel('base', 61, 33)[:3]
    assert np.allclose(shown, [sure * 0.6 * c + (1 - sure * 0.6) * grey for c in colour], atol=2)
    assert page.complaints() == []


@pytest.mark.parametrize('x', [0, 50, 100])
def test_cells_of_one_pixel(browser: Any, tmp_path: Path, x: int) -> None:
    look = look_with(CLUENet)
    page = Page(browser, tmp_path / 'page.html', [look])
    page.point(x, 41)
    chain, levels = page.chain(), look.levels()
    assert [int(chain[f'level{i}']['cluster']) for i in (1, 2, 3)] == [int(labels[0, 41, x]) for labels in levels]


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
