"""Small models' pages of the explorer, and one of them opened in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from fec_mm.clusters import record_assignments
from fec_mm.models import CLUENet, EnFormer
from fec_mm.visualization.explorer import explorer_page
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
