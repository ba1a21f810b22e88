"""list.py README: exit 1 if the tables in that file are not those that damage.py, harmless.py and weak.py hold. With UPDATE=1
in the environment, writes them.
"""
import os
import sys

import damage  # noqa: F401  fills the list
import harmless  # noqa: F401
from kinds import KINDS
from weak import WEAK


def table(group):
    kinds = [kind for kind in KINDS if kind.group == group]
    cell = lambda text: text.replace("|", "\\|")
    lines = [f"{len(kinds)} kinds.", "", "| kind | data | options |", "|---|---|---|"]
    for kind in kinds:
        options = " ".join(kind.options + kind.pair)
        lines.append(f"| {cell(kind.name)} | `{kind.data}` | {f'`{options}`' if options else ''} |")
    return "\n".join(lines) + "\n"


def weak_table():
    lines = [f"{len(WEAK)} digests.", "", "| digest | gets wrong |", "|---|---|"]
    return "\n".join(lines + [f"| {weak.name} | {weak.kind} |" for weak in WEAK]) + "\n"


def main(path):
    with open(path, encoding="utf-8") as file:
        old = file.read()
    head = old[: old.index("## What must be reported")]
    new = head + "\n".join([
        f"## What must be reported\n\n{table('damage')}",
        f"## What must not be reported\n\n{table('harmless')}",
        f"## Weak digests\n\n{weak_table()}",
    ])
    names = {kind.name for kind in KINDS}
    if len(names) < len(KINDS) or not names >= {weak.kind for weak in WEAK}:
        sys.exit("two kinds have one name, or a weak digest is about a kind that there is not")
    if new != old and os.environ.get("UPDATE"):
        with open(path, "w", encoding="utf-8") as file:
            file.write(new)
    elif new != old:
        sys.exit(f"{path} does not hold the kinds as they are: run UPDATE=1 scripts/test/mutations.sh, and read the difference")


main(sys.argv[1])
