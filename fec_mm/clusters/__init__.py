"""What a model clusters: recorded while it runs, and followed down to the pixels."""

from .connected import connect
from .hierarchy import cluster_levels, layer_labels
from .merging import merge_clusters, merge_regions
from .recorder import Assignments, record_assignments

__all__ = [
    'Assignments',
    'cluster_levels',
    'connect',
    'layer_labels',
    'merge_clusters',
    'merge_regions',
    'record_assignments',
]
