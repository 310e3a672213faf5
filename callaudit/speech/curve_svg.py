"""Precision and recall as a picture: an SVG file drawn by hand, for reports on a calibration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from callaudit.speech.calibrate import Calibrated, Curve, precision_recall

_WIDTH, _HEIGHT = 860, 420
_PANEL, _TOP, _LEFTS = 320, 50, (60, 490)
_PRECISION_FROM = 0.5
_STYLE = (
    "text{font:13px 'Noto Sans CJK SC','Microsoft YaHei',sans-serif;fill:#333}"
    ".grid{stroke:#ddd}.axis{stroke:#666;fill:none}path{fill:none;stroke-width:2}"
    ".mark{stroke:#333;stroke-dasharray:4 3}"
)
_COLOURS = ("#1f6fb4", "#c0392b", "#7f8c8d")


@dataclass(frozen=True, slots=True)
class _Axis:
    """One axis of a panel, in values and pixels."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        share = (min(self.high, max(self.low, value)) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


def calibration_svg(calibrated: Calibrated, title: str, marks: Sequence[float]) -> str:
    """Draws a calibration.

    Args:
        calibrated: The fit and what it was fitted on.
        title: Above the picture.
        marks: Accepting scores: of required, of banned phrases.

    Returns:
        SVG text: on the left precision against recall for score and for similarity alone, on the
        right precision and recall against the score's threshold.
    """
    required, banned = (_curve(calibrated, kind) for kind in (False, True))
    sounds = precision_recall(
        [one.fit.similarity for one in calibrated.measured],
        [one.said for one in calibrated.measured],
    )
    everything = precision_recall(calibrated.scores, [one.said for one in calibrated.measured])
    curves = [(required, "应说的话术"), (banned, "禁语"), (sounds, "只看读音（全部）")]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFTS[0]}" y="24" style="font-weight:bold">{escape(title)}</text>',
        *_panel(_LEFTS[0], "召回率", "精确率"),
        *_panel(_LEFTS[1], "得分门槛", "比例"),
    ]
    across, up = _axes(_LEFTS[0])
    for number, (curve, name) in enumerate(curves):
        parts.append(_path(across, up, curve.recall, curve.precision, number))
        parts.append(_legend(_LEFTS[0] + 12, 250 + 22 * number, name, number))
    across, up = _axes(_LEFTS[1], low=0.0)
    parts.append(_path(across, up, everything.thresholds, everything.precision, 0))
    parts.append(_path(across, up, everything.thresholds, everything.recall, 1))
    parts.append(_legend(_LEFTS[1] + 60, 300, "精确率", 0))
    parts.append(_legend(_LEFTS[1] + 60, 322, "召回率", 1))
    for mark, name in zip(marks, ("应说", "禁语"), strict=True):
        x = across.at(mark)
        parts.append(f'<line class="mark" x1="{x}" x2="{x}" y1="{_TOP}" y2="{_TOP + _PANEL}"/>')
        parts.append(f'<text x="{x}" y="{_TOP - 6}" text-anchor="middle">{name} {mark:g}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _curve(calibrated: Calibrated, banned: bool) -> Curve:
    """Of the candidates of one kind."""
    both = zip(calibrated.measured, calibrated.scores, strict=True)
    kind = [(score, one.said) for one, score in both if one.banned is banned]
    return precision_recall([score for score, _ in kind], [said for _, said in kind])


def _axes(left: int, low: float = _PRECISION_FROM) -> tuple[_Axis, _Axis]:
    return _Axis(0, 1, left, left + _PANEL), _Axis(low, 1, _TOP + _PANEL, _TOP)


def _panel(left: int, across_name: str, up_name: str) -> list[str]:
    low = _PRECISION_FROM if left == _LEFTS[0] else 0.0
    across, up = _axes(left, low)
    parts = []
    for step in range(6):
        share = step / 5
        value = low + (1 - low) * share
        x, y = across.at(share), up.at(value)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP}" y2="{up.start}"/>')
        parts.append(f'<line class="grid" x1="{left}" x2="{across.end}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text x="{x}" y="{up.start + 18}" text-anchor="middle">{share:g}</text>'
            f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{value:g}</text>'
        )
    parts.append(f'<path class="axis" d="M{left},{_TOP}V{up.start}H{across.end}"/>')
    parts.append(
        f'<text x="{left + _PANEL // 2}" y="{up.start + 38}" text-anchor="middle">'
        f"{across_name}</text>"
        f'<text x="{left}" y="{_TOP - 6}" text-anchor="end">{up_name}</text>'
    )
    return parts


def _path(across: _Axis, up: _Axis, xs: Iterable[float], ys: Iterable[float], colour: int) -> str:
    points = " ".join(f"{across.at(x)},{up.at(y)}" for x, y in zip(xs, ys, strict=True))
    return f'<path stroke="{_COLOURS[colour]}" d="M{points}"/>' if points else ""


def _legend(x: int, y: int, name: str, colour: int) -> str:
    return (
        f'<path stroke="{_COLOURS[colour]}" d="M{x},{y}h24"/>'
        f'<text x="{x + 30}" y="{y + 4}">{escape(name)}</text>'
    )
