"""Configs: misspelt, contradicting, impossible."""

from __future__ import annotations

from .case import Case, Place

MISSPELT = Case(
    'A misspelt type',
    'It was mistyped.',
    'Take the name that is proposed. For a type of your own, name its package in `custom_imports`.',
    "type='GlobalAveragePoolin' in the config is no model of mmpretrain: did you mean 'GlobalAveragePooling'?",
    config="model['neck']['type'] = 'GlobalAveragePoolin'\n",
)
CORRECT = 'Correct the value.'


def said(place: Place, text: str) -> None:
    assert text in place.log()


CASES = [
    MISSPELT,
    Case(
        'A misspelt backbone',
        'It was mistyped.',
        'Take the name that is proposed.',
        "type='fec_mm.Fec' in the config is no model of …: did you mean 'fec_mm.FEC'?",
        config="model['backbone']['type'] = 'fec_mm.Fec'\n",
    ),
    Case(
        'A misspelt transform',
        'It was mistyped.',
        'Take the name that is proposed.',
        "type='LoadImagesFromFile' in the config is no transform of …: did you mean 'LoadImageFromFile'?",
        config="train_pipeline[0]['type'] = 'LoadImagesFromFile'\n",
    ),
    Case(
        'A misspelt optimizer',
        'It was mistyped.',
        'Take the name that is proposed.',
        "type='Adamw' in the config is no optimizer of …: did you mean 'AdamW'?",
        config="optim_wrapper['optimizer']['type'] = 'Adamw'\n",
    ),
    Case(
        'A misspelt hook',
        'It was mistyped.',
        'Take the name that is proposed.',
        "type='IterTimeHook' in the config is no hook of …: did you mean 'IterTimerHook'?",
        config="default_hooks['timer']['type'] = 'IterTimeHook'\n",
    ),
    Case(
        'A misspelt metric',
        'It was mistyped.',
        'Take the name that is proposed.',
        "type='Acuracy' in the config is no metric of mmpretrain: did you mean 'Accuracy'?",
        config="val_evaluator['type'] = 'Acuracy'\n",
    ),
    Case(
        'A misspelt argument',
        'The name was mistyped, or another version has this argument.',
        'Correct the name.',
        "FEC.__init__() got an unexpected keyword argument 'droprate' (correct the config)",
        config="model['backbone']['droprate'] = 3\n",
    ),
    Case(
        'An unknown arch',
        'It was mistyped.',
        'Choose one that is named, or give a dict.',
        "FEC has no arch 'huge': choose one of small, base, large, or give a dict (correct the config)",
        config="model['backbone']['arch'] = 'huge'\n",
    ),
    Case(
        'A task of EnFormer that there is not',
        'It was mistyped: a task names the published centers and agents.',
        'Choose one that is named, or set centers_per_side and agents_per_side.',
        "EnFormer has no task 'panoptic': choose one of classification, segmentation, detection (correct the config)",
        config="model['backbone'] = dict(type='fec_mm.EnFormer', arch='small', task='panoptic')\n",
    ),
    Case(
        'Centers of EnFormer that are no pairs',
        'Each stage has a fuzzy and a partitional clustering.',
        'Give one number for each stage, or one for each clustering.',
        'EnFormer: centers_per_side has (6, 5, 4) for a stage: give one number, or one per clustering (correct the '
        'config)',
        config="model['backbone'] = dict(type='fec_mm.EnFormer', arch='small', centers_per_side=[(6, 5, 4)] * 4)\n",
    ),
    Case(
        'A stem of CLUENet that there is not',
        'The published stems keep the size of the image, or quarter its sides.',
        'Give 1 or 4.',
        'CLUENet: stem_stride=2 must be 1 or 4 (correct the config)',
        config="model['backbone'] = dict(type='fec_mm.CLUENet', arch=dict({key: fec[key] for key in ('depths', "
        "'embed_dims', 'num_heads', 'head_dims')}, stem_stride=2))\n",
    ),
    Case(
        'A model with nothing to fold',
        'Only EnFormer has a form for deployment.',
        'Deploy it as it is.',
        'ImageClassifier has nothing to fold: only fec_mm.EnFormer has a form for deployment',
        tools=('fuse',),
    ),
    Case(
        'A list of the wrong length',
        'Every stage needs a number of its own.',
        'Give one number for each stage.',
        'FEC: centers_per_side=(4, 4) must have one number per stage, 4 as in depths=[1, 1, 1, 1] (correct the config)',
        config="model['backbone']['centers_per_side'] = (4, 4)\n",
    ),
    Case(
        'An arch with lists of different lengths',
        'A stage was added or taken away in a part of them.',
        'Give one number for each stage.',
        'FEC: centers_per_side=(2, 2, 2, 1) must have one number per stage, 3 as in depths=[1, 1, 1] (correct the '
        'config)',
        config="model['backbone']['arch'] = dict(fec, depths=(1, 1, 1))\n",
    ),
    Case(
        'A mean of the wrong length',
        'The images have three channels, and the config gives two means.',
        'Give one, or one for each channel.',
        'ImageClassifier.data_preprocessor (ClsDataPreprocessor): The size of tensor … must match the size of '
        'tensor …: give mean and std one number, or one for each channel',
        config="model['data_preprocessor']['mean'] = [1., 2.]\n",
    ),
    Case(
        'Output stages that there are not',
        'Stages count from 0.',
        CORRECT,
        'FEC: out_indices=(2, 9) must name some of the 4 stages, 0 to 3 (correct the config)',
        scope='mmdet',
        config="model['backbone']['out_indices'] = (2, 9)\n",
    ),
    Case(
        'A neck that does not fit the backbone',
        '`in_channels` is of another arch.',
        'Give the channels of the output stages.',
        'RetinaNet.neck.lateral_convs.1.conv (Conv2d: 24, 16, …): expected input… to have 24 channels, but got 20 '
        'channels instead: does not fit what comes before it: compare in_channels, out_channels, out_indices and '
        'num_classes in the config',
        scope='mmdet',
        config="model['neck']['in_channels'] = [16, 24]\n",
    ),
    Case(
        'A head that does not fit the backbone',
        '`in_channels` is of another arch.',
        "Give the last stage's channels.",
        'ImageClassifier.head.fc (Linear: in_features=84, …): mat1 and mat2 shapes cannot be multiplied (2x20 and '
        '84x2): does not fit what comes before it: compare in_channels, out_channels, out_indices and num_classes '
        'in the config',
        config="model['head']['in_channels'] = 84\n",
    ),
    Case(
        'A negative learning rate',
        'The minus sign is a mistake.',
        CORRECT,
        'AdamW: Invalid learning rate: -1.0 (correct the config)',
        config="optim_wrapper['optimizer']['lr'] = -1.\nparam_scheduler = None\n",
    ),
    Case(
        'A batch of no image',
        'A division gave 0.',
        CORRECT,
        'BatchSampler: batch_size should be a positive integer value, but got batch_size=0 (correct the config)',
        config="train_dataloader['batch_size'] = 0\n",
    ),
    Case(
        'A negative number of workers',
        'The minus sign is a mistake.',
        CORRECT,
        'DataLoader: num_workers option should be non-negative; … (correct the config)',
        config="train_dataloader['num_workers'] = -1\n",
    ),
    Case(
        'No epoch',
        'A division gave 0.',
        CORRECT,
        'train_cfg.max_epochs=0 in …: give a whole number of at least 1',
        config="train_cfg['max_epochs'] = 0\n",
    ),
    Case(
        'A word for a number of epochs',
        '`--cfg-options` was mistyped.',
        CORRECT,
        "train_cfg.max_epochs='abc' in …: give a whole number of at least 1",
        config="train_cfg['max_epochs'] = 'abc'\n",
    ),
    Case(
        'No class',
        'The list is empty.',
        CORRECT,
        'LinearClsHead: num_classes=0 must be a positive integer (correct the config)',
        config="model['head']['num_classes'] = 0\n",
    ),
    Case(
        'An impossible share of dropped paths',
        'It was written as a percentage.',
        CORRECT,
        'FEC: drop_path_rate=20 must be at least 0 and below 1 (correct the config)',
        config="model['backbone']['drop_path_rate'] = 20\n",
    ),
    Case(
        'No center',
        'A division gave 0.',
        CORRECT,
        'FEC: centers_per_side=[2, 2, 0, 1] must be whole numbers of at least 1 (correct the config)',
        config="model['backbone']['centers_per_side'] = (2, 2, 0, 1)\n",
    ),
    Case(
        'An image size of 0',
        'A division gave 0.',
        CORRECT,
        '…0.png has 64×64 pixels, and resizing leaves none: leave it out, or correct scale and keep_ratio in the '
        'config',
        config="train_pipeline[1]['scale'] = 0\n",
    ),
    Case(
        'Images below 32 pixels',
        'Four stages halve the map, which takes at least 32 pixels.',
        'Resize to 32 or more.',
        'ImageClassifier.backbone (FEC): takes images of at least 32×32 pixels, got 16×16: resize or pad them: '
        'that is what Resize and pad_size_divisor of the config leave of them',
        config="train_pipeline[1]['scale'] = 16\n",
    ),
    Case(
        'An interval of 0',
        'A division gave 0.',
        CORRECT,
        'train_cfg.val_interval=0 in …: give a whole number of at least 1',
        config="train_cfg['val_interval'] = 0\n",
    ),
    Case(
        'More epochs than a one-cycle schedule has',
        '`max_epochs` was raised alone. The schedule would raise an error after its last step.',
        'Raise `total_steps` of `param_scheduler` with it.',
        'OneCycleLR: total_steps is 4 iterations, and the training has 8: set total_steps of param_scheduler to '
        'the length of the training, or end to that of the schedule',
        config="train_cfg['max_epochs'] = 4\n",
    ),
    Case(
        'A schedule that is longer than the training',
        '`max_epochs` was lowered alone, or milestones lie beyond it.',
        handled='A warning says so at the start.',
        config="param_scheduler = [dict(type='CosineAnnealingLR', T_max=300)]\n",
        check=lambda place: said(place, 'CosineAnnealingLR: T_max reaches to 300 epochs, and the training has 1'),
    ),
    Case(
        'A warm-up that is most of the training',
        'The settings are for a large data set, and this one is small.',
        handled='A warning says so at the start, when the warm-up exceeds a tenth.',
        config="param_scheduler = [dict(type='LinearLR', start_factor=0.001, by_epoch=False, end=500)]\n",
        check=lambda place: said(
            place, 'LinearLR: the warm-up of 500 iterations is 100% of the training, which has 2: '
        ),
    ),
    Case(
        'A setting that is missing',
        'A part of the config was replaced instead of merged.',
        'Add it.',
        "RetinaHead needs 'allowed_border' from the config, which does not have it: add it",
        scope='mmdet',
        config="del model['train_cfg']['allowed_border']\n",
    ),
    Case(
        'A missing `_base_`',
        'The config was moved, or the base was renamed.',
        'Correct the path, which is relative to the config.',
        "config … cannot be read: FileNotFoundError: …nowhere.py'",
        config="_base_ = ['nowhere.py']\n",
    ),
    Case(
        'A config that is no Python',
        'A bracket or a quote is missing.',
        'Correct the line that is named.',
        'config … cannot be read: SyntaxError: …',
        config='model = dict(\n',
    ),
    Case(
        'A config without a model',
        'A part was removed, or `_base_` is missing.',
        'Add it, or inherit it.',
        'config … has no model: add it, or inherit it through _base_',
        config='del model\n',
    ),
    Case(
        'A toolbox of before',
        '`mmcls` is called `mmpretrain` now.',
        'Set `default_scope` to one that is named.',
        "default_scope in … is 'mmcls': set it to one of mmpretrain, mmdet, mmseg",
        config="default_scope = 'mmcls'\n",
    ),
    Case(
        'A data set that is not there',
        'It has not been downloaded or made.',
        'Do what the line says.',
        'data/digits/classes does not exist: make it with `python tools/dataset_converters/digits.py`',
        config="train_dataloader['dataset']['data_root'] = 'data/digits'\n",
    ),
]
