"""``callaudit doctor``: what is installed, what will be used, and what is missing."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from callaudit.cli.chinese import ChineseCommand
from callaudit.cli.options import ModelOption, RulebookOption, StoreOption
from callaudit.cli.output import console
from callaudit.errors import CallAuditError

if TYPE_CHECKING:
    from callaudit.settings import Settings

PACKAGES = ("faster-whisper", "ctranslate2", "av", "numpy", "jieba", "sqlalchemy", "alembic")
ORIGINS = {"flag": "命令行", "environment": "环境变量", "file": "callaudit.toml", "default": "默认"}
INSTRUCTION_SETS = (
    ("AVX512", {"avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512cd"}),
    ("AVX2", {"avx2", "fma"}),
    ("AVX", {"avx"}),
    ("NEON", {"asimd"}),
)
BIGGER_MODELS = (
    "公开的字错误率：medium 7.23%，large-v2 6.56%，large-v3 6.06%"
    "（AISHELL-1 测试集，未微调，来源 k2-fsa/icefall 的 egs/aishell/ASR/RESULTS.md）；"
    "相对速度：base 7，small 4，medium 2，large 1，turbo 8（来源 openai/whisper 的 README）"
)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        exit_code: What the failure would mean to other commands; 0 when all is well.
    """

    name: str
    message: str
    exit_code: int = 0


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("doctor", cls=ChineseCommand)(doctor)


def doctor(
    model: ModelOption = None, rulebook: RulebookOption = None, store: StoreOption = None
) -> int:
    """检查安装：用哪个模型、规则书、审核库，设置从哪里来。"""
    from rich.table import Table
    from rich.text import Text

    from callaudit.settings import load_settings

    settings = load_settings(model=model, rulebook=rulebook, store=store)
    checks = [_model(settings), _recognition(settings), _rulebook(settings), _store(settings)]
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        mark = Text("✗ 有问题", style="red") if check.exit_code else Text("✓ 正常", style="green")
        table.add_row(mark, check.name, Text(check.message))
    table.add_row("", "更大的模型", Text(BIGGER_MODELS))
    table.add_row("", "程序", Text(_program()))
    table.add_row("", "组件", Text(_packages()))
    for name, origin in settings.origins.items():
        value = getattr(settings, name)
        shown = "（未设置）" if value is None else _without_password(name, str(value))
        table.add_row("", f"设置 {name}", Text(f"{shown}（{ORIGINS[origin]}）"))
    console().print(table)
    return max((check.exit_code for check in checks), default=0)


def _model(settings: Settings) -> Check:
    from callaudit.speech.models import find_model

    try:
        files = find_model(settings.model, settings.cache)
    except CallAuditError as error:
        return Check("模型", error.message, error.exit_code)
    return Check("模型", f"{files.name}（{files.sha256[:12]}），位于 {files.folder}")


def _recognition(settings: Settings) -> Check:
    import ctranslate2

    from callaudit.audit import available_threads

    threads = settings.threads or available_threads()
    gpus = ctranslate2.get_cuda_device_count()
    device = settings.device if settings.device != "auto" else ("cuda" if gpus else "cpu")
    if device == "cuda" and not gpus:
        return Check("识别", "设置了 device=cuda，但这台机器没有可用的 GPU", 4)
    precision = settings.compute_type
    if precision == "auto":
        precision = "float16" if device == "cuda" else "int8"
    supported = sorted(ctranslate2.get_supported_compute_types(device))
    if precision not in supported:
        return Check("识别", f"{device} 不支持精度 {precision}，可用：{'、'.join(supported)}", 4)
    unit = f"cpu（{instruction_set()}）" if device == "cpu" else device
    return Check("识别", f"{unit}，精度 {precision}，{threads} 线程")


def instruction_set(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The widest vector instructions that CTranslate2 will use, as it chooses them itself."""
    forced = os.environ.get("CT2_FORCE_CPU_ISA")
    if forced:
        return f"由 CT2_FORCE_CPU_ISA 指定为 {forced}"
    try:
        flags = set(cpuinfo.read_text(errors="replace").split())
    except OSError:
        return f"{platform.machine()}，指令集未知"
    for name, needed in INSTRUCTION_SETS:
        if needed <= flags:
            return name
    return platform.machine()


def _rulebook(settings: Settings) -> Check:
    from callaudit.rulebook import load_rulebook

    try:
        rulebook = load_rulebook(settings.rulebook)
    except CallAuditError as error:
        return Check("规则书", str(error), error.exit_code)
    judging = sum(rule.model.status != "off" for rule in rulebook.rules)
    return Check(
        "规则书",
        f"{rulebook.title}，{rulebook.id} 第 {rulebook.version} 版，{judging} 条规则"
        f"（{rulebook.sha256[:12]}）",
    )


def _store(settings: Settings) -> Check:
    """Looks at the store and changes nothing: a store that is not there yet is no problem."""
    from callaudit.store.connection import Store

    try:
        store = Store(settings.store)
        if not store.exists:
            return Check("审核库", f"{store.place}，还没有，第一次 batch run 时建立")
        state = store.state()
    except CallAuditError as error:
        return Check("审核库", error.message, error.exit_code)
    if state.newer:
        return Check(
            "审核库", f"{store.place} 的结构 {state.current} 比本程序新，请升级 callaudit", 4
        )
    if not state.up_to_date:
        return Check(
            "审核库", f"{store.place}，结构 {state.current}，下次写入时升级到 {state.head}"
        )
    return Check("审核库", f"{store.place}，结构 {state.current}，最新")


def _program() -> str:
    from callaudit import __version__

    return (
        f"callaudit {__version__}，Python {platform.python_version()}，"
        f"SQLite {sqlite3.sqlite_version}，{platform.system()} {platform.machine()}，{sys.prefix}"
    )


def _packages() -> str:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} 未安装")
    return "，".join(found)


def _without_password(name: str, value: str) -> str:
    if name != "store":
        return value
    from callaudit.store.connection import Store

    try:
        return Store(value).place
    except CallAuditError:
        return "（地址不能用）"
