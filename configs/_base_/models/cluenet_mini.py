# A CLUENet of the size of the quick start's FEC, about a million parameters.
cluenet_mini = dict(
    depths=(1, 1, 2, 1),
    embed_dims=(32, 64, 128, 192),
    num_heads=(2, 4, 4, 8),
    head_dims=(16, 16, 16, 16),
    mlp_ratios=(4, 4, 4, 4),
    centers_per_side=(4, 4, 2, 2),
    pool_norm=True)
