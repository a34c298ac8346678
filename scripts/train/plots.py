"""Training curves and the confusion matrix as SVG: text that a repository can hold and a browser shows."""

from collections.abc import Collection, Sequence
from html import escape

COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#e69f00",
    "#000000",
    "#8c564b",
    "#7f7f7f",
    "#6a3d9a",
    "#b5bd00",
    "#00a0a0",
    "#ff5fa2",
)
LEGEND_WIDTH, LEGEND_HEIGHT = 130, 18
FONT = 'font-family="sans-serif" font-size="12"'


def curves(logs: dict[str, list[dict]], taught: Collection[str] = ()) -> str:
    """
    Loss and held-out top-1 by epoch, a line for each run. Runs that have teachers count another loss, so theirs has a panel of
    its own.
    """
    width, height, margin = 420, 280, 44
    longest = max(len(rows) for rows in logs.values())
    colours = dict(zip(logs, COLOURS))
    by_loss = (
        ("loss towards the labels", [name for name in logs if name not in taught]),
        ("loss towards the teachers", [name for name in logs if name in taught]),
    )
    drawn = [("loss", title, names) for title, names in by_loss if names] + [
        ("heldOutTop1", "held-out top-1", list(logs))
    ]
    across_legend = (len(drawn) * width - margin) // LEGEND_WIDTH
    panels = []
    for column, (key, title, names) in enumerate(drawn):
        values = [row[key] for name in names for row in logs[name]]
        low, high = min(values), max(values)
        span = (high - low) or 1
        left = column * width + margin
        across, down = width - 1.5 * margin, height - 2 * margin

        def place(row: dict) -> str:
            x = left + (row["epoch"] - 1) / max(1, longest - 1) * across
            y = margin + (high - row[key]) / span * down
            return f"{x:.1f},{y:.1f}"

        panels.append(f'<text x="{left}" y="{margin - 18}" {FONT}>{title} by epoch</text>')
        panels.append(f'<rect x="{left}" y="{margin}" width="{across}" height="{down}" fill="none" stroke="#999"/>')
        for value, y in ((high, margin), (low, margin + down)):
            panels.append(f'<text x="{left - 4}" y="{y + 4}" text-anchor="end" {FONT}>{value:.2f}</text>')
        panels.append(f'<text x="{left + across}" y="{margin + down + 16}" text-anchor="end" {FONT}>{longest}</text>')
        for name in names:
            points = " ".join(place(row) for row in logs[name])
            panels.append(f'<polyline points="{points}" fill="none" stroke="{colours[name]}" stroke-width="1.5"/>')
    for index, (name, colour) in enumerate(colours.items()):
        row, column = divmod(index, across_legend)
        x, y = margin + column * LEGEND_WIDTH, height + row * LEGEND_HEIGHT
        panels.append(f'<rect x="{x}" y="{y - 14}" width="10" height="10" fill="{colour}"/>')
        panels.append(f'<text x="{x + 14}" y="{y - 5}" {FONT}>{escape(name)}</text>')
    rows_below = (len(logs) - 1) // across_legend
    return _svg(len(drawn) * width, height + rows_below * LEGEND_HEIGHT, panels)


def confusion(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    """Rows are the true classes, columns the guesses; darker is more."""
    cell, left, top = 44, 90, 90
    parts = []
    for row, (label, line) in enumerate(zip(labels, counts)):
        y = top + row * cell
        parts.append(f'<text x="{left - 6}" y="{y + 27}" text-anchor="end" {FONT}>{escape(label)}</text>')
        x = left + row * cell + 27
        parts.append(f'<text transform="translate({x},{top - 6}) rotate(-60)" {FONT}>{escape(label)}</text>')
        for column, count in enumerate(line):
            share = count / max(1, sum(line))
            shade = round(255 - 200 * share**0.5)
            ink = "#fff" if share > 0.5 else "#000"
            x = left + column * cell
            fill = f"rgb({shade},{shade},255)"
            parts.append(f'<rect x="{x}" y="{y}" width="{cell}" height="{cell}" fill="{fill}" stroke="#fff"/>')
            if count > 0:
                middle = f'x="{x + cell / 2}" y="{y + 27}" text-anchor="middle"'
                parts.append(f'<text {middle} fill="{ink}" {FONT}>{count}</text>')
    return _svg(left + len(labels) * cell + 30, top + len(labels) * cell + 10, parts)


def _svg(width: int, height: int, parts: list[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    background = f'<rect width="{width}" height="{height}" fill="#fff"/>'
    return "\n".join([head, background, *parts, "</svg>"]) + "\n"
