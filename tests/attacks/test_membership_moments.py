"""Moments over blocks of columns equal moments of the whole table, and a large table is never copied."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from seepage.attacks.membership.attack_r import AttackR
from seepage.attacks.membership.base import BASE
from seepage.attacks.membership.bavaria import BaVarIA
from seepage.attacks.membership.calibration import Calibration
from seepage.attacks.membership.lira import LiRA
from seepage.attacks.membership.moments import BLOCK_CELLS, both_means, both_moments, check_readings, column_blocks
from seepage.attacks.membership.rmia import RMIA


@pytest.fixture(scope="module")
def wide():
    rng = np.random.default_rng(0)
    n = 3 * BLOCK_CELLS // 64 + 17
    signals = rng.normal(size=(64, n)).astype(np.float32)
    signals[5, ::100] = np.nan
    return signals, (rng.random((64, n)) < 0.5).astype(np.uint8), rng.normal(size=n)


def test_blocks_cover_the_table_once(wide):
    blocks = list(column_blocks(check_readings(*wide)))
    assert len(blocks) == 4
    assert [column for block in blocks for column in range(len(wide[2]))[block.columns]] == list(range(len(wide[2])))
    assert sum(float(block.inside.sum() + block.outside.sum()) for block in blocks) == np.isfinite(wide[0]).sum()


def test_moments_over_blocks_equal_those_of_the_whole_table(wide):
    signals, mask, _ = wide
    for moments, side in zip(both_moments(check_readings(*wide)), (mask == 1, mask == 0), strict=True):
        kept = np.where(side, signals.astype(np.float64), np.nan)
        np.testing.assert_allclose(moments.mean, np.nanmean(kept, axis=0), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(moments.variance, np.nanvar(kept, axis=0, ddof=1), rtol=1e-9)
        freedom = np.isfinite(kept).sum(axis=0) - 1
        assert moments.pooled == pytest.approx((np.nanvar(kept, axis=0, ddof=1) * freedom).sum() / freedom.sum())


def test_means_of_changed_readings_equal_those_of_the_whole_table(wide):
    signals, mask, _ = wide
    inside, outside = both_means(check_readings(*wide), np.square)
    for means, side in ((inside, mask == 1), (outside, mask == 0)):
        kept = np.where(side, signals.astype(np.float64) ** 2, np.nan)
        np.testing.assert_allclose(means.mean, np.nanmean(kept, axis=0), rtol=1e-10)
        assert means.everything == pytest.approx(np.nanmean(kept))


@pytest.fixture(scope="module")
def large():
    rng = np.random.default_rng(1)
    signals = rng.standard_normal(size=(512, 16_000), dtype=np.float32)
    return signals, (rng.random((512, 1)) < np.linspace(0.3, 0.7, 16_000)).astype(np.uint8), rng.normal(size=16_000)


@pytest.mark.parametrize("attack", [LiRA(), RMIA(), BaVarIA(), BASE(), AttackR(), Calibration()])
def test_scoring_never_copies_the_table_to_float64(large, attack):
    signals, mask, target = large
    attack.score(signals[:, :100], mask[:, :100], target[:100])
    tracemalloc.start()
    attack.score(signals, mask, target)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.75 * 8 * signals.size
