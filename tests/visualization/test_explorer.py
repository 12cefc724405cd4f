"""What the explorer's page holds, and what it shows of each family of models."""

from __future__ import annotations

import base64
import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fec_mm.models import FEC, CLUENet, ContextCluster, EnFormer
from fec_mm.visualization.explorer import SURE, explorer_entry, explorer_page

from .pages import NAME, SIZE, Page, look_with


def test_page_is_self_contained_and_escaped() -> None:
    page = explorer_page([look_with(FEC)], '<i>title & "more"</i>', ['<b>'] * 7)
    assert '<i>title' not in page and html.escape('<i>title & "more"</i>') in page
    assert page.count('</script>') == 2
    page_without_names = page.replace('xmlns="http://www.w3.org/2000/svg"', '')  # of a namespace, which nothing loads
    assert not re.search(r'(?:src|href)=["\'](?!data:|\$\{base\.toDataURL)|url\(|@import|https?://', page_without_names)
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
