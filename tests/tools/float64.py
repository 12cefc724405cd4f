"""Named in a config's `custom_imports`, this makes its model a float64 one, and its images, once they are
normalised."""

import torch

torch.set_default_dtype(torch.float64)
