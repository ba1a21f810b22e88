"""The lists that damage.py and harmless.py fill: a kind of change is a name, the data it is made on, a function, and how
ts-verify is called.

The function gets two equal tables, those of the source and of the target, and changes what it likes. A damage returns the
places that the report must name.
"""
import shlex
from collections import namedtuple

Kind = namedtuple("Kind", "group name data make options pair digest target prepare read")
KINDS = []


def kind(group, name, data, options="", pair="", digest="", target="", prepare="", read=""):
    """Registers a function.

    options: of ts-verify, for everything; pair: more, for `rows` and `compare`, which know both sides; digest: more, for
    `digest`, which knows one; target: more, for the target's digest; prepare: a shell command before (it may make the
    target from b.csv); read: what ts-verify reads as the target, a file or `| COMMAND`, where it is not the file that
    was written.
    """
    def register(make):
        KINDS.append(Kind(group, name, data, make, *map(shlex.split, (options, pair, digest, target)), prepare, read))
        return make
    return register


def damage(name, data, **how):
    return kind("damage", name, data, **how)


def harmless(name, data, **how):
    return kind("harmless", name, data, **how)


def place(table, row, field=None):
    """What the report must name: the instant, the series, and the field (None: the row as a whole)."""
    tags = {}
    for name, role in zip(table.names(), table.kinds()):
        value = table.get(row, name)
        if value and (role.partition(":")[0] in ("tag", "table") and role != "table:redundant" or role.endswith(":key")):
            tags[name] = value
    time = table.names()[table.kinds().index("time")]
    return {"ts": table.get(row, time), "tags": tags, "field": field}


def places(table, rows, *fields):
    return [place(table, row, field) for row in rows for field in fields or (None,)]
