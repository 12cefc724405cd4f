"""Whether files are images."""

from __future__ import annotations

from PIL import Image


def readable(path: str) -> bool:
    """Whether a file is an image, by its structure; of a file that does not exist: True."""
    try:
        with Image.open(path) as image:
            image.verify()
    except (FileNotFoundError, Image.DecompressionBombError):
        return True  # the one is another error, and has a name; how large an image may be is for its decoder to say
    except (OSError, SyntaxError, ValueError):  # SyntaxError is Pillow's word for a broken PNG
        return False
    return True
