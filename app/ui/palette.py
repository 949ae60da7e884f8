"""Every colour and marker of the figures, once; .streamlit/config.toml has the same ones for the rest of the screen."""

from __future__ import annotations

# Four categories pass 3:1 on white and on the dark ground; from the fifth series on dash and marker change too.
CATEGORIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
DASHES = ("solid", "dash", "dot", "dashdot")
SEQUENTIAL = "Cividis"
# blue - white - orange; the centre is the baseline
DIVERGING = ((0.0, "#0072B2"), (0.5, "#F7F7F7"), (1.0, "#D55E00"))

# Greys that pass 3:1 on both grounds, so that a figure need not know the theme
INK = "#74818E"
GRID = "rgba(116, 129, 142, 0.22)"
BAND = "rgba(116, 129, 142, 0.16)"
FAINT = "rgba(116, 129, 142, 0.45)"
SHADE = "rgba(213, 94, 0, 0.16)"
NOTE = "rgba(0, 114, 178, 0.14)"
# words on the cells of a heat map, light or dark themselves whatever the theme
ON_LIGHT, ON_DARK = "#0A121C", "#FFFFFF"

MEASURES = {
    "valence": CATEGORIES[0],
    "arousal": CATEGORIES[1],
    "dominance": CATEGORIES[2],
    "liking": CATEGORIES[3],
}

# State symbol and word, never colour alone
SYMBOLS = {
    "above": "triangle-up",
    "within": "circle",
    "below": "triangle-down",
    "not computed": "x-thin",
}
WORDS = {"above": "▲ above", "within": "● within", "below": "▼ below", "not computed": "✕ not computed"}
LOW_QUALITY = "-open"
# counted, corrected, left out
BEATS = ("triangle-down", "diamond-open", "x-thin-open")


def measure(name: str, position: int = 0) -> str:
    """The colour of a measure; those without one of their own take the next category by position."""
    series = (*CATEGORIES, INK)
    return MEASURES.get(name, series[position % len(series)])


def transparent(colour: str, share: float) -> str:
    """A colour of the palette as rgba with an opacity of 0-1."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {share:g})"
