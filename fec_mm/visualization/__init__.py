"""Pictures of what a backbone clusters. Needs the extra `fec_mm[visualization]` only where something is drawn or merged."""
from .figures import cluster_figure, mean_colours, outlines
from .hierarchy import cluster_levels, merge_clusters
from .recorder import Assignments, record_assignments

__all__ = ['Assignments', 'cluster_figure', 'cluster_levels', 'mean_colours', 'merge_clusters', 'outlines', 'record_assignments']
