from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from monitor.config import Models
from monitor.language import LAYERS, VECTOR, OpenVinoTexts, TextEncoder, text_encoder
from monitor.models import locate
from monitor.mpnet import TorchTexts

SENTENCES = [
    "Help!",
    "Please call the police, somebody is hurt.",
    "Hilfe, es brennt im Treppenhaus!",
    "Au secours, appelez les pompiers s'il vous plaît.",
    "¡Ayúdenme, por favor!",
    "Помогите, пожар!",
    "助けてください、火事です",
    "النجدة، اتصلوا بالشرطة",
    "Pomóżcie, pożar! 🔥",
    "one, two; three... four?! (five) [MASK] [SEP]",
    "",
    " ",
    "x" * 5_000,
    "help " * 3_000,
    *("there is water on the floor " * count for count in range(1, 30, 7)),
]
"""Several languages; from no token to more than are read."""


@pytest.fixture(scope="module", params=["openvino", "torch"])
def encoder(request: pytest.FixtureRequest) -> TextEncoder:
    located = locate("mpnet-base")
    return OpenVinoTexts(located, threads=1) if request.param == "openvino" else TorchTexts(located, "cpu")


@pytest.fixture(scope="module")
def reference() -> Callable[[Sequence[str]], np.ndarray]:
    """The model as its makers run it, one text at a time: the layers' and the last one's means [n, LAYERS + 1, VECTOR]."""
    folder = locate("mpnet-base").folder
    tokenizer, network = (auto.from_pretrained(folder, local_files_only=True) for auto in (AutoTokenizer, AutoModel))

    @torch.inference_mode()
    def vector(text: str) -> np.ndarray:
        tokens = tokenizer([text], truncation=True, max_length=128, return_tensors="pt")
        states = network.eval()(**tokens, output_hidden_states=True).hidden_states
        return torch.nn.functional.normalize(torch.stack([states[layer].mean(1)[0] for layer in (*LAYERS, 12)])).numpy()

    return lambda texts: np.stack([vector(text) for text in texts])


def test_texts_become_vectors_of_length_one(encoder: TextEncoder):
    vectors = encoder(["Help me!", "Good morning.", ""])
    assert vectors.shape == (3, VECTOR)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert encoder.name == "mpnet-base@78c0197b"


def test_vectors_are_those_that_the_fusion_network_was_trained_on(encoder: TextEncoder, reference: Callable[[Sequence[str]], np.ndarray]):
    expected = reference(SENTENCES)
    for order in (1, -1):
        vectors, layers = (made[::order] for made in encoder.features(SENTENCES[::order]))
        np.testing.assert_array_equal(vectors, encoder(SENTENCES[::order])[::order])
        made = np.concatenate([layers, vectors[:, None]], axis=1)
        alike = (made * expected).sum(2)
        if isinstance(encoder, OpenVinoTexts):  # its matrices are int8; one word over and over is what they cost most
            assert np.median(alike) > 0.996
            assert alike.min() > 0.97
        else:
            assert alike.min() > 0.9999
            np.testing.assert_allclose(made, expected, atol=1e-3)


def test_the_configuration_chooses_openvino_on_the_cpu():
    encoder = text_encoder(Models())
    assert isinstance(encoder, OpenVinoTexts)
    assert encoder(["Help!"]).shape == (1, VECTOR)


def test_the_network_is_converted_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    located = locate("mpnet-base")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    OpenVinoTexts(located, threads=1)
    [kept] = (tmp_path / "scenewatch" / "openvino").iterdir()
    written = (kept / "model.bin").stat().st_mtime_ns
    OpenVinoTexts(located, threads=1)
    assert (kept / "model.bin").stat().st_mtime_ns == written


def test_vectors_stay_what_they_were_when_the_next_text_comes(encoder: TextEncoder):
    first = encoder(["Help!"])
    before = first.copy()
    encoder(["Good morning."])
    np.testing.assert_array_equal(first, before)


def test_no_text_is_no_vector(encoder: TextEncoder):
    assert encoder([]).shape == (0, VECTOR)
    assert encoder.features([]).layers.shape == (0, len(LAYERS), VECTOR)


def test_what_means_the_same_is_near(encoder: TextEncoder):
    asked, meant, other = encoder(["Please call the police.", "Somebody phone the cops!", "The soup needs more salt."])
    assert asked @ meant > asked @ other + 0.2


def test_a_text_has_the_same_vector_alone_and_in_a_batch(encoder: TextEncoder):
    texts = [f"Sentence number {number}" + " and so on" * number for number in range(0, 36, 3)]
    together, alone = encoder(texts)[11], encoder(texts[11:])[0]
    np.testing.assert_allclose(together, alone, atol=1e-4 if isinstance(encoder, TorchTexts) else 0)


def test_an_endless_text_is_cut(encoder: TextEncoder):
    long = "help " * 3_000
    np.testing.assert_allclose(encoder([long])[0], encoder([long * 20])[0], atol=1e-5)


def test_any_characters_will_do(encoder: TextEncoder):
    assert np.isfinite(encoder(["\x00\ud7ff", "助けて", "🔥" * 500, " \n"])).all()
