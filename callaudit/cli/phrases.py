"""``callaudit phrases``: the acoustic confirmation of phrases, fitted to a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from callaudit.cli.chinese import ChineseCommand, group
from callaudit.cli.options import ModelOption, RulebookOption, ThreadsOption
from callaudit.cli.output import progress_of, save, say

EXAMPLES_FAILED = 1

phrases = group("话术库和声学核对。")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(phrases, name="phrases")


@phrases.command("calibrate", cls=ChineseCommand)
def calibrate(
    labelled: Annotated[
        Path, typer.Argument(metavar="标注文件", help="录音和标注的清单（JSON）")
    ] = Path("samples/phrases/calibration.json"),
    model: ModelOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="文件", help="标定文件；不写则存到缓存，以后自动使用"
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option("--picture", metavar="文件", help="把精确率和召回率曲线画成 SVG"),
    ] = None,
    rulebook: RulebookOption = None,
    threads: ThreadsOption = None,
) -> None:
    """用标注好的录音为一个识别模型标定声学核对的门槛。"""
    from callaudit.phrases.matcher import Matcher
    from callaudit.rulebook import load_rulebook
    from callaudit.settings import load_settings
    from callaudit.speech import calibrate as calibration
    from callaudit.speech.curve_svg import calibration_svg
    from callaudit.speech.labelled import read_labelled_set
    from callaudit.speech.models import find_model
    from callaudit.speech.recognise import Recogniser
    from callaudit.speech.weights import Calibration, Terms, calibration_file

    settings = load_settings(model=model, rulebook=rulebook, threads=threads)
    examples = read_labelled_set(labelled)
    matcher = Matcher(load_rulebook(settings.rulebook).phrasebook)
    examples.check_phrases(matcher.phrasebook.phrases)
    files = find_model(settings.model, settings.cache)
    recogniser = Recogniser(files, settings.threads or 1, settings.device, settings.compute_type)
    with progress_of(labelled.name, 1, 1) as progress:
        measured = calibration.measure_set(examples, recogniser, matcher, progress)
    found = calibration.calibrate(measured, files.name)
    weights = found.weights
    written = Calibration(
        model=files.name,
        model_sha256=files.sha256,
        compute_type=recogniser.info.compute_type,
        set_sha256=examples.sha256,
        candidates=len(measured),
        said=sum(one.said for one in measured),
        terms=Terms(
            bias=round(weights.bias, 4),
            similarity=round(weights.similarity, 4),
            advantage=round(weights.advantage, 4),
        ),
    )
    path = output or calibration_file(files.sha256, settings.cache)
    save(path, written.json_text())
    marks = calibration.marks()
    if picture is not None:
        save(picture, calibration_svg(found, f"声学核对的标定：{files.name}", marks))
    say(
        f"{files.name}：{len(examples.utterances)} 句，可能听错的话术 {len(measured)} 处，"
        f"其中确实说了的 {written.said} 处。"
    )
    for name, banned, mark in zip(("应说的话术", "禁语"), (False, True), marks, strict=True):
        precision, recall = calibration.accepted(found, banned, mark)
        say(f"{name}：得分 {mark:g} 起算说了，精确率 {precision:.1%}，召回率 {recall:.1%}。")
    say(f"标定已写入 {path}。")


@phrases.command("lint", cls=ChineseCommand)
def lint(
    books: Annotated[
        list[Path] | None,
        typer.Argument(metavar="话术库…", help="话术库文件或文件夹；不写则检查规则书用的"),
    ] = None,
    rulebook: RulebookOption = None,
) -> int:
    """检查话术库的写法和例句，一次列出所有问题及其位置。"""
    from callaudit.phrases.examples import check_examples
    from callaudit.phrases.matcher import Matcher
    from callaudit.phrases.phrasebook import load_phrasebooks
    from callaudit.rulebook import load_rulebook
    from callaudit.settings import load_settings

    phrasebook = (
        load_phrasebooks(books)
        if books
        else load_rulebook(load_settings(rulebook=rulebook).rulebook).phrasebook
    )
    failures = check_examples(Matcher(phrasebook))
    for failure in failures:
        typer.echo(str(failure))
    if failures:
        say(f"{len(phrasebook)} 句话术里有 {len(failures)} 个例句不符。")
        return EXAMPLES_FAILED
    typer.echo(f"{len(phrasebook)} 句话术，没有发现问题。")
    return 0
