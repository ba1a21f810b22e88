"""judge.py CASES: asks the oracle about every case, and compares its answer and what the kind of change is with what
ts-verify said: exit codes, counts, and the places that its reports name. Then lets the weak digests fail. Exit 1 when
anything disagrees.
"""
import json
import multiprocessing
import os
import sys

import oracle
from weak import WEAK

CODES = {"damage": 1, "harmless": 0}
WAYS = ("rows", "mirrored", "compare", "digests", "merge")


def records(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def names(record, place, by_bucket):
    """Does a record of a report name this place? A digest knows the series and the bucket."""
    tags = (record.get("series") or {}).get("tags", {})
    if any(tags.get(name) != value for name, value in place["tags"].items()):
        return False
    if by_bucket:
        return record["kind"] == "bucket"
    return record["field"] == place["field"] and oracle.instant(record["ts"]) == oracle.instant(place["ts"])


def repaired(line, place):
    """Does a line of the list of repairs hold this place?"""
    first, last = (oracle.instant(line[end]) for end in ("from", "to"))
    return place["tags"].items() <= line["series"].items() and first <= oracle.instant(place["ts"]) < last


def faults(case, about):
    """What is wrong with a case, and what the oracle says of it."""
    path = lambda name: os.path.join(case, name)
    found = []
    want = CODES[about["group"]]
    answer = oracle.compare(*map(path, about["sides"]), about["options"])
    if answer.equal != (want == 0):
        found.append(f"the oracle says {'equal' if answer.equal else 'different'}: {answer}")
    with open(path("codes"), encoding="utf-8") as file:
        codes = dict(line.split() for line in file)
    for way in WAYS:
        if codes.get(way) != str(want):
            with open(path(way + ".err"), encoding="utf-8") as file:
                found.append(f"{way}: exit {codes.get(way)}, not {want}: {file.read().strip()[:600]}")
    if found:
        return found, answer
    *shown, summary = records(path("rows.jsonl"))
    if summary["differences"] | answer.counts != summary["differences"]:
        found.append(f"ts-verify counts {summary['differences']}, the oracle {answer.counts}")
    if [summary[side]["cells"] for side in "ab"] != answer.cells:
        found.append(f"ts-verify counts {[summary[side]['cells'] for side in 'ab']} cells, the oracle {answer.cells}")
    for report, by_bucket in ((shown, False), (records(path("compare.jsonl"))[:-1], True)):
        for place in about["named"] or []:
            if not any(names(record, place, by_bucket) for record in report):
                found.append(f"{'compare' if by_bucket else 'rows'} does not name {place}; it says {report[:3]}")
    again = records(path("again.jsonl"))
    for place in about["named"] or []:
        if not any(repaired(line, place) for line in again):
            found.append(f"the list of repairs does not hold {place}: {again[:3]}")
    if again and want == 0:
        found.append(f"there is nothing to repair, and the list holds {again[:3]}")
    return found, answer


def judge(case):
    with open(os.path.join(case, "case.json"), encoding="utf-8") as file:
        about = json.load(file)
    return about, *faults(case, about)


def deceived(digest, case, about):
    """Does a weak digest get its kind of change wrong?"""
    a, b, options = oracle.both(*(os.path.join(case, side) for side in about["sides"]), about["options"])
    equal = digest(oracle.all_cells(a, b, options)) == digest(oracle.all_cells(b, a, options))
    return equal == (about["group"] == "damage")


def weak_digests(cases):
    """How many weak digests are found out, of how many whose kinds are among the cases."""
    known = {}
    for case in cases:
        with open(os.path.join(case, "case.json"), encoding="utf-8") as file:
            about = json.load(file)
        known[about["name"]] = case, about
    found = 0
    asked = [weak for weak in WEAK if weak.kind in known]
    for weak in asked:
        if deceived(weak.digest, *known[weak.kind]):
            found += 1
        else:
            print(f"FAILED: {weak.name}: gets '{weak.kind}' right")
    return found, len(asked)


def main(cases):
    cases = [os.path.join(cases, name) for name in sorted(os.listdir(cases))]
    counts, agreed, bad = {"damage": 0, "harmless": 0}, 0, 0
    with multiprocessing.Pool() as pool:
        judged = pool.map(judge, cases, chunksize=8)
    for about, found, answer in judged:
        agreed += answer.equal == (about["group"] == "harmless")
        if found:
            bad += 1
            print(f"FAILED: {about['name']}", *found, sep="\n    ")
            continue
        counts[about["group"]] += 1
        print(f"ok: {about['name']}: " + (f"{answer.rows} rows differ" if about["group"] == "damage" else "equal"))
    found, asked = weak_digests(cases)
    print(f"{found} of {asked} weak digests found out")
    print(f"{counts['damage']} mutations reported, {counts['harmless']} harmless equal, oracle agreed {agreed} times, {bad} failed")
    return 1 if bad or found < asked else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
