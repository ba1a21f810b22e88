"""Digests that are wrong on purpose, each as some tool makes it, and the kind of change that it gets wrong: a damage that it does
not see, or a harmless change that it reports. They prove that the kinds are sharp: a ts-verify that hashed like one of
these would fail here.

A digest gets the cells of a side, a list of (measurement, tags, nanoseconds, field, value) in the order of the file, where a value
is a pair of its type and its value; None stands for NULL.
"""
import hashlib
import unicodedata
import zlib
from collections import Counter, namedtuple
from fractions import Fraction

Weak = namedtuple("Weak", "name kind digest")
WEAK = []


def weak(name, kind):
    def register(digest):
        WEAK.append(Weak(name, kind, digest))
        return digest
    return register


def strong(*parts):
    """128 bits of anything, unambiguously."""
    return int.from_bytes(hashlib.md5(repr(parts).encode()).digest(), "big")


def total(cells, message):
    """The sum of the hashes of the messages of all cells that are not NULL: right, if the message says all."""
    return sum(strong(message(cell)) for cell in cells if cell[4] is not None) % 2**128


def changed(name, kind, change):
    """A digest that would be right, but changes every value first."""
    weak(name, kind)(lambda cells: total(cells, lambda cell: (*cell[:4], change(cell[4]))))


def of_texts(change):
    return lambda value: (value[0], change(value[1])) if value[0] == "text" else value


def of_numbers(change):
    return lambda value: (value[0], change(value[1])) if value[0] == "number" and not isinstance(value[1], str) else value


weak("counts of rows and cells", "the last bit of a double")(
    lambda cells: (len(cells), sum(cell[4] is not None for cell in cells)))
weak("the hash without the series", "the values of two series exchanged")(
    lambda cells: total(cells, lambda cell: cell[2:]))
weak("the hash without the time", "the rows of two hours exchanged")(
    lambda cells: total(cells, lambda cell: (*cell[:2], *cell[3:])))
weak("the hash without the name of the field", "the values of two columns exchanged in one row")(
    lambda cells: total(cells, lambda cell: (*cell[:3], cell[4])))
weak("the hash without the measurement", "another measurement in one line")(
    lambda cells: total(cells, lambda cell: cell[1:]))
weak("times in seconds", "a row one millisecond later")(
    lambda cells: total(cells, lambda cell: (*cell[:2], cell[2] // 10**9, *cell[3:])))
weak("times in milliseconds", "a row one nanosecond later")(
    lambda cells: total(cells, lambda cell: (*cell[:2], cell[2] // 10**6, *cell[3:])))
weak("times of the day", "a row one day earlier")(
    lambda cells: total(cells, lambda cell: (*cell[:2], cell[2] % (86400 * 10**9), *cell[3:])))
weak("tags without their names", "a tag renamed")(
    lambda cells: total(cells, lambda cell: (cell[0], sorted(value for _, value in cell[1]), *cell[2:])))
weak("tags joined by commas", "two tags in the value of one")(
    lambda cells: total(cells, lambda cell: (cell[0], ",".join(f"{name}={value}" for name, value in cell[1]), *cell[2:])))
weak("values without their types", "whole numbers as texts")(
    lambda cells: total(cells, lambda cell: (*cell[:4], str(cell[4][1]))))

changed("numbers as doubles", "the last bit of a whole number beyond 2^53", of_numbers(float))
changed("numbers of six digits", "the last bit of a double", of_numbers(lambda number: f"{float(number):.6g}"))
changed("numbers without a sign", "the sign bit of a double", of_numbers(abs))
changed("numbers without a fraction", "doubles cut to whole numbers", of_numbers(int))
changed("texts in small letters", "the case of a letter", of_texts(str.lower))
changed("texts in one normal form", "composed and decomposed letters", of_texts(lambda text: unicodedata.normalize("NFC", text)))
changed("texts without blanks around them", "a blank at the end of a text", of_texts(str.strip))
changed("texts up to a NUL", "NUL at the end of a text", of_texts(lambda text: text.partition("\0")[0]))
changed("texts up to 255 bytes", "a text cut at 255 bytes", of_texts(lambda text: text.encode()[:255]))
changed("texts with one kind of line end", "a line feed for CR LF", of_texts(lambda text: text.replace("\r\n", "\n")))
changed("texts in ASCII", "question marks for letters", of_texts(lambda text: text.encode("ascii", "replace")))


def with_null(sentinel):
    """NULL written as a text."""
    return lambda cells: sum(strong(*cell[:4], sentinel if cell[4] is None else cell[4]) for cell in cells)


weak("NULL as the text NULL", "the text 'NULL' for NULL")(with_null(("text", "NULL")))
weak("NULL as an empty text", "an empty text for NULL")(with_null(("text", "")))
weak("NULL as zero", "zero for NULL")(with_null(("number", Fraction(0))))


@weak("values of a row joined by a separator", "a separator moved from one text to its neighbour")
def _(cells):
    rows = {}
    for cell in cells:
        rows.setdefault(cell[:3], []).append(str(cell[4] and cell[4][1]))
    return sum(strong(key, "|".join(values)) for key, values in rows.items())


@weak("hashes joined by XOR", "a pair of equal rows became another pair")
def _(cells):
    total = 0
    for cell in cells:
        total ^= strong(cell)
    return total


@weak("CRC32 joined by XOR", "all rows one hour later, within one bucket")
def _(cells):
    total = 0
    for measurement, tags, at, field, value in cells:
        hour, rest = divmod(at // 10**9 % 86400, 3600)
        total ^= zlib.crc32(f"{measurement} {tags} {field} {value} {hour:02}:{rest // 60:02}:{rest % 60:02}".encode())
    return total


@weak("sums of values", "two differences of equal size and opposite sign")
def _(cells):
    sums = Counter()
    for measurement, tags, _, field, value in cells:
        if value and value[0] == "number" and not isinstance(value[1], str):
            sums[measurement, tags, field] += value[1]
    return sums


@weak("the set of cells", "all rows doubled, where every copy counts")
def _(cells):
    return frozenset(cells)


@weak("first and last time of a series", "a row in the middle dropped")
def _(cells):
    ends = {}
    for measurement, tags, at, *_ in cells:
        low, high = ends.get((measurement, tags), (at, at))
        ends[measurement, tags] = min(low, at), max(high, at)
    return ends


@weak("a hash of all rows in their order", "rows shuffled")
def _(cells):
    return strong(cells)
