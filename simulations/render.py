"""A comparison as text: a table for people, or csv, markdown, latex and json for other tools.

All but the table keep the raw values under column names that carry the units.
"""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from federation.errors import BadInput, unknown_choice
from federation.units import NOTHING
from simulations.table import Record, is_numeric, table

if TYPE_CHECKING:
    import pandas as pd

_WIDTH: Final = 100


def render(
    frame: pd.DataFrame, format: str, *, terminal: bool | None = None, width: int | None = None
) -> str:
    """`frame` (of `simulations.compare.compare`) as table, csv, markdown, latex or json.

    `terminal` says whether the table may have colours (default: standard output is a terminal);
    `width` is in characters (default: the terminal's, else 100).

    Raises BadInput for another format.
    """
    records = [_known(record) for record in frame.to_dict("records")]
    names = [str(name) for name in frame.columns]
    if format == "table":
        terminal = sys.stdout.isatty() if terminal is None else terminal
        if width is None:
            width = shutil.get_terminal_size((_WIDTH, 24)).columns if terminal else _WIDTH
        goal = frame.attrs.get("to_accuracy")
        return table(names, records, terminal=terminal, width=width, to_accuracy=goal)
    writers = {"csv": _csv, "markdown": _markdown, "latex": _latex, "json": _json}
    if format not in writers:
        raise BadInput(unknown_choice("format", format, ["table", *writers]))
    return writers[format](names, records)


def _known(record: Mapping[Any, Any]) -> dict[str, Any]:
    """The record with None for NaN, which is how pandas may write a missing value."""
    return {
        str(name): None if isinstance(value, float) and math.isnan(value) else value
        for name, value in record.items()
    }


def _csv(names: Sequence[str], records: Sequence[Record]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def _json(names: Sequence[str], records: Sequence[Record]) -> str:
    finite = [
        {name: None if record[name] in (math.inf, -math.inf) else record[name] for name in names}
        for record in records
    ]
    return json.dumps(finite, indent=2, allow_nan=False) + "\n"


def _markdown(names: Sequence[str], records: Sequence[Record]) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    rule = ["---:" if is_numeric(name, records) else "---" for name in names]
    rows = [[_raw(record[name]) for name in names] for record in records]
    return "\n".join(line(cells) for cells in [names, rule, *rows]) + "\n"


_LATEX_ESCAPES: Final = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "|": r"\textbar{}",
        **{char: f"\\{char}" for char in "&%$#_{}"},
    }
)


def _latex(names: Sequence[str], records: Sequence[Record]) -> str:
    def line(cells: Sequence[str]) -> str:
        return " & ".join(cell.translate(_LATEX_ESCAPES) for cell in cells) + r" \\"

    kinds = "".join("r" if is_numeric(name, records) else "l" for name in names)
    rows = [line([_raw(record[name]) for name in names]) for record in records]
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            rf"\begin{{tabular}}{{{kinds}}}",
            r"\toprule",
            line(names),
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _raw(value: Any) -> str:
    if value is None:
        return NOTHING
    return format(value, ".6g") if isinstance(value, float) else str(value)
