"""The model of parallel training against a ring played step by step, and its invariants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fec_mm.evaluation.scaling import BUCKET, Network, Plan, image_seconds, step_seconds


def ring(processes: int, size: float, bandwidth: float, latency: float) -> float:
    """Seconds until everybody has the sum, chunk by chunk: each round all pass one chunk on to their neighbour."""
    have = [[{p} for _ in range(processes)] for p in range(processes)]  # whose numbers are in chunk c of process p
    seconds, rounds = 0.0, 0
    while not all(len(chunk) == processes for chunks in have for chunk in chunks):
        moves = [(p, (p - rounds) % processes) for p in range(processes)]
        passed = [set(have[p][c]) for p, c in moves]
        for (p, c), numbers in zip(moves, passed):
            have[(p + 1) % processes][c] |= numbers
        seconds += size / processes / bandwidth + latency
        rounds += 1
    return seconds


@pytest.mark.parametrize('processes', [1, 2, 3, 8])
@pytest.mark.parametrize('buckets', [1, 3])
def test_ring(processes: int, buckets: int) -> None:
    played = buckets * ring(processes, BUCKET, 1e9, 1e-5)
    assert Network(buckets * BUCKET, 1e9, 1e-5).all_reduce(processes) == pytest.approx(played)


times = st.floats(1e-6, 1e3)


@given(computation=times, communication=times)
def test_step(computation: float, communication: float) -> None:
    seconds = step_seconds(computation, communication)
    assert max(computation, communication) <= seconds * (1 + 1e-9)
    assert seconds <= (computation + communication) * (1 + 1e-9)
    hidden = communication <= 2 / 3 * computation
    assert (seconds == pytest.approx(computation)) == (hidden or communication == pytest.approx(2 / 3 * computation))


def test_one_process_takes_the_images_one_by_one() -> None:
    network = Network(1e8, 1e9, 1e-5)
    assert image_seconds(1e9, 6e12) == pytest.approx(1e-3)
    for plan in (Plan(64_000, 0.01, network, total_batch=64), Plan(64_000, 0.01, network, batch=16)):
        step = plan.step(1)
        assert step is not None and plan.hours(step) * 3600 == pytest.approx(640)


def test_a_fixed_total_batch_is_shared_and_ends() -> None:
    plan = Plan(64_000, 0.01, Network(1e6, 1e9, 0.0), total_batch=64)
    step = plan.step(48)
    assert step is not None and step.batch == 2 and step.computation == pytest.approx(0.02)
    assert plan.step(65) is None


@given(st.floats(1e-6, 1e-1), st.floats(1e5, 1e10), st.sampled_from([16, 1024, None]))
def test_overtaken_is_the_first(seconds: float, gradients: float, total: int | None) -> None:
    plan = Plan(10**6, seconds, Network(gradients, 1e10, 1e-5), total_batch=total, batch=4)
    first = plan.overtaken(64)
    slower = [n for n in range(1, 65) if (s := plan.step(n)) is not None and s.communication > s.computation]
    assert first == (slower[0] if slower else None)
    assert first != 1
