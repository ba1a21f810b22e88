"""A typed CSV as a table of cells, each kept as it is written, so that a case changes what it means to change and nothing
else; and what the cases need to make values: floats by their bits, line protocol, JSON lines."""
import calendar
import json
import re
import struct
import time

CELL = re.compile(r'("(?:[^"]|"")*"|[^,\n]*)([,\n])')


class Table:
    """`other`: (name, text) of the file that stands for the table where it is not CSV as it is."""

    def __init__(self, head, rows):
        self.head, self.rows, self.other = head, rows, None

    @staticmethod
    def parse(text):
        rows, row = [], []
        for cell, end in CELL.findall(text):
            row.append(cell)
            if end == "\n":
                rows.append(row)
                row = []
        return Table(rows[0], rows[1:])

    def copy(self):
        return Table(list(self.head), [list(row) for row in self.rows])

    def text(self):
        return "".join(",".join(row) + "\n" for row in [self.head, *self.rows])

    def names(self):
        return [plain(head).rpartition("|")[0] for head in self.head]

    def kinds(self):
        return [plain(head).rpartition("|")[2] for head in self.head]

    def at(self, name):
        """The place of a column."""
        return self.names().index(name)

    def get(self, row, name):
        """The text of a cell; None is NULL."""
        return plain(self.rows[row][self.at(name)])

    def set(self, row, name, text):
        """Sets the text of a cell; None is NULL."""
        self.rows[row][self.at(name)] = quoted(text)

    def raw(self, row, name, text):
        """Sets a cell as it is written."""
        self.rows[row][self.at(name)] = text

    def column(self, name, change):
        """Changes the text of every cell of a column that is not NULL."""
        at = self.at(name)
        for row in self.rows:
            value = plain(row[at])
            if value is not None:
                row[at] = quoted(change(value))

    def retype(self, name, kind, new=None):
        """Another type, or another name too."""
        self.head[self.at(name)] = quoted(f"{new or name}|{kind}")

    def add(self, name, kind, value):
        """A further column; `value` gives the text of a row by its number."""
        self.head.append(quoted(f"{name}|{kind}"))
        for row, cells in enumerate(self.rows):
            cells.append(quoted(value(row)))

    def drop(self, name):
        """Takes a column away."""
        at = self.at(name)
        for row in [self.head, *self.rows]:
            del row[at]

    def find(self, start=0, **wanted):
        """The first row, from one on, that holds these texts; a function says whether it likes a text."""
        for row in range(start, len(self.rows)):
            texts = {name: self.get(row, name) for name in wanted}
            if all(want(texts[name]) if callable(want) else want == texts[name] for name, want in wanted.items()):
                return row
        raise LookupError(f"no row with {wanted}")

    def beside(self, row, step=1):
        """The next row of the same series (the one before with -1)."""
        tags = [at for at, kind in enumerate(self.kinds()) if kind.partition(":")[0] in ("tag", "table") or kind.endswith(":key")]
        other = row + step
        while [self.rows[other][at] for at in tags] != [self.rows[row][at] for at in tags]:
            other += step
        return other

    def swap(self, name, row, other):
        """Exchanges two cells of a column."""
        at = self.at(name)
        self.rows[row][at], self.rows[other][at] = self.rows[other][at], self.rows[row][at]


def plain(cell):
    if cell.startswith('"'):
        return cell[1:-1].replace('""', '"')
    return cell or None


def quoted(text):
    if text is None:
        return ""
    if text == "" or any(c in text for c in ',"\n\r'):
        return '"' + text.replace('"', '""') + '"'
    return text


def flipped(text, bit=0):
    """A double with one bit changed."""
    bits = struct.unpack("<Q", struct.pack("<d", float(text)))[0] ^ (1 << bit)
    return repr(struct.unpack("<d", struct.pack("<Q", bits))[0])


def single(text):
    """The f32 nearest to a text, as a double."""
    return struct.unpack("<f", struct.pack("<f", float(text)))[0]


def flipped_single(text, bit=0):
    """An f32 with one bit changed, with so many digits that it reads back."""
    bits = struct.unpack("<I", struct.pack("<f", float(text)))[0] ^ (1 << bit)
    return f"{struct.unpack('<f', struct.pack('<I', bits))[0]:.9g}"


def lines(table, measurement, tag_order=lambda tags: tags, field_order=lambda fields: fields, split=False, suffix="i"):
    """The rows as line protocol, one list of lines per row; `split`: a line per field."""
    def escaped(text, special):
        return re.sub(f"([{special}])", r"\\\1", text)

    out, columns = [], list(zip(table.names(), table.kinds()))
    for row in table.rows:
        tags, fields, at = [], [], None
        for (name, kind), cell in zip(columns, row):
            value = plain(cell)
            role = kind.partition(":")[0]
            if role == "time":
                at = nanoseconds(value)
            elif value is None or kind == "table:redundant":
                continue
            elif role in ("tag", "table") or kind.endswith(":key"):
                tags += [f"{escaped(name, ',= ')}={escaped(value, ',= ')}"] if value else []
            elif role in ("int", "long"):
                fields.append(f"{escaped(name, ',= ')}={value}{suffix}")
            elif role in ("string", "json"):
                body = value.replace("\\", "\\\\").replace('"', '\\"')
                fields.append(f'{escaped(name, ",= ")}="{body}"')
            else:
                fields.append(f"{escaped(name, ',= ')}={value}")
        head = ",".join([escaped(measurement, ", "), *tag_order(tags)])
        fields = field_order(fields)
        groups = [[field] for field in fields] if split else [fields] if fields else []
        out.append([f"{head} {','.join(group)} {at}" for group in groups])
    return out


def json_lines(table):
    """The rows as JSON lines; numbers and booleans stand as they are written."""
    columns, out = list(zip(table.names(), table.kinds())), []
    for row in table.rows:
        members = []
        for (name, kind), cell in zip(columns, row):
            value = plain(cell)
            as_is = not kind.endswith(":key") and kind.partition(":")[0] not in ("time", "tag", "table", "string")
            if value is not None:
                members.append(f"{json.dumps(name)}:{value if as_is else json.dumps(value)}")
        out.append("{" + ",".join(members) + "}\n")
    return "".join(out)


def nanoseconds(text):
    """Of an RFC 3339 text in UTC."""
    head, _, fraction = text.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(head, "%Y-%m-%dT%H:%M:%S")) * 10**9 + int((fraction + "0" * 9)[:9])


def stamp(nanos, digits):
    """RFC 3339 in UTC with so many digits of a second."""
    seconds, rest = divmod(nanos, 10**9)
    fraction = f".{rest:09d}"[: digits + 1] if digits else ""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + fraction + "Z"
