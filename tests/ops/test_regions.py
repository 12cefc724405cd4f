"""Regions and their centers against PyTorch's own pooling."""

import pytest
import torch
import torch.nn.functional as F

from fec_mm.ops.regions import average_centers, average_pairs, from_regions, raster_ids, to_regions, valid_positions


@pytest.mark.parametrize(('H', 'W', 'm'), [(8, 8, 4), (7, 5, 3), (2, 3, 5), (1, 1, 2)])
def test_centers_equal_adaptive_pooling(H: int, W: int, m: int) -> None:
    x = torch.randn(2, H, W, 3, dtype=torch.float64)
    means, filled = average_centers(x, 1, m)
    expected = F.adaptive_avg_pool2d(x.permute(0, 3, 1, 2), m).flatten(2).transpose(1, 2)
    torch.testing.assert_close(means, expected)
    repeats = [i for i in range(1, m) if (i * H // m, -(-(i + 1) * H // m)) == ((i - 1) * H // m, -(-i * H // m))]
    assert (filled is None) == (m <= min(H, W))
    if filled is not None:
        assert [i for i, ok in enumerate(filled.view(m, m).any(1).tolist()) if not ok] == repeats


def test_regions_and_back() -> None:
    x = torch.arange(2 * 7 * 5 * 2.0).view(2, 7, 5, 2)
    parts = to_regions(x, 3)
    assert parts.shape == (18, 3, 2, 2)
    assert torch.equal(parts[1, :, :, 0], x[0, :3, 2:4, 0])
    assert torch.equal(from_regions(parts, 3, (7, 5)), x)


def test_padding_is_counted_out() -> None:
    x = torch.ones(1, 3, 5, 1)
    valid = valid_positions((3, 5), 1, (4, 6), x.device)
    assert valid.sum() == 15
    means, filled = average_pairs(to_regions(x, 1, multiple=2), valid.view(-1, 4, 6))
    assert torch.equal(means, torch.ones(1, 6, 1)) and filled.all()
    _, filled = average_centers(torch.ones(1, 9, 9, 1), 8, 2)
    # Nine rows in eight regions of two: the fifth region has one row, the last three have none.
    assert filled.view(8, 8, 2, 2).any(3).any(1).any(1).tolist() == [True] * 5 + [False] * 3
    assert filled.view(8, 8, 2, 2)[4, 0].tolist() == [[True, True], [False, False]]


def test_raster_ids_of_two_by_two_regions() -> None:
    """Center (row 1, column 0) of the region at the bottom right, 3×2 centers each: row 4, column 2 of a 6×4 map."""
    index = torch.tensor([0, 0, 0, 2]).view(4, 1)
    assert raster_ids(index, 2, (3, 2))[3].item() == 4 * 4 + 2


def test_matrices_kept_from_inference_mode_train() -> None:
    """PyTorch refuses to save tensors made in inference mode for the backward pass."""
    x = torch.randn(1, 37, 41, 3)
    with torch.inference_mode():
        average_centers(x, 1, 5)
    means, _ = average_centers(x.requires_grad_(), 1, 5)
    means.sum().backward()
    torch.testing.assert_close(
        means.detach(), F.adaptive_avg_pool2d(x.detach().permute(0, 3, 1, 2), 5).flatten(2).transpose(1, 2)
    )
