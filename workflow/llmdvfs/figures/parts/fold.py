"""Breaks long names into short lines, so that labels side by side do not touch."""

import re


def fold_name(name: str, width: int) -> str:
    """Return the name in lines of at most `width`, broken after a comma, else a hyphen, underscore or space."""
    if len(name) > width and ", " in name:
        first, rest = name.split(", ", 1)
        return f"{fold_name(first, width)},\n{fold_name(rest, width)}"
    lines = [""]
    for piece in re.findall(rf"[^-_ ]{{0,{width - 1}}}[-_ ]|[^-_ ]{{1,{width}}}", name):
        if len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.strip() for line in lines)
