"""Names that are scripts, in the pages that are made, in a real browser: they are shown and not run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from fec_mm.evaluation.probe_report import page
from tests.catalogue.case import Case, prepare, tool

SCRIPT = '<img src=x onerror=window.hit=1>'
CLASSES = ('</script><script>window.hit=2</script>', SCRIPT)


def show(browser: Any, path: Path) -> str:
    """Open a page, with all that it shows; its text."""
    browser.get(path.as_uri())
    browser.execute_script('document.querySelectorAll("details").forEach(e => e.open = true)')
    browser.implicitly_wait(0)
    assert browser.execute_script('return window.hit ?? null') is None
    assert browser.execute_script("return document.querySelectorAll('img[src=x]').length") == 0
    text: str = browser.execute_script('return document.documentElement.innerText + document.title')
    return text


def test_explorer(root: Path, tmp_path: Path, checkpoints: Callable[[str], Path], browser: Any) -> None:
    """By the tool itself: image, config and checkpoint are called like scripts, and so are the classes."""
    classes = f"test_dataloader['dataset']['metainfo'] = dict(classes={CLASSES!r})\n"
    place = prepare(Case('', '', config=classes), root, tmp_path, checkpoints('mmpretrain'))
    image, config, checkpoint = tmp_path / f'{SCRIPT}$x^$.png', tmp_path / f'{SCRIPT}.py', tmp_path / f'{SCRIPT}.pth'
    place.image.rename(image)
    config.write_text(place.config.read_text())
    content = torch.load(place.checkpoint, weights_only=True)
    torch.save({**content, 'meta': {'dataset_meta': {'classes': CLASSES}}}, checkpoint)
    tool('visualization/visualize_clusters.py').main(
        [str(config), str(image), '--checkpoint', str(checkpoint), '--out-dir', f'{tmp_path}/out', '--html']
    )
    assert Image.open(tmp_path / 'out' / f'{image.stem}.png').size[0] > 100
    text = show(browser, tmp_path / 'out/clusters.html')
    options = browser.execute_script("return [...document.querySelectorAll('option')].map(e => e.textContent).join()")
    assert image.name in text
    assert f'{SCRIPT}, {SCRIPT}.pth' in text
    assert all(name in options + text for name in CLASSES)
    assert [entry for entry in browser.get_log('browser') if entry['source'] != 'rendering'] == []


@pytest.mark.parametrize('name', [SCRIPT, CLASSES[0], '"><script>window.hit=3</script>', "' onmouseover='window.hit=4"])
def test_probe_report(tmp_path: Path, browser: Any, name: str) -> None:
    results = {
        'config': name,
        'checkpoint': name,
        'samples': 2,
        'superclasses': [name],
        'subclasses': [name, name],
        'seeds': [0],
        'accuracy_on_trained_labels': 1.0,
    }
    path = tmp_path / 'index.html'
    path.write_text(page(results, [[name, 'k'], [name, json.dumps(name)]], {'layers': b''}), encoding='utf-8')
    assert show(browser, path).count(name) >= 6
