"""What notes of earlier interactions have taught about tags, as values, and what it makes of a new one. Pure.

A line of logistic regression a tag, over the words of note and disposition; how it is learnt is in `fsapp.tagging`. It
is kept as JSON: numbers and words, nothing that runs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fsapp.core.tagging import clean_tag, suggested_by_words, words_of

__all__ = ["LEAST", "MAX_BYTES", "Learnt", "Suggestion", "TagModel", "features", "from_json", "likely", "suggestions",
           "to_json"]

VERSION = 1
LEAST = 0.5  # what is less likely is not suggested
MAX_BYTES = 50_000_000
_BEGINNING = 5
_MOST_WORDS = 2000
_MOST_SUGGESTED = 5


@dataclass(frozen=True, slots=True)
class Learnt:
    """Of one tag. `examples`: interactions that had it. `precision`: which part of its suggestions was right."""

    bias: float
    weights: Mapping[str, float]
    examples: int
    precision: float


@dataclass(frozen=True, slots=True)
class TagModel:
    """`made_at`: epoch seconds. `examples`: interactions learnt from."""

    made_at: float
    examples: int
    tags: Mapping[str, Learnt] = field(default_factory=dict)


class Suggestion(NamedTuple):
    """A tag for somebody to confirm. `by`: `words` (`word` is the one) or `learnt` (with `probability`)."""

    tag: str
    by: str
    word: str | None = None
    probability: float | None = None


def suggestions(
    texts: Sequence[str], disposition: str | None, has: Container[str], words: Mapping[str, Sequence[str]],
    model: TagModel | None,
) -> list[Suggestion]:
    """What note and disposition suggest, of tags that it does not have: by the rules' words first, then as learnt."""
    said = suggested_by_words([*texts, disposition or ""], words)
    found = [Suggestion(tag, "words", word) for tag, word in sorted(said.items())]
    if model is not None:
        found += [Suggestion(tag, "learnt", probability=probability)
                  for tag, probability in likely(model, features(texts, disposition)).items() if tag not in said]
    return [one for one in found if one.tag not in has]


def features(texts: Sequence[str], disposition: str | None) -> list[str]:
    """What is looked at of an interaction: words, how they begin (endings vary), the disposition."""
    words = [word for text in texts for word in words_of(text)][:_MOST_WORDS]
    found = [f"w:{word}" for word in words] + [f"b:{word[:_BEGINNING]}" for word in words if len(word) > _BEGINNING]
    said = " ".join(words_of(disposition or ""))
    return list(dict.fromkeys([*found, *([f"d:{said}"] if said else [])]))


def likely(model: TagModel, seen: Sequence[str]) -> dict[str, float]:
    """Tag -> how likely it is, the likeliest first: at most five of those that are more likely than not."""
    if not seen:
        return {}
    found = {}
    for tag, learnt in model.tags.items():
        score = learnt.bias + sum(learnt.weights.get(one, 0.0) for one in seen)
        probability = 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, score))))
        if probability >= LEAST:
            found[tag] = round(probability, 3)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))[:_MOST_SUGGESTED])


def to_json(model: TagModel) -> str:
    return json.dumps({
        "version": VERSION, "made_at": model.made_at, "examples": model.examples,
        "tags": {tag: {"bias": one.bias, "weights": dict(one.weights), "examples": one.examples,
                       "precision": one.precision} for tag, one in model.tags.items()},
    }, ensure_ascii=False, allow_nan=False)


def from_json(text: str) -> TagModel:
    """A model back. ValueError for anything else, whatever it is."""
    try:
        found = json.loads(text)
        if not isinstance(found, dict) or found.get("version") != VERSION:
            raise ValueError("not a model of this version")
        return TagModel(_number(found["made_at"]), int(_number(found["examples"])), {
            tag: _learnt(tag, one) for tag, one in found["tags"].items()})
    except (KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(f"not a model: {type(error).__name__}") from None


def _learnt(tag: str, one: Mapping[str, Any]) -> Learnt:
    if clean_tag(tag) != tag:
        raise ValueError(f"not a tag: {tag!r:.80}")
    weights = {str(word): _number(value) for word, value in one["weights"].items()}
    return Learnt(_number(one["bias"]), weights, int(_number(one["examples"])), _number(one["precision"]))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"not a number: {value!r:.80}")
    return float(value)
