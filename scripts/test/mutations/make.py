"""make.py DATA CASES [NAME]: writes a directory per kind of change, with the two sides and how they are compared.

    a.csv, b.csv (or a.lp, b.lp, b.ndjson)   the source and the target
    sides                                    two lines: what ts-verify reads, a file or `| COMMAND`
    prepare                                  a shell script to run before
    options, pair, digest, target            options of ts-verify, one a line: of all its commands, of `rows` and `compare`
                                             only, of `digest` only, of the target's `digest` only
    middle                                   an instant to cut the target in two parts
    case.json                                for the judge: the kind, and the places that the report must name
"""
import json
import os
import sys

import damage  # noqa: F401  fills the list
import harmless  # noqa: F401
from kinds import KINDS
from table import Table, stamp

def notes():
    """Texts, documents, bytes and decimals: a data set for what ts-gen's have only in passing."""
    head = ("ts|time device|tag hall|tag note|string more|string doc|json blob|binary place|geometry "
            '"amount|decimal(30,4)" "small|decimal(9,2)" ok|boolean n|long x|double f|float').split(" ")
    rows = []
    for row in range(240):
        rows.append([
            stamp((1711800000 + row // 3 * 60) * 10**9, 3), f"unit {row % 3}", "northwest"[row % 2 * 5:][:5],
            f"note {row}", f"more {row * 7}", f'"{{""row"":{row}}}"', f"00ff{row:04x}",
            f"0101000000000000000000f03f{row:016x}", f"{row}0000000000000000.{row:04d}", f"{row}.{row % 100:02d}",
            "false" if row % 4 else "true", str(row * 1000), repr(row / 7), f"{row / 8}",
        ])
    return Table(head, rows)


def write(path, text):
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)


def main(data, cases, wanted=""):
    tables = {"notes": notes()}
    if not any(wanted in kind.name for kind in KINDS):
        sys.exit(f"no kind has '{wanted}' in its name")
    for number, kind in enumerate(KINDS):
        if wanted not in kind.name:
            continue
        if kind.data not in tables:
            with open(os.path.join(data, kind.data + ".csv"), encoding="utf-8", newline="") as file:
                tables[kind.data] = Table.parse(file.read())
        a, b = tables[kind.data].copy(), tables[kind.data].copy()
        named = kind.make(a, b)
        case = os.path.join(cases, f"{number:03d}")
        os.mkdir(case)
        sides = []
        for side, table in (("a.csv", a), ("b.csv", b)):
            name, text = table.other or (side, None)
            write(os.path.join(case, name), table.text() if text is None else text)
            sides.append(name)
        write(os.path.join(case, "sides"), f"{sides[0]}\n{kind.read or sides[1]}\n")
        for name, words in zip(("options", "pair", "digest", "target"), (kind.options, kind.pair, kind.digest, kind.target)):
            write(os.path.join(case, name), "".join(word + "\n" for word in words))
        write(os.path.join(case, "middle"), a.get(len(a.rows) // 2, "ts") + "\n")
        if kind.prepare:
            write(os.path.join(case, "prepare"), kind.prepare + "\n")
        about = {"group": kind.group, "name": kind.name, "sides": sides, "options": kind.options + kind.pair, "named": named}
        write(os.path.join(case, "case.json"), json.dumps(about))


main(*sys.argv[1:])
