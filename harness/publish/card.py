"""The card of a publication: what it holds, and how to load it."""

from collections import Counter
from importlib.metadata import version

from harness.board import escape
from harness.publish.contents import Contents
from harness.publish.tables import COLUMNS
from harness.records.frames import FRAMES
from harness.records.identity import RESULTS
from harness.vocabulary import RULES

FILE = "README.md"


def card(contents: Contents, repository: str | None = None) -> str:
    """Return the card, in Markdown with the metadata that the Hugging Face Hub reads.

    Args:
        contents: What is published.
        repository: ``USER/NAME`` on the Hub; None for a folder.
    """
    records = contents.records.values()
    tasks = Counter(f"{record['dataset']}/{record['model']}" for record in records)
    done, verified, refused = contents.counted()
    rows = [
        ("runs", len(records)),
        ("done", done),
        ("verified: made in a container, done, and passed by the checker", verified),
        ("refused by the checker, with the reason in `check`", refused),
        ("networks", len(contents.networks)),
    ]
    source = f"hf://datasets/{repository}/" if repository else ""
    return "\n".join(
        [
            *_metadata(),
            "",
            "# Sparse-training results",
            "",
            f"Runs of sparse-training methods, measured by SparseBench {version('sparsebench')} (rules {RULES},",
            f"results {RESULTS}). `sparsebench publish` writes this folder and replaces what is changed by hand.",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name} | {count:,} |" for name, count in rows),
            "",
            "| task | runs |",
            "|---|---|",
            *(f"| {escape.markdown(task)} | {count:,} |" for task, count in sorted(tasks.items())),
            "",
            "## Load",
            "",
            "```python",
            "import pandas as pd",
            "",
            f'runs = pd.read_parquet("{source}runs.parquet")',
            'verified = runs[runs["verified"]]',
            "```",
            "",
            "| file | holds |",
            "|---|---|",
            "| `runs.parquet` | a run a row: settings, metrics, costs, provenance |",
            "| `curves.parquet` | an evaluation a row |",
            "| `layers.parquet` | a layer a row: its density at the end |",
            "| `events.parquet` | a layer a row: its density at the start and after each change of the masks |",
            "| `records/` | the records themselves; `sparsebench check records` recounts them |",
            '| `networks/` | trained networks: `sparsebench.load_network("networks/KEY.safetensors")` |',
            "| `deploy/`, `reliability/` | what was measured of networks afterwards: latency, calibration |",
            "| `leaderboard.html`, `.md`, `.csv`, `standing.csv`, `pareto.svg` | the board of these records |",
            "| `published.json` | size and SHA-256 of every file |",
            "",
            "`sparsebench.load(FOLDER)` makes the same tables of the records. `runs.parquet` has three more columns:",
            "",
            *(f"- `{name}`: {what}" for name, what in COLUMNS.items()),
            "",
            "A run that is not `done` is no result: `status` and `reason` say what became of it.",
            "",
        ]
    )


def _metadata() -> list[str]:
    configs = [
        line
        for name in FRAMES
        for line in (
            f"- config_name: {name}",
            f"  data_files: {name}.parquet",
            *(["  default: true"] if name == "runs" else []),
        )
    ]
    return [
        "---",
        "pretty_name: Sparse-training results",
        "tags:",
        "- sparsebench",
        "- sparse-training",
        "configs:",
        *configs,
        "---",
    ]
