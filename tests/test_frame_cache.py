"""The cache of frames: the function's results, each different frame computed once."""

import numpy as np
import pytest
import torch

from models.frame_cache import FrameCache, InBatches
from models.tokenizer import Encoder, TokenizerConfig


def frames(*names):
    rng = {name: np.random.default_rng(name) for name in set(names)}
    made = {name: r.integers(0, 256, (144, 160, 3)).astype(np.uint8) for name, r in rng.items()}
    return np.stack([made[name] for name in names])


@pytest.fixture
def counted():
    seen = []

    def means(batch):
        seen.append(len(batch))
        return batch.float().mean(dim=(1, 2))

    return means, seen


def test_results_are_the_functions_whatever_came_before(counted):
    means, seen = counted
    cache = FrameCache(InBatches(means), (3,))
    for names in ((1, 2, 3, 2), (3, 4), (4, 4, 4), (5, 1, 6)):
        expected = torch.from_numpy(frames(*names)).float().mean(dim=(1, 2))
        torch.testing.assert_close(cache(torch.from_numpy(frames(*names))), expected)
    assert seen == [2, 2, 2, 2]  # six frames, in batches of two


def test_it_is_bounded_and_begins_again(counted):
    means, _ = counted
    cache = FrameCache(InBatches(means), (3,), capacity=4)
    for names in ((1, 2, 3), (3, 4), (1, 5, 6), (6, 1, 2, 3), (7, 8, 9, 6)):
        expected = torch.from_numpy(frames(*names)).float().mean(dim=(1, 2))
        torch.testing.assert_close(cache(torch.from_numpy(frames(*names))), expected)
        assert len(cache.slots) <= 4
    with pytest.raises(ValueError, match="up to 4 different frames at once, got 5"):
        cache(torch.from_numpy(frames(1, 2, 3, 4, 5)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="NOT TESTED: this needs a GPU")
def test_a_graph_gives_what_its_function_does():
    torch.manual_seed(0)
    encoder = Encoder(TokenizerConfig(width=128, depth=1, grey=True, half_size=True)).cuda()
    encode, many = InBatches(encoder), torch.from_numpy(frames(*range(300))).cuda()
    for some in (many, many[:3], many[7:9]):
        torch.testing.assert_close(encode(some), encoder(some), atol=1e-3, rtol=1e-3)
    assert encode(many)[5].equal(encode(many[5:6])[0])


def test_batches_are_of_two_sizes_and_the_encoder_gives_the_same_in_both(counted):
    means, seen = counted
    many = torch.from_numpy(frames(*range(13)))
    for count in (4, 5, 9, 13):
        assert len(InBatches(means)(many[:count])) == count
    assert seen == [2, 2] + [8] + [8, 2] + [8, 8]
    torch.manual_seed(0)
    config = TokenizerConfig(width=128, depth=1, grey=True, half_size=True)
    encoder = Encoder(config)
    together = InBatches(encoder)(many)
    for i, frame in enumerate(many):
        assert torch.equal(InBatches(encoder)(frame[None])[0], together[i])
