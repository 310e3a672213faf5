"""Calibration: what is learned, where the thresholds come to lie, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callaudit.errors import ConfigError
from callaudit.speech.calibrate import (
    Measured,
    accepted,
    accepting_from,
    calibrate,
    logistic_regression,
    marks,
    precision_recall,
)
from callaudit.speech.confirm import Fit
from callaudit.speech.curve_svg import calibration_svg
from callaudit.speech.labelled import read_labelled_set
from callaudit.speech.weights import Calibration, Terms, load_weights, read_calibration


def candidates(seed: int, count: int = 400, banned: bool = False) -> list[Measured]:
    """Candidates whose fit tells, with some doubt, whether they were said."""
    dice = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        said = bool(dice.random() < 0.4)
        fit = Fit(
            similarity=float(np.clip(dice.normal(0.82 if said else 0.7, 0.06), 0, 1)),
            advantage=float(dice.normal(-0.5 if said else -4.5, 0.9)),
        )
        made.append(Measured("p", "说法", "听到", "原话", fit, said, banned))
    return made


class TestLogisticRegression:
    def test_finds_the_model_that_made_the_data(self) -> None:
        dice = np.random.default_rng(1)
        features = dice.normal(size=(20_000, 2)) * [1.0, 10.0] + [0.0, 5.0]
        logits = 0.5 + features @ [2.0, -0.1]
        said = dice.random(20_000) < 1 / (1 + np.exp(-logits))
        bias, coefficients = logistic_regression(features, said, ridge=0.01)
        assert bias == pytest.approx(0.5, abs=0.1)
        assert coefficients == pytest.approx([2.0, -0.1], abs=0.1)

    def test_stays_finite_on_separable_data(self) -> None:
        features = np.array([[-2.0], [-1.0], [1.0], [2.0]])
        bias, coefficients = logistic_regression(features, features[:, 0] > 0)
        assert math.isfinite(bias)
        assert 0 < coefficients[0] < 10

    def test_a_feature_that_never_changes_has_no_weight(self) -> None:
        dice = np.random.default_rng(2)
        features = np.column_stack([dice.normal(size=100), np.full(100, 3.0)])
        _, coefficients = logistic_regression(features, features[:, 0] > 0)
        assert coefficients[1] == pytest.approx(0, abs=1e-6)


class TestAcceptingFrom:
    @pytest.mark.parametrize(
        ("values", "said", "precision", "accepts"),
        [
            ([3.0, 2.0, 1.0, 0.0], [1, 1, 0, 0], 0.99, 2),
            ([3.0, 2.0, 1.0, 0.0], [1, 0, 1, 1], 0.7, 4),
            ([3.0, 2.0, 2.0, 0.0], [1, 1, 0, 0], 0.99, 1),  # equal values stand or fall together
            ([3.0, 2.0], [0, 1], 0.99, 0),
            ([3.0, 2.0], [1, 1], 0.99, 2),
        ],
    )
    def test_takes_as_many_as_precision_allows(
        self, values: list[float], said: list[int], precision: float, accepts: int
    ) -> None:
        found = np.array(values)
        threshold = accepting_from(found, np.array(said, dtype=bool), precision)
        assert int((found >= threshold).sum()) == accepts

    @given(
        st.lists(st.tuples(st.floats(-5, 5), st.booleans()), max_size=40),
        st.floats(0.5, 1.0),
    )
    def test_what_it_accepts_is_precise(
        self, pairs: list[tuple[float, bool]], precision: float
    ) -> None:
        values = np.array([value for value, _ in pairs])
        said = np.array([true for _, true in pairs], dtype=bool)
        chosen = said[values >= accepting_from(values, said, precision)]
        assert len(chosen) == 0 or chosen.mean() >= precision


class TestCurve:
    def test_one_point_per_distinct_value(self) -> None:
        curve = precision_recall([0.9, 0.5, 0.5, 0.1], [True, True, False, False])
        assert curve.thresholds.tolist() == [0.9, 0.5, 0.1]
        assert curve.precision == pytest.approx([1, 2 / 3, 1 / 2])
        assert curve.recall.tolist() == [0.5, 1, 1]

    def test_of_nothing_is_empty(self) -> None:
        assert precision_recall([], []).thresholds.size == 0


class TestCalibrate:
    def test_the_marks_of_phrasebooks_are_precise(self) -> None:
        found = calibrate(candidates(3) + candidates(4, banned=True), "m")
        for banned, mark in zip((False, True), marks(), strict=True):
            precision, recall = accepted(found, banned, mark)
            assert precision >= 0.99
            assert recall > 0.8

    def test_a_better_fit_never_scores_less(self) -> None:
        weights = calibrate(candidates(5) + candidates(6, banned=True), "m").weights
        worse = weights.score(Fit(0.7, -4.0))
        assert worse < weights.score(Fit(0.8, -4.0))
        assert worse < weights.score(Fit(0.7, -3.0))

    def test_banned_phrases_need_more_even_if_they_seem_easier(self) -> None:
        easy = [one for one in candidates(8, banned=True) if one.said == (one.fit.advantage > -2.5)]
        found = calibrate(candidates(7) + easy, "m")
        required, banned = marks()
        assert banned > required
        assert accepted(found, True, banned)[0] == 1.0

    def test_too_few_labels_are_refused(self) -> None:
        with pytest.raises(ConfigError, match="标注太少"):
            calibrate([one for one in candidates(9) if not one.said], "m")

    def test_the_picture_is_svg_with_both_thresholds(self) -> None:
        from xml.etree import ElementTree

        found = calibrate(candidates(10) + candidates(11, banned=True), "m")
        picture = calibration_svg(found, "标定 <m>", marks())
        root = ElementTree.fromstring(picture)
        texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        assert "标定 <m>" in texts
        assert {
            f"{name} {mark:g}" for name, mark in zip(("应说", "禁语"), marks(), strict=True)
        } <= (set(texts))


class TestFiles:
    CALIBRATION = Calibration(
        model="m",
        model_sha256="a" * 64,
        compute_type="int8",
        set_sha256="b" * 64,
        candidates=100,
        said=40,
        terms=Terms(bias=1.0, similarity=2.0, advantage=3.0),
    )

    def test_a_users_calibration_is_found_by_its_model(self, tmp_path: Path) -> None:
        from callaudit.speech.weights import calibration_file

        path = calibration_file("a" * 64, tmp_path)
        path.parent.mkdir()
        path.write_text(self.CALIBRATION.json_text(), encoding="utf-8")
        assert load_weights("a" * 64, tmp_path) == self.CALIBRATION.weights

    def test_a_model_that_was_never_calibrated_has_none(self, tmp_path: Path) -> None:
        assert load_weights("c" * 64, tmp_path) is None

    @pytest.mark.parametrize(
        "content",
        ["", "{}", json.dumps({**CALIBRATION.model_dump(), "model_sha256": "zz"})],
    )
    def test_a_damaged_file_is_named(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "x.json"
        path.write_text(content, encoding="utf-8")
        with pytest.raises(ConfigError, match=r"x\.json"):
            read_calibration(path)

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            ("", "不是 JSON"),
            ('{"labelled": ["a"], "recordings": []}', "recordings"),
            (
                '{"labelled": ["a"], "recordings": [{"file": "a.ogg", "utterances": '
                '[{"start_ms": 5, "end_ms": 5, "text": "好"}]}]}',
                "结束时间",
            ),
            (
                '{"labelled": ["a"], "recordings": [{"file": "a.ogg", "utterances": '
                '[{"start_ms": 5, "end_ms": 9, "text": "好", "said": ["b"]}]}]}',
                "labelled 里没有它",
            ),
        ],
    )
    def test_a_wrong_list_of_labels_is_explained(
        self, tmp_path: Path, content: str, sentence: str
    ) -> None:
        path = tmp_path / "set.json"
        path.write_text(content, encoding="utf-8")
        with pytest.raises(ConfigError, match=sentence):
            read_labelled_set(path)

    def test_a_missing_list_is_explained(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="读不了标注文件"):
            read_labelled_set(tmp_path / "none.json")
