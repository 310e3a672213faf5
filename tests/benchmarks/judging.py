"""How fast stored calls are judged: ``python tests/benchmarks/judging.py``.

One core, the full rulebook, a two-minute call (and multiples of it) that is already transcribed and
searched for phrases. Beside it what plain text search costs: ``in`` for every fixed wording of the
phrasebooks over the same text.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from callaudit.calls import CallMetadata, CallTimeline
from callaudit.phrases.matcher import Matcher
from callaudit.rulebook import Rulebook, load_rulebook
from callaudit.rulebook.examples import hear

OPENING = "坐席 您好，热电集团，工号零二七，请问有什么可以帮您？\n客户 我家暖气不热。\n"
MIDDLE = """
坐席 您家住在哪个小区？
客户 海棠湾九号楼三单元一六零一，我的电话是一三八零零一三八零零零。
坐席 海棠湾九号楼三单元一六零一，电话是13800138000，对吗？
客户 对，是这个号。
坐席 对不起，我需要到系统里核实一下，请您稍等片刻好吗？
客户 好的。
坐席 +13 对不起，请再稍等一下！
坐席 +12 对不起，让您久等了。您家的暖气里可能有空气，您先把放气阀拧开，放到出水为止。
客户 你们每年都这样说，去年也是这样，一直没有人管，什么态度啊！
坐席 非常抱歉，请您原谅，您讲的有道理，我们会及时报告公司作出处理，并尽快给您回复。
客户 那什么时候能来人？
坐席 师傅明天上午会跟您联系，不知我的解释您是否清楚？
客户 清楚了。
坐席 过户窗口也有电话，麻烦您记录一下好吗？
客户 你说吧。
坐席 电话是八六三三二一零五。
客户 记下来了。
"""
CLOSING = "坐席 请问还有什么需要帮您？\n客户 没有了。\n坐席 谢谢您的电话，再见！\n客户 再见。\n"


def best_of(action: Callable[[], object], times: int) -> float:
    """Seconds of the fastest run."""
    fastest = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        action()
        fastest = min(fastest, time.perf_counter() - start)
    return fastest


def fresh(call: CallTimeline) -> CallTimeline:
    """The same call with nothing computed yet, as it comes out of the store."""
    return replace(call)


def judging_seconds(rulebook: Rulebook, call: CallTimeline, rounds: int = 60) -> float:
    return best_of(lambda: rulebook.judge(fresh(call)), rounds)


def text_search_seconds(rulebook: Rulebook, call: CallTimeline, rounds: int = 60) -> float:
    """What a keyword list costs: every fixed wording, looked for with ``in``."""
    text = "".join(utterance.text for utterance in call.utterances)
    words = [
        part
        for phrase in rulebook.phrasebook
        for variant in phrase.variants
        for part in variant.text.replace("[", "|").replace("(", "|").split("|")
        if part
    ]
    return best_of(lambda: [word for word in words if word in text], rounds)


def main() -> None:
    rulebook = load_rulebook()
    matcher = Matcher(rulebook.phrasebook)
    print(f"规则书 {rulebook.id}：{len(rulebook.rules)} 条规则，{len(rulebook.phrasebook)} 条话术")
    print("通话秒数  语句  命中  毫秒/通  通/秒  与纯文本查找之比")
    for times in (1, 2, 4, 8, 16):
        call = hear(OPENING + MIDDLE * times + CLOSING, CallMetadata(ring_count=2), matcher)
        seconds = judging_seconds(rulebook, call)
        ratio = seconds / text_search_seconds(rulebook, call)
        print(
            f"{call.duration_ms / 1000:8.0f} {len(call.utterances):5d} {len(call.hits):5d}"
            f" {1000 * seconds:8.2f} {1 / seconds:6.0f} {ratio:8.1f}"
        )


if __name__ == "__main__":
    main()
