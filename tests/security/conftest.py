"""The tiny data and checkpoints of the catalogue, and the browser."""

from tests.catalogue.conftest import checkpoints, root  # noqa: F401
from tests.visualization.conftest import browser  # noqa: F401
