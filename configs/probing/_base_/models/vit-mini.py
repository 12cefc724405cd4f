# A ViT of four layers on patches of 8², for images of 32². The usual initialisation with a deviation of 0.02 is for widths of
# hundreds: at this one the layers' outputs would vanish, and minutes of training would not bring them back.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='VisionTransformer',
        arch=dict(embed_dims=96, num_layers=4, num_heads=4, feedforward_channels=192),
        img_size=32,
        patch_size=8),
    head=dict(type='VisionTransformerClsHead', in_channels=96, loss=dict(type='CrossEntropyLoss'), topk=(1, )))
