# The size of the quick start's FEC, about a million parameters.
fec_mini = dict(
    depths=(1, 1, 2, 1),
    embed_dims=(32, 64, 128, 192),
    num_heads=(2, 4, 4, 8),
    head_dims=(16, 16, 24, 24),
    mlp_ratios=(4, 4, 4, 4),
    centers_per_side=(4, 4, 2, 2),
    regions_per_side=(1, 1, 1, 1))
