"""Fixtures of the load generator's tests."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from llmdvfs.load.own_error.mock_server import MockServer

WORDS = " ".join(f"word{number} is followed by another plain sentence about number {number}." for number in range(60))


@pytest.fixture(scope="session")
def tiny_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a byte-level BPE tokenizer whose first ids are control tokens; single letters are tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<pad>", "<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([WORDS + " a b c d e f g h"], trainer)
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def mock() -> Iterator[Callable[..., MockServer]]:
    """Start mock servers in threads of this process and stop them afterwards."""
    started: list[tuple[MockServer, threading.Thread]] = []

    def start(ttft_s: float = 0.005, gap_s: float = 0.002) -> MockServer:
        server = MockServer(ttft_s=ttft_s, gap_s=gap_s)
        thread = threading.Thread(target=server.serve)
        thread.start()
        started.append((server, thread))
        return server

    yield start
    for server, thread in started:
        server.stop = True
        thread.join()
