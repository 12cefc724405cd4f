"""The tiny data and checkpoints of the catalogue, and the browser."""
from tests.catalogue.conftest import _one_thread, _plain_configs, checkpoints, root  # noqa: F401
from tests.visualization.conftest import browser  # noqa: F401
