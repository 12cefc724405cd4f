_base_ = [
    '../../_base_/models/fec_classifier.py', '../../_base_/datasets/imagenet.py', '../../_base_/schedules/imagenet_310e.py',
    '../../_base_/runtimes/mmpretrain.py'
]
