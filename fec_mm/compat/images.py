"""Images that one library opens and another refuses."""


def allow_large_images() -> None:
    """Let Pillow open what OpenCV opens: images of up to 2^30 pixels.

    Pillow's own limit is a sixth of that, and above a twelfth it warns (PIL/Image.py, `_decompression_bomb_check`):
    mmseg reads label maps with Pillow, and the images that they belong to with OpenCV.
    """
    from PIL import Image

    if Image.MAX_IMAGE_PIXELS is not None:
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, 1 << 29)  # it refuses twice as many
