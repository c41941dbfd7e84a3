"""Learns of tags that people gave which ones a note suggests (scikit-learn, the extra fsapp[tags]); keeps the model.

All of it stays on this machine. A fifth of the interactions is not learnt from, but asked about: the precision that
comes of it is of the model as it is kept. What is suggested, people confirm.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from fsapp.core.tag_model import LEAST, MAX_BYTES, Learnt, TagModel, features, from_json, to_json
from fsapp.errors import TaggingError
from fsapp.log import get_logger

__all__ = ["EXTRA", "Example", "Measured", "ModelFile", "installed", "load", "save", "train"]

EXTRA = "fsapp[tags]"
MIN_EXAMPLES = 100      # interactions with a note and a tag that a person gave
MIN_WITH_TAG = 20       # of these, with a tag: those with fewer are not learnt
MIN_PRECISION = 0.6     # a tag whose suggestions were wrong more often is not suggested
MIN_SEEN = 4            # interactions that a word must be in to count
_HELD_OUT = 5           # one in so many
_NEGLIGIBLE = 0.005
_log = get_logger("tagging")


class Example(NamedTuple):
    """An interaction with a note, and the tags that people gave or confirmed; `unsure`: those a rule gave."""

    id: str
    texts: Sequence[str]
    disposition: str | None
    tags: frozenset[str]
    unsure: frozenset[str] = frozenset()


class Measured(NamedTuple):
    """Of a tag, on the interactions that were not learnt from. `kept`: whether it is suggested.

    `suggested`: how often it would have been, `right`: of these; `there`: how many had it.
    """

    tag: str
    examples: int
    suggested: int
    right: int
    there: int
    kept: bool

    @property
    def precision(self) -> float:
        return self.right / self.suggested if self.suggested else 0.0

    @property
    def recall(self) -> float:
        return self.right / self.there if self.there else 0.0


def installed() -> bool:
    """Whether the extra is there: without it nothing is learnt, and nothing learnt is used."""
    return importlib.util.find_spec("sklearn") is not None


def train(examples: Sequence[Example], now: float) -> tuple[TagModel, list[Measured]]:
    """A model, and each tag's measure. TaggingError where the extra or examples are missing."""
    if not installed():
        raise TaggingError(f"learning tags needs scikit-learn: run `.venv/bin/pip install '{EXTRA}'`")
    try:
        from sklearn.feature_extraction import DictVectorizer
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise TaggingError(
            f"scikit-learn is there in part only ({error}): run `.venv/bin/pip install '{EXTRA}'`") from None
    counts = Counter(tag for example in examples for tag in example.tags)
    wanted = sorted(tag for tag, count in counts.items() if count >= MIN_WITH_TAG)
    if len(examples) < MIN_EXAMPLES or not wanted:
        raise TaggingError(
            f"there is too little to learn from: {len(examples)} interactions with a note and a tag by hand, "
            f"{len(wanted)} tags on at least {MIN_WITH_TAG} of them: it takes {MIN_EXAMPLES}, and one tag")
    seen = _common([features(example.texts, example.disposition) for example in examples])
    vectors = DictVectorizer()
    rows = vectors.fit_transform([dict.fromkeys(one, 1.0) for one in seen])
    names = vectors.get_feature_names_out().tolist()
    held = [_held_out(example.id) for example in examples]
    tags, measures = {}, []
    for tag in wanted:
        learnt, measured = _one(tag, examples, rows, names, held, LogisticRegression(C=2.0, max_iter=300))
        measures.append(measured)
        if learnt is not None and measured.kept:
            tags[tag] = learnt
    return TagModel(now, len(examples), tags), measures


def _one(
    tag: str, examples: Sequence[Example], rows: Any, names: Sequence[str], held: Sequence[bool], line: Any,
) -> tuple[Learnt | None, Measured]:
    has = [tag in example.tags for example in examples]
    sure = [place for place, example in enumerate(examples) if has[place] or tag not in example.unsure]
    learn = [place for place in sure if not held[place]]
    ask = [place for place in sure if held[place]]
    examples_with = sum(has)
    there = sum(has[place] for place in ask)
    nothing = Measured(tag, examples_with, 0, 0, there, False)
    if len({has[place] for place in learn}) < 2 or not ask:
        return None, nothing
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged to the last digit
        fitted = line.fit(rows[learn], [has[place] for place in learn])
    likely = fitted.predict_proba(rows[ask])[:, 1]
    hits = [place for place, probability in zip(ask, likely, strict=True) if probability >= LEAST]
    right = sum(has[place] for place in hits)
    kept = bool(hits) and right / len(hits) >= MIN_PRECISION
    weights = {
        name: round(float(value), 4)
        for name, value in zip(names, fitted.coef_[0], strict=True)
        if abs(value) >= _NEGLIGIBLE}
    measured = Measured(tag, examples_with, len(hits), right, there, kept)
    return Learnt(round(float(fitted.intercept_[0]), 4), weights, examples_with, measured.precision), measured


def _common(seen: Sequence[list[str]]) -> list[list[str]]:
    """The same without what is in few interactions: it teaches nothing, and names and numbers are among it."""
    often = Counter(one for some in seen for one in some)
    return [[one for one in some if often[one] >= MIN_SEEN] for some in seen]


def _held_out(id_: str) -> bool:
    """The same ones each time, by the interaction's id."""
    return sha256(id_.encode()).digest()[0] % _HELD_OUT == 0


def save(model: TagModel, path: str | Path) -> None:
    """Write the model, whole or not at all. TaggingError."""
    file = Path(path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=f".{file.name}.", delete=False,
                                         encoding="utf-8") as out:
            try:
                out.write(to_json(model))
                out.flush()
                os.fsync(out.fileno())
                os.chmod(out.name, 0o640)
                os.replace(out.name, file)
            except BaseException:
                with suppress(OSError):
                    os.unlink(out.name)
                raise
    except OSError as error:
        raise TaggingError(f"the model cannot be written to {file} ({error.strerror}): set FSAPP_TAG_MODEL") from None


def load(path: str | Path) -> TagModel | None:
    """The model; None where none has been learnt. TaggingError where the file is something else."""
    file = Path(path)
    try:
        with file.open("rb") as stream:
            data: Any = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TaggingError(f"the model {file} cannot be read ({error.strerror}): set FSAPP_TAG_MODEL") from None
    try:
        if len(data) > MAX_BYTES:
            raise ValueError("too large")
        return from_json(data.decode())
    except ValueError as error:
        raise TaggingError(f"{file} is no model of tags ({error}): run `fsapp tags train`") from None


class ModelFile:
    """The model at `path` as it is now; None where none was learnt, the extra is not there, or it is something else.

    It is read anew when the file has changed.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._seen: tuple[int, int] | None = None
        self._model: TagModel | None = None

    def __call__(self) -> TagModel | None:
        if not installed():
            return None
        try:
            stat = self._path.stat()
        except OSError:
            self._seen, self._model = None, None
            return None
        if self._seen != (stat.st_mtime_ns, stat.st_size):
            try:
                self._model = load(self._path)
            except TaggingError as error:
                _log.warning("tag_model_unreadable", error=str(error))
                self._model = None
            self._seen = (stat.st_mtime_ns, stat.st_size)
        return self._model
