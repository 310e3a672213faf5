"""Calibrations of the acoustic confirmation: one small JSON file per recognition model.

Acoustic scores mean something only for the model they were fitted for, so a calibration is found by
the SHA-256 of the model. That of the starter model ships with the package; ``callaudit phrases
calibrate`` makes others and keeps them in the user's cache.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from callaudit.errors import ConfigError
from callaudit.speech.confirm import Weights

SHIPPED = Path(__file__).parent / "calibrations"
_FOLDER = "calibrations"


class Terms(BaseModel):
    """Weights of the score's terms, on the scale on which the thresholds of phrasebooks are."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    bias: float
    similarity: float
    advantage: float


class Calibration(BaseModel):
    """What a calibration file holds.

    Attributes:
        model: Name of the model it was made for.
        model_sha256: Of its ``model.bin``.
        compute_type: Precision that the model ran with.
        set_sha256: Of the labelled set.
        candidates: How many labelled candidates it was fitted on.
        said: How many of them were truly said.
        terms: See `callaudit.speech.confirm.Weights`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(min_length=1)
    model_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    compute_type: str
    set_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    candidates: int = Field(ge=1)
    said: int = Field(ge=1)
    terms: Terms

    @property
    def weights(self) -> Weights:
        """Ready to score with."""
        terms = self.terms
        return Weights(self.model, terms.bias, terms.similarity, terms.advantage)

    def json_text(self) -> str:
        """As it is written."""
        return json.dumps(self.model_dump(), ensure_ascii=False, indent=2) + "\n"


def calibration_file(model_sha256: str, cache: Path) -> Path:
    """Where a user's own calibration for a model is kept."""
    return cache / _FOLDER / f"{model_sha256[:16]}.json"


def read_calibration(path: Path) -> Calibration:
    """Reads a calibration file.

    Raises:
        ConfigError: It is missing, or none.
    """
    try:
        return Calibration.model_validate_json(path.read_bytes())
    except OSError as cause:
        raise ConfigError(f"读不了标定文件 {path}：{cause.strerror or cause}") from None
    except ValidationError as cause:
        first = cause.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"标定文件 {path} 的 {where or '内容'} 有误（{first['msg']}），"
            "请用 callaudit phrases calibrate 重新生成"
        ) from None


def load_weights(model_sha256: str, cache: Path | None = None) -> Weights | None:
    """The weights for a model: the user's own calibration first, then the shipped ones.

    Args:
        model_sha256: Of the model's ``model.bin``.
        cache: The user's cache folder.

    Returns:
        ``None`` when the model was never calibrated: phrases are then not confirmed by sound.

    Raises:
        ConfigError: A calibration file is damaged.
    """
    own = None if cache is None else calibration_file(model_sha256, cache)
    paths = [own] if own is not None and own.is_file() else []
    for path in [*paths, *sorted(SHIPPED.glob("*.json"))]:
        calibration = read_calibration(path)
        if calibration.model_sha256 == model_sha256:
            return calibration.weights
    return None
