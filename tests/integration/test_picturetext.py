"""A picture-text network through transformers: the real loading code, on tiny networks that are made and saved here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from moments import picture
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, CLIPConfig, CLIPModel, PreTrainedTokenizerFast, SiglipConfig, SiglipModel

from monitor import config
from monitor.bus import Record
from monitor.embedding import pictures
from monitor.errors import ModelError
from monitor.jpeg import decode_jpeg, encode_jpeg
from monitor.messages import Embedding, Frame, Mark, Ref, Topic, pack
from monitor.picturetext import JointPictures, PictureText
from monitor.vision import PictureFeatures
from monitor.zeroshot import space

WORDS = ["[PAD]", "[UNK]", "[EOS]", "a", "person", "lying", "on", "the", "floor", "smoke"]
TEXT = {"vocab_size": 16, "hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4}
PICTURE = {"image_size": 30, "patch_size": 6, "hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4}
TOKENS = {"max_position_embeddings": 8, "pad_token_id": 0, "bos_token_id": 3, "eos_token_id": 2}


def saved(folder: Path, kind: str) -> Path:
    torch.manual_seed(1)
    if kind == "siglip":
        network = SiglipModel(SiglipConfig(text_config={**TEXT, **TOKENS}, vision_config=PICTURE))
    else:
        network = CLIPModel(CLIPConfig(text_config={**TEXT, **TOKENS}, vision_config=PICTURE, projection_dim=24))
    network.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", eos_token="[EOS]").save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]}))
    return folder


class Plain:
    """A visual encoder that sees nothing."""

    name, at_once = "plain", 1

    def __call__(self, images: Sequence[np.ndarray]) -> PictureFeatures:
        return PictureFeatures(np.zeros((len(images), 4), np.float32), np.zeros((len(images), 7, 7, 112), np.float32))


@pytest.fixture(params=["siglip", "clip"])
def network(request: pytest.FixtureRequest, tmp_path: Path) -> PictureText:
    found = space(config.Models(picture_text=str(saved(tmp_path / request.param, request.param))))
    assert isinstance(found, PictureText)
    return found


def images(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 255, (count, 48, 64, 3)).astype(np.uint8))


def test_pictures_and_texts_come_into_one_space(network: PictureText) -> None:
    seen, said = network.images(images(18)), network.texts(["a person lying on the floor", "smoke"])
    assert seen.shape[1] == said.shape[1]
    assert np.linalg.norm(seen, axis=1) == pytest.approx(np.ones(18), abs=1e-5)
    assert np.linalg.norm(said, axis=1) == pytest.approx(np.ones(2), abs=1e-5)
    assert abs(float(said[0] @ said[1])) < 0.999
    assert network.images(images(18)[:1])[0] == pytest.approx(seen[0], abs=1e-5)
    assert network.images([]).shape == (0, seen.shape[1])


def test_a_text_is_the_same_alone_and_among_others(network: PictureText) -> None:
    together = network.texts(["smoke", "a person lying on the floor"])
    assert network.texts(["smoke"])[0] == pytest.approx(together[0], abs=1e-5)


def test_pictures_are_prepared_as_the_network_says(network: PictureText) -> None:
    plain = network._pixels([np.full((7, 9, 3), 255, np.uint8)])
    assert tuple(plain.shape) == (1, 3, 30, 30)
    assert plain[0, :, 3, 3].tolist() == pytest.approx([3.0, 0.5 / 0.3, 1.0], abs=1e-5)


def test_what_the_encode_stage_sent_is_read_again(network: PictureText) -> None:
    seen = network.images(images(1))
    items = [msgspec.structs.replace(picture(0), joint=pack(seen[0])), picture(1)]
    places = network.pictures(items)
    assert places[0] == pytest.approx(seen[0], abs=1e-3)
    assert not places[1].any()


def test_the_encode_stage_sends_each_pictures_place(network: PictureText) -> None:
    encoder = JointPictures(Plain(), network)
    frame = Frame(camera="a", at=0, until=1, captured=0, modalities=(), seq=0, jpeg=encode_jpeg(images(1)[0]), width=64, height=48)
    broken = msgspec.structs.replace(frame, jpeg=b"none")
    records = [Record(message=each, ref=Ref(topic=Topic.VIDEO, partition=0, offset=n)) for n, each in enumerate((broken, frame))]
    mark, item = pictures(encoder, records).items
    assert isinstance(mark, Mark)
    assert isinstance(item, Embedding)
    assert network.pictures([item])[0] == pytest.approx(network.images([decode_jpeg(frame.jpeg)])[0], abs=1e-3)


def test_another_network_is_a_mistake_that_says_so(tmp_path: Path) -> None:
    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="is a bert"):
        space(config.Models(picture_text=str(tmp_path)))


def test_a_folder_that_is_not_there_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Give a folder"):
        space(config.Models(picture_text=str(tmp_path / "nothing")))
