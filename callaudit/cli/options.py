"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

AgentChannel = Literal["left", "right", "mixed"]

RulebookOption = Annotated[
    Path | None, typer.Option("--rulebook", metavar="文件", help="规则书；不写则用随软件提供的")
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", metavar="名称或文件夹", help="识别模型；不写则用 whisper-base"),
]
AgentChannelOption = Annotated[
    AgentChannel | None,
    typer.Option("--agent-channel", help="坐席在哪个声道；不写则看元数据，再按内容推断"),
]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", min=1, max=256, help="识别用的 CPU 线程数；不写则全部")
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="路径", help="写到文件；多份 html 写到文件夹"),
]
UnmaskedOption = Annotated[
    bool, typer.Option("--unmasked", help="不遮盖电话号码、姓名、地址等个人信息")
]
StoreOption = Annotated[
    str | None,
    typer.Option("--store", metavar="地址", help="审核库，如 sqlite:///文件 或 postgresql://…"),
]
