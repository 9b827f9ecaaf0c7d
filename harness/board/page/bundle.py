"""Makes the script that draws the page's plots: ``python -m harness.board.page.bundle``, after a new vl-convert.

The script is committed, so that a page is the same wherever it is made and needs no plotting engine.
"""

from harness.board.page.html import VEGA


def script() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as the installed vl-convert has them."""
    import vl_convert

    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")


if __name__ == "__main__":
    VEGA.write_bytes(script().encode())
