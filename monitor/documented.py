"""The sentences that stand beneath the fields of a class (attribute docstrings, PEP 257), for schemas and pages."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from textwrap import dedent
from typing import Any


def with_sentences(document: dict[str, Any], kinds: Mapping[str, Any], **others: str) -> dict[str, Any]:
    """A JSON Schema of classes with each field's sentence as its description; `others` where a class has none for a field."""
    for definition in (document, *document["$defs"].values()):
        fields = definition.get("properties", {})
        sentences = others | documented(kinds[definition["title"]]) if fields else {}
        for field in fields.keys() & sentences.keys():
            fields[field] = {**fields[field], "description": sentences[field]}
    return document


@cache
def documented(kind: type) -> dict[str, str]:
    """Each field's sentence, of the class and of those it comes of; nothing of a class whose source is not there."""
    return {field: sentence for each in reversed(kind.__mro__) for field, sentence in _beneath(each)}


def _beneath(kind: type) -> Iterator[tuple[str, str]]:
    try:
        (tree,) = ast.parse(dedent(inspect.getsource(kind))).body
    except (OSError, TypeError):  # of a built-in, or one that was compiled
        return
    assert isinstance(tree, ast.ClassDef)
    for field, below in pairwise(tree.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(sentence))):
                yield name, " ".join(sentence.split())
