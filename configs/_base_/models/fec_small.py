# FEC-S as a backbone for dense prediction, with the centers and regions of the paper.
fec_small_detection = dict(
    _delete_=True,
    type='fec_mm.FEC',
    arch='small',
    centers_per_side=(7, 7, 7, 7),
    regions_per_side=(2, 2, 1, 1),
    out_indices=(0, 1, 2, 3))
fec_small_segmentation = dict(
    _delete_=True,
    type='fec_mm.FEC',
    arch='small',
    centers_per_side=(10, 10, 5, 5),
    regions_per_side=(1, 1, 1, 1),
    out_indices=(0, 1, 2, 3))
