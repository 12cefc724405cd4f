"""Pictures of what a model clusters. Needs the extra `fec_mm[visualization]` only where something is drawn or
merged."""

from fec_mm.clusters import Assignments, cluster_levels, layer_labels, merge_clusters, merge_regions, record_assignments

from .figures import cluster_figure, mean_colours, outlines

__all__ = [
    'Assignments',
    'cluster_figure',
    'cluster_levels',
    'layer_labels',
    'mean_colours',
    'merge_clusters',
    'merge_regions',
    'outlines',
    'record_assignments',
]
