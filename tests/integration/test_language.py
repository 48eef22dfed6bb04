import numpy as np
import pytest

from monitor.config import Models
from monitor.language import TextEncoder, text_encoder


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return text_encoder(Models())


def test_texts_become_vectors_of_length_one(encoder: TextEncoder):
    vectors = encoder(["Help me!", "Good morning.", ""])
    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert encoder.name == "minilm-l6@53aa5117"


def test_no_text_is_no_vector(encoder: TextEncoder):
    assert encoder([]).shape == (0, 384)


def test_what_means_the_same_is_near(encoder: TextEncoder):
    asked, meant, other = encoder(["Please call the police.", "Somebody phone the cops!", "The soup needs more salt."])
    assert asked @ meant > asked @ other + 0.2


def test_a_text_has_the_same_vector_alone_and_in_a_batch(encoder: TextEncoder):
    texts = [f"Sentence number {number}" + " and so on" * number for number in range(34)]
    np.testing.assert_allclose(encoder(texts)[33], encoder(texts[33:])[0], atol=1e-4)


def test_an_endless_text_is_cut(encoder: TextEncoder):
    long = "help " * 3_000
    np.testing.assert_allclose(encoder([long])[0], encoder([long * 20])[0], atol=1e-5)


def test_any_characters_will_do(encoder: TextEncoder):
    assert np.isfinite(encoder(["\x00\ud7ff", "助けて", "🔥" * 500, " \n"])).all()
