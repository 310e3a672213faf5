"""Where the shipped rulebooks lie: inside an installed package, or beside it in a source tree."""

from __future__ import annotations

from pathlib import Path

from callaudit.errors import RulebookError

DEFAULT_RULEBOOK = "heating_hotline"

_PACKAGE = Path(__file__).resolve().parent.parent


def shipped_rules() -> Path:
    """The folder of the shipped rulebooks; the phrasebooks lie beside it.

    Raises:
        RulebookError: The installation is damaged.
    """
    for folder in (_PACKAGE / "_data" / "rules", _PACKAGE.parent / "rules"):
        if folder.is_dir():
            return folder
    raise RulebookError("安装不完整：找不到随软件提供的规则书，请重新安装 callaudit")


def shipped_rulebook(name: str = DEFAULT_RULEBOOK) -> Path:
    """A shipped rulebook by its name, without ``.yaml``.

    Raises:
        RulebookError: There is none of that name.
    """
    folder = shipped_rules()
    path = folder / f"{name}.yaml"
    if "/" in name or "\\" in name or not path.is_file():
        names = sorted(file.stem for file in folder.glob("*.yaml") if file.stem != "clauses")
        raise RulebookError(f"没有随软件提供的规则书 {name}，可用：{'、'.join(names)}")
    return path
