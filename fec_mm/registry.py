"""The registries of fec_mm, children of mmengine's.

mmengine imports this module by itself when a config of any toolbox says `type='fec_mm.…'`, and the modules at
`locations` when a registry is first asked.
"""

from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import PARAM_SCHEDULERS as MMENGINE_PARAM_SCHEDULERS
from mmengine.registry import Registry

from . import compat

compat.apply()

MODELS = Registry('model', parent=MMENGINE_MODELS, scope='fec_mm', locations=['fec_mm.models'])
HOOKS = Registry(
    'hook',
    parent=MMENGINE_HOOKS,
    scope='fec_mm',
    locations=['fec_mm.engine'],
)
DATASETS = Registry(
    'dataset', parent=MMENGINE_DATASETS, scope='fec_mm', locations=['fec_mm.datasets.superclass_dataset']
)
METRICS = Registry(
    'metric',
    parent=MMENGINE_METRICS,
    scope='fec_mm',
    locations=['fec_mm.evaluation.cluster_probe_metric', 'fec_mm.evaluation.cluster_maps'],
)
PARAM_SCHEDULERS = Registry(
    'parameter scheduler', parent=MMENGINE_PARAM_SCHEDULERS, scope='fec_mm', locations=['fec_mm.engine']
)
