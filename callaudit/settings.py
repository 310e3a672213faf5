"""Settings: the only place that reads the environment and ``callaudit.toml``.

Precedence: command-line flag > ``CALLAUDIT_*`` variable > ``callaudit.toml`` in the working
directory > default. `Settings.origins` says where each value came from (``callaudit doctor``).
"""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from callaudit.errors import ConfigError

CONFIG_NAME = "callaudit.toml"
PREFIX = "CALLAUDIT_"

Origin = Literal["flag", "environment", "file", "default"]


def _user_folder(kind: Literal["cache", "data"]) -> Path:
    """The user's cache or data directory by the platform's habit (XDG, macOS, Windows)."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "callaudit"
    if sys.platform == "darwin":
        folder = "Caches" if kind == "cache" else "Application Support"
        return Path.home() / "Library" / folder / "callaudit"
    variable, fallback = {
        "cache": ("XDG_CACHE_HOME", ".cache"),
        "data": ("XDG_DATA_HOME", ".local/share"),
    }[kind]
    return Path(os.environ.get(variable) or Path.home() / fallback) / "callaudit"


class Settings(BaseModel):
    """What a user may set, with defaults.

    Attributes:
        store: SQLAlchemy URL of the store.
        cache: Folder of joined models and compiled phrasebooks.
        model: ``None`` for the starter model, else a directory or a hub name.
        rulebook: ``None`` for the shipped one.
        threads: CPU threads of one recogniser; ``None`` for all cores of this process.
        device: Where recognition runs.
        compute_type: Precision of the model; ``auto`` is int8 on CPU, float16 on GPU.
        max_hours: Longest recording that is accepted.
        ray_cpus: CPU cores that one worker takes of a Ray cluster; ``None`` for its threads.
        ray_gpus: GPUs that one takes; a share such as 0.25 where several use one GPU together.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: str = Field(default_factory=lambda: f"sqlite:///{_user_folder('data') / 'store.sqlite'}")
    cache: Path = Field(default_factory=lambda: _user_folder("cache"))
    model: str | None = None
    rulebook: Path | None = None
    threads: int | None = Field(default=None, ge=1, le=256)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compute_type: Literal["auto", "int8", "int8_float32", "float16", "int8_float16", "float32"] = (
        "auto"
    )
    max_hours: float = Field(default=4.0, gt=0, le=24)
    ray_cpus: float | None = Field(default=None, gt=0, le=1024)
    ray_gpus: float = Field(default=0.0, ge=0, le=64)
    origins: dict[str, Origin] = Field(default_factory=dict, exclude=True)


def load_settings(folder: Path | None = None, **flags: Any) -> Settings:
    """Collects the settings of this process.

    Args:
        folder: Where ``callaudit.toml`` is looked for; default the working directory.
        flags: Values given on the command line; ``None`` means not given.

    Raises:
        ConfigError: A value that cannot be used; the sentence says where it was set.
    """
    path = (folder or Path.cwd()) / CONFIG_NAME
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = dict.fromkeys(Settings.model_fields, "default")
    del origins["origins"]
    layers: list[tuple[Origin, dict[str, Any]]] = [
        ("file", _read_file(path)),
        ("environment", _read_environment()),
        ("flag", {name: value for name, value in flags.items() if value is not None}),
    ]
    for origin, layer in layers:
        for name, value in layer.items():
            values[name] = value
            origins[name] = origin
    try:
        return Settings(**values, origins=origins)
    except ValidationError as cause:
        details = cause.errors()[0]
        name = str(details["loc"][0]) if details["loc"] else ""
        where = {
            "file": f"{path} 里的 {name}",
            "environment": f"环境变量 {PREFIX}{name.upper()}",
        }.get(origins.get(name, "flag"), f"参数 --{name.replace('_', '-')}")
        what = "不认识的设置" if details["type"] == "extra_forbidden" else details["msg"]
        raise ConfigError(f"{where} 不能用：{what}（值是 {details['input']!r}）") from None


def _read_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as cause:
        raise ConfigError(f"设置文件 {path} 读不了：{cause}") from None


def _read_environment() -> dict[str, Any]:
    names = set(Settings.model_fields) - {"origins"}
    return {
        name: value for name in sorted(names) if (value := os.environ.get(PREFIX + name.upper()))
    }
