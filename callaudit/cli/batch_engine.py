"""Where the workers of ``callaudit batch run`` run, as the command line and the settings say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from callaudit.errors import ConfigError

if TYPE_CHECKING:
    from callaudit.batch.engine import EngineFactory
    from callaudit.settings import Settings

EngineName = Literal["local", "ray"]

EngineOption = Annotated[
    EngineName,
    typer.Option("--engine", help="local：识别进程在本机；ray：在 Ray 集群的各个节点上"),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="主机:端口",
        help="Ray 集群的地址；不写则看环境变量 RAY_ADDRESS，再没有就在本机启动",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, max=4096, help="识别进程数；不写则每核一个，Ray 集群则放满为止"
    ),
]


@dataclass(frozen=True)
class EngineOptions:
    """The options above."""

    name: EngineName
    address: str | None
    workers: int | None

    def check(self) -> None:
        """Raises `ConfigError` for options that do not go together, and where Ray is missing."""
        if self.name == "local" and self.address is not None:
            raise ConfigError("--address 要和 --engine ray 一起用")
        if self.name == "ray":
            from callaudit.batch.ray_engine import import_ray

            import_ray()

    def size(self, settings: Settings, recordings: int) -> tuple[int, int]:
        """How many workers are of use at most, and the threads of each."""
        from callaudit.audit import available_threads

        recordings = max(1, recordings)
        if self.name == "ray":
            threads = settings.threads or max(1, int(settings.ray_cpus or 1))
            return min(self.workers or recordings, recordings), threads
        cores = available_threads()
        count = min(self.workers or cores, recordings)
        return count, settings.threads or max(1, cores // count)

    def factory(self, settings: Settings, model_sha256: str, threads: int) -> EngineFactory:
        """What starts the workers."""
        if self.name == "local":
            from callaudit.batch.pool import Pool

            return Pool
        from callaudit.batch.ray_engine import RayEngine

        return RayEngine(
            address=self.address,
            model_sha256=model_sha256,
            cpus=settings.ray_cpus or threads,
            gpus=settings.ray_gpus,
            workers=self.workers,
        )
