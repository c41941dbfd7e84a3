"""A flow as a drawing: plain text, and SVG. Pure; knows no file, and runs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from fsapp.core.flow.blocks import ENDS, WAITS, Block, Flow, Kind, exits

__all__ = ["about", "as_svg", "as_text", "layers"]

_WIDE, _HIGH, _GAP_X, _GAP_Y, _EDGE = 190, 52, 40, 66, 20
_CHARS = 26   # of a line within a box
_COLOURS = {"end": "#dce9d5", "ask": "#dbe6f4", "decide": "#f6ecd2"}
_ASKS = WAITS


def layers(flow: Flow) -> list[list[str]]:
    """The blocks by how many steps they are from the start, then those nobody reaches; what ends it comes last."""
    if flow.start is None:
        return []
    found, seen = [[flow.start]], {flow.start}
    while found[-1]:
        following: list[str] = []
        for id_ in found[-1]:
            for _, target in exits(flow.blocks[id_]):
                if target in flow.blocks and target not in seen:
                    seen.add(target)
                    following.append(target)
        found.append(following)
    found[-1] = [id_ for id_ in flow.blocks if id_ not in seen]
    ends = [id_ for layer in found for id_ in layer if flow.blocks[id_].kind in ENDS]
    rows = [[id_ for id_ in layer if id_ not in ends] for layer in found]
    return [layer for layer in (*rows, ends) if layer]


def about(block: Block, flow: Flow) -> str:
    """What a block does, in some words."""
    said = " ".join(block.say)
    if block.kind is Kind.CALLBACK:
        return f"by line {block.line or flow.line}"
    if block.kind is Kind.QUEUE:
        return f"line {block.line or flow.line}"
    if block.kind is Kind.AGENT:
        return f"agent {block.agent or f'{{{block.of}}}'}, then line {block.line or flow.line}"
    if block.kind is Kind.TRANSFER:
        return f"{block.extension} in {block.context}"
    if block.kind is Kind.LIST:
        return f"{block.of} in {', '.join(block.lists)}"
    if block.kind is Kind.SCHEDULE:
        return f"open by {block.schedule}"
    if block.kind is Kind.NUMBER:
        return f"how {block.of} begins"
    if block.kind is Kind.SET:
        return ", ".join(f"{name} = {text}" for name, text in block.stores.items())
    return {Kind.LOOKUP: block.url, Kind.HANGUP: block.cause}.get(block.kind, said)


def as_text(flow: Flow, counts: Mapping[str, int] | None = None) -> list[str]:
    """One line a block, in the order of `layers`, and one below for each way out. `counts`: how often by block."""
    lines = [f"flow {flow.name}, else line {flow.line}"]
    for id_ in (id_ for layer in layers(flow) for id_ in layer):
        block = flow.blocks[id_]
        times = f"  {counts.get(id_, 0)}x" if counts is not None else ""
        lines.append(f"[{id_}] {block.kind} {about(block, flow)}".rstrip() + times)
        lines += [f"    {way} -> {target}" for way, target in exits(block)]
    return lines


def as_svg(flow: Flow, counts: Mapping[str, int] | None = None) -> str:
    """A picture by itself, without a script, a style sheet or a font of its own."""
    rows = layers(flow)
    places = {
        id_: (_EDGE + column * (_WIDE + _GAP_X), _EDGE + row * (_HIGH + _GAP_Y))
        for row, layer in enumerate(rows) for column, id_ in enumerate(layer)
    }
    wide = 2 * _EDGE + max((len(row) for row in rows), default=1) * (_WIDE + _GAP_X)
    high = 2 * _EDGE + max(len(rows), 1) * (_HIGH + _GAP_Y)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}" '
        'font-family="sans-serif" font-size="12">',
        f"<title>{escape(f'flow {flow.name}')}</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>',
        f'<rect width="{wide}" height="{high}" fill="#fff"/>',
    ]
    for id_ in places:
        parts += _arrows(flow.blocks[id_], places)
    for id_, place in places.items():
        parts += _box(flow.blocks[id_], flow, place, counts)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _arrows(block: Block, places: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    x, y = places[block.id]
    ways: dict[str, list[str]] = {}
    for way, target in exits(block):
        ways.setdefault(target, []).append(way)
    for number, (target, names) in enumerate(ways.items()):
        if target not in places:
            continue
        to_x, to_y = places[target]
        from_x = x + _WIDE * (number + 1) // (len(ways) + 1)
        if to_y > y:
            bend = (to_y - y - _HIGH) // 2
            path = (f"M{from_x} {y + _HIGH}C{from_x} {y + _HIGH + bend} {to_x + _WIDE // 2} {to_y - bend} "
                    f"{to_x + _WIDE // 2} {to_y}")
        else:  # back, or beside: round the right side
            side = max(x, to_x) + _WIDE + _GAP_X // 2
            middle = to_y + _HIGH // 2
            path = f"M{from_x} {y + _HIGH}C{side} {y + _HIGH + 40} {side} {middle} {to_x + _WIDE} {middle}"
        yield f'<path d="{path}" fill="none" stroke="#555" marker-end="url(#tip)"/>'
        at = y + _HIGH + 14 + 12 * (number % 3)
        yield f'<text x="{from_x + 4}" y="{at}" fill="#555">{_cut(" ".join(names))}</text>'


def _box(
    block: Block, flow: Flow, place: tuple[int, int], counts: Mapping[str, int] | None,
) -> Iterator[str]:
    x, y = place
    sort = "end" if block.kind in ENDS else "ask" if block.kind in _ASKS else "decide"
    faint = ' opacity="0.45"' if counts is not None and not counts.get(block.id) else ""
    times = f"  {counts.get(block.id, 0)}x" if counts is not None else ""
    yield f'<g{faint}><title>{escape(about(block, flow))}</title>'
    yield f'<rect x="{x}" y="{y}" width="{_WIDE}" height="{_HIGH}" rx="6" fill="{_COLOURS[sort]}" stroke="#555"/>'
    yield f'<text x="{x + 8}" y="{y + 20}" font-weight="bold">{_cut(block.id)}{times}</text>'
    yield f'<text x="{x + 8}" y="{y + 38}">{_cut(f"{block.kind} {about(block, flow)}")}</text></g>'


def _cut(text: str) -> str:
    return escape(text if len(text) <= _CHARS else text[: _CHARS - 1] + "\u2026")
