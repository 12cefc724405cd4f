"""What differs between the three toolboxes, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Painter:
    """How a toolbox paints its predictions.

    Args:
        hook: The type of its visualization hook.
        switch: The hook's argument that has it paint.
        folder: The hook's argument for where; None: into the folder of the visualizer.
        visualizer: The type of the visualizer it needs.
    """

    hook: str
    switch: str
    folder: str | None
    visualizer: str


@dataclass(frozen=True)
class Toolbox:
    """One of the OpenMMLab toolboxes.

    Args:
        scope: Its name, which is `default_scope` in its configs.
        task: What it is for.
        image_size: H and W of a training image in the papers.
        batch: Images in a training step whose memory is measured.
        painter: How it paints predictions.
        dump: The metric that writes predictions into a file; None: they are label maps in a folder.
        tta_model: The config of the model that merges predictions of flipped images.
    """

    scope: str
    task: str
    image_size: tuple[int, int]
    batch: int
    painter: Painter
    dump: str | None
    tta_model: dict[str, Any]


TOOLBOXES = {
    toolbox.scope: toolbox
    for toolbox in (
        Toolbox(
            'mmpretrain',
            'classification',
            (224, 224),
            8,
            Painter('VisualizationHook', 'enable', 'out_dir', 'UniversalVisualizer'),
            'mmengine.evaluator.DumpResults',
            dict(type='AverageClsScoreTTA'),
        ),
        Toolbox(
            'mmdet',
            'detection',
            (800, 1344),
            1,
            Painter('DetVisualizationHook', 'draw', 'test_out_dir', 'DetLocalVisualizer'),
            'mmdet.evaluation.DumpDetResults',  # masks as run lengths
            dict(type='DetTTAModel', tta_cfg=dict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=100)),
        ),
        Toolbox(
            'mmseg',
            'segmentation',
            (512, 512),
            2,
            Painter('SegVisualizationHook', 'draw', None, 'SegLocalVisualizer'),
            None,
            dict(type='SegTTAModel'),
        ),
    )
}
BY_TASK = {toolbox.task: toolbox for toolbox in TOOLBOXES.values()}
