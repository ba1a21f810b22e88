"""What must be reported: every kind of damage to the target, each at a place that the report has to name."""
import unicodedata
from fractions import Fraction

from kinds import damage, place, places
from table import flipped, flipped_single, json_lines, lines, nanoseconds, single, stamp

# --- numbers -------------------------------------------------------------------------------------------------------------


def value(name, data, row, field, change, **how):
    """A damage of one cell, whose text `change` makes from the old one."""
    @damage(name, data, **how)
    def make(a, b):
        at = row(a) if callable(row) else row
        b.set(at, field, change(a.get(at, field)))
        return [place(a, at, field)]


def holds(field, text):
    return lambda table: table.find(**{field: text})


value("the last bit of a double", "sensors", 777, "pressure", flipped)
value("the sign bit of a double", "sensors", 778, "pressure", lambda text: flipped(text, 63))
value("an exponent bit of a double", "sensors", 779, "pressure", lambda text: flipped(text, 52))
value("the last digit of a double", "sensors", 780, "pressure",
      lambda text: text[:-1] + str((int(text[-1]) + 1) % 10 or 1))
value("the last bit of a float", "sensors", 781, "temperature", flipped_single)
value("the last digit of a float", "sensors", 782, "humidity", lambda text: text[:-1] + ("7" if text[-1] != "7" else "8"))
value("the sign of zero, told to count", "edge", holds("c_double", "-0.0"), "c_double", lambda _: "0.0", options="--neg-zero distinct")
value("zero for a tiny number", "edge", holds("c_double", "5e-324"), "c_double", lambda _: "0.0")
value("infinity for the largest double", "edge", holds("c_double", "1.7976931348623157e+308"), "c_double", lambda _: "inf")
value("minus infinity for infinity", "edge", holds("c_float", "inf"), "c_float", lambda _: "-inf")
value("zero for NaN", "edge", holds("c_double", "NaN"), "c_double", lambda _: "0.0")
value("NULL for NaN", "edge", holds("c_double", "NaN"), "c_double", lambda _: None)
value("the last bit of a whole number beyond 2^53", "keyed", 123, "value", lambda text: str(int(text) ^ 1))
value("a whole number that went through a double", "keyed", 124, "value", lambda text: str(int(float(int(text) | 1))))
value("one less than the largest unsigned number", "edge", holds("c_ubig", "18446744073709551615"), "c_ubig",
      lambda text: str(int(text) - 1))
value("the smallest whole number became the largest", "edge", holds("c_big", "-9223372036854775808"), "c_big",
      lambda _: "9223372036854775807")
value("a byte that ran over", "edge", holds("c_tiny", "-128"), "c_tiny", lambda _: "127")
value("a decimal point moved", "notes", 31, "amount", lambda text: str(Fraction(text) * 10 // 1) + ".0000")
value("the last digit of a decimal of 20 digits", "edge", holds("c_decimal", "9999999999999999.9999"), "c_decimal",
      lambda _: "9999999999999999.9998")
value("a decimal that went through a double", "notes", 32, "amount", lambda text: f"{float(text):.4f}")
value("a boolean inverted", "notes", 33, "ok", lambda text: "false" if text == "true" else "true")


@damage("an unsigned number read as a signed one", "edge")
def _(a, b):
    row = a.find(c_ubig="18446744073709551615")
    b.set(row, "c_ubig", None)
    b.retype("c_ubig", "long")
    b.column("c_ubig", lambda text: str(int(text) - (1 << 64) if int(text) >= 1 << 63 else int(text)))
    b.set(row, "c_ubig", "-1")
    return [place(a, row, "c_ubig")]


@damage("doubles cut to whole numbers", "sensors")
def _(a, b):
    b.retype("pressure", "long")
    b.column("pressure", lambda text: text.partition(".")[0])
    return places(a, [0, 500], "pressure")


@damage("doubles narrowed to floats", "sensors")
def _(a, b):
    b.column("pressure", lambda text: repr(single(text)))
    return places(a, [5, 700], "pressure")


@damage("floats widened through six digits", "sensors", digest="--float32 temperature")
def _(a, b):
    b.retype("temperature", "double")
    b.column("temperature", lambda text: f"{float(text):.6g}")
    return [place(a, a.find(temperature=lambda text: float(f"{float(text):.6g}") != float(text)), "temperature")]


@damage("floats widened through ten digits", "sensors", digest="--read temperature=float32")
def _(a, b):
    b.retype("temperature", "double")
    b.column("temperature", lambda text: f"{single(text):.10g}")
    return places(a, [0, 998], "temperature")


@damage("two spellings of a float, both sides double", "sensors")
def _(a, b):
    for table in (a, b):
        table.retype("temperature", "double")
    b.column("temperature", lambda text: repr(single(text)))
    return places(a, [3, 999], "temperature")


@damage("NULL for zero", "edge")
def _(a, b):
    row = a.find(c_int="0")
    b.set(row, "c_int", None)
    return [place(a, row, "c_int")]


@damage("zero for NULL", "edge")
def _(a, b):
    row = a.find(c_int=None)
    b.set(row, "c_int", "0")
    return [place(a, row, "c_int")]


# --- types ---------------------------------------------------------------------------------------------------------------

@damage("booleans as texts", "notes")
def _(a, b):
    b.retype("ok", "string")
    return places(a, [0, 150], "ok")


@damage("booleans as 0 and 1", "notes")
def _(a, b):
    b.retype("ok", "int")
    b.column("ok", lambda text: str(int(text == "true")))
    return places(a, [0, 150], "ok")


@damage("whole numbers as texts", "notes")
def _(a, b):
    b.retype("n", "string")
    return places(a, [0, 150], "n")


@damage("a tag became a field", "notes")
def _(a, b):
    b.retype("hall", "string")
    return [place(a, 60)]


# --- rows ----------------------------------------------------------------------------------------------------------------

def dropped(name, row):
    @damage(name, "sensors")
    def make(a, b):
        del b.rows[row]
        return [place(a, row)]


dropped("the first row dropped", 0)
dropped("a row in the middle dropped", 500)
dropped("the last row dropped", -1)


@damage("a row doubled, the later one with another value", "sensors")
def _(a, b):
    b.rows.append(list(b.rows[40]))
    b.set(-1, "status", "9")
    return [place(a, 40, "status")]


@damage("a row doubled, where every copy counts", "sensors", options="--dedupe keep")
def _(a, b):
    b.rows.insert(41, list(b.rows[40]))
    return [place(a, 40, "status")]


@damage("all rows doubled, where every copy counts", "keyed", options="--dedupe keep")
def _(a, b):
    b.rows += [list(row) for row in b.rows]
    return places(a, [0, 599], "value")


@damage("a pair of equal rows became another pair", "keyed", options="--dedupe keep")
def _(a, b):
    for table, number in ((a, "11"), (b, "22")):
        table.set(9, "value", number)
        table.rows.insert(10, list(table.rows[9]))
    return [place(a, 9, "value")]


@damage("two copies of one row and one of another, exchanged", "keyed", options="--dedupe keep")
def _(a, b):
    other = a.beside(9)
    a.rows.append(list(a.rows[9]))
    b.rows.append(list(b.rows[other]))
    return places(a, [9, other], "value")


@damage("a row doubled, the later one with NaN", "sensors")
def _(a, b):
    b.rows.append(list(b.rows[42]))
    b.set(-1, "pressure", "NaN")
    return [place(a, 42, "pressure")]


@damage("a row doubled, with so little memory that digests are on disk", "sensors", options="--max-memory 64KiB --bucket 1s")
def _(a, b):
    b.rows.append(list(b.rows[43]))
    b.set(-1, "status", "9")
    return [place(a, 43, "status")]


@damage("two differences of equal size and opposite sign", "notes")
def _(a, b):
    other = a.beside(40)
    b.set(40, "n", str(int(a.get(40, "n")) + 7))
    b.set(other, "n", str(int(a.get(other, "n")) - 7))
    return places(a, [40, other], "n")


@damage("two differences of the same bit", "notes")
def _(a, b):
    other = a.beside(41)
    for row in (41, other):
        b.set(row, "n", str(int(a.get(row, "n")) ^ 4))
    return places(a, [41, other], "n")


@damage("a whole day missing", "meters")
def _(a, b):
    at = a.find(ts=lambda text: text.startswith("2024-01-05"))
    b.rows = [row for row in b.rows if not row[0].startswith("2024-01-05")]
    return [place(a, at)]


@damage("all rows of one series missing", "meters")
def _(a, b):
    b.rows = [row for row in b.rows if row[1] != "d3"]
    return places(a, [3, 1193])


@damage("a series too many", "meters")
def _(a, b):
    b.rows.append(list(b.rows[-1]))
    b.set(-1, "tbname", "d99")
    return [place(b, -1)]


@damage("a row too many", "meters")
def _(a, b):
    b.rows.insert(500, list(b.rows[500]))
    b.set(500, "ts", b.get(500, "ts").replace(":00:00.000", ":30:00.000"))
    return [place(b, 500)]


@damage("a row too many, of an early day, at the end of the file", "meters")
def _(a, b):
    b.rows.append(list(b.rows[7]))
    b.set(-1, "ts", "2024-01-01T00:59:59.999Z")
    return [place(b, -1)]


@damage("the rows of two hours exchanged", "meters")
def _(a, b):
    other = a.beside(700)
    b.swap("ts", 700, other)
    return places(a, [700, other], "voltage")


@damage("two series merged into one", "meters")
def _(a, b):
    b.column("tbname", lambda text: "d4" if text == "d5" else text)
    return [place(a, a.find(tbname="d5"))]


# --- columns -------------------------------------------------------------------------------------------------------------

@damage("the names of two columns exchanged", "sensors")
def _(a, b):
    one, two = b.at("temperature"), b.at("humidity")
    b.head[one], b.head[two] = b.head[two], b.head[one]
    return places(a, [0, 999], "temperature", "humidity")


@damage("the values of two columns exchanged in one row", "sensors")
def _(a, b):
    b.set(50, "temperature", a.get(50, "humidity"))
    b.set(50, "humidity", a.get(50, "temperature"))
    return places(a, [50], "temperature", "humidity")


@damage("a value exchanged with the next row's", "sensors")
def _(a, b):
    other = a.beside(60)
    b.swap("pressure", 60, other)
    return places(a, [60, other], "pressure")


@damage("a value moved to the next row", "edge")
def _(a, b):
    row = a.find(c_int=lambda text: text is not None)
    while a.get(a.beside(row), "c_int") is not None:
        row = a.find(row + 1, c_int=lambda text: text is not None)
    b.swap("c_int", row, a.beside(row))
    return places(a, [row, a.beside(row)], "c_int")


@damage("a column moved down by a row", "sensors")
def _(a, b):
    at = b.at("pressure")
    values = [row[at] for row in b.rows]
    for row, text in zip(b.rows, values[-1:] + values):
        row[at] = text
    return places(a, [1, 999], "pressure")


@damage("the values of two series exchanged", "sensors")
def _(a, b):
    for row in range(0, 1000, 10):
        b.swap("pressure", row + 3, row + 7)
    return places(a, [3, 7], "pressure")


@damage("a field renamed", "sensors")
def _(a, b):
    b.retype("pressure", "double", "Pressure")
    return places(a, [0], "pressure", "Pressure")


@damage("a field missing in one row", "sensors")
def _(a, b):
    b.set(70, "pressure", None)
    return [place(a, 70, "pressure")]


@damage("a field missing in all rows", "sensors")
def _(a, b):
    b.drop("pressure")
    return places(a, [0, 999], "pressure")


@damage("a field too many in one row", "sensors")
def _(a, b):
    b.add("extra", "long", lambda row: "1" if row == 71 else None)
    return [place(a, 71, "extra")]


# --- times ---------------------------------------------------------------------------------------------------------------

def moved(name, data, row, nanos, digits):
    """One row at another instant."""
    @damage(name, data)
    def make(a, b):
        b.set(row, "ts", stamp(nanoseconds(a.get(row, "ts")) + nanos, digits))
        return [place(a, row), place(b, row)]


moved("a row one millisecond later", "sensors", 80, 10**6, 3)
moved("a row one microsecond earlier", "edge", 80, -1000, 6)
moved("a row one nanosecond later", "nanos", 80, 1, 9)
moved("a row one hour later", "sensors", 81, 3600 * 10**9, 3)
moved("a row one day earlier", "sensors", 82, -86400 * 10**9, 3)


def far(name, stamps):
    """A row at an instant far away, on the target at another one."""
    @damage(name, "edge")
    def make(a, b):
        for table, text in zip((a, b), stamps):
            table.set(81, "ts", text)
        return [place(a, 81), place(b, 81)]


far("a row of the year 9999, one microsecond later", ("9999-12-31T23:59:59.999998Z", "9999-12-31T23:59:59.999999Z"))
far("a row of the year 1, one microsecond later", ("0001-01-01T00:00:00.000000Z", "0001-01-01T00:00:00.000001Z"))
far("a row before 1970, on the other side of it", ("1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00.000001Z"))
far("a row 2^64 nanoseconds later", ("1700-01-01T00:00:00.000000Z", "2284-07-22T23:34:33.709551Z"))


@damage("all rows one hour later", "sensors")
def _(a, b):
    b.column("ts", lambda text: stamp(nanoseconds(text) + 3600 * 10**9, 3))
    return places(a, [0, 999]) + places(b, [0, 999])


@damage("all rows one hour later, within one bucket", "sensors", options="--bucket 365d")
def _(a, b):
    b.column("ts", lambda text: stamp(nanoseconds(text) + 3600 * 10**9, 3))
    return places(a, [0, 999]) + places(b, [0, 999])


@damage("summer time taken away from one day on", "meters")
def _(a, b):
    b.column("ts", lambda text: stamp(nanoseconds(text) - 3600 * 10**9, 3) if text >= "2024-01-04" else text)
    return [place(a, -1)]


@damage("milliseconds read as microseconds", "sensors")
def _(a, b):
    b.column("ts", lambda text: stamp(nanoseconds(text) // 1000, 6))
    return places(a, [0]) + places(b, [0])


@damage("milliseconds cut to seconds", "tenths")
def _(a, b):
    b.column("ts", lambda text: text[:19] + ".000Z")
    return [place(a, a.find(ts=lambda text: ".1" in text))]


@damage("day and month exchanged", "meters")
def _(a, b):
    b.column("ts", lambda text: text.replace("2024-01-02", "2024-02-01"))
    return [place(a, a.find(ts=lambda text: text.startswith("2024-01-02")))]


@damage("a value that is a time, one microsecond later", "edge")
def _(a, b):
    row = a.find(c_time="1969-12-31T23:59:59.999999Z")
    b.set(row, "c_time", "1970-01-01T00:00:00.000000Z")
    return [place(a, row, "c_time")]


# --- texts ---------------------------------------------------------------------------------------------------------------

def text(name, old, new, column="note"):
    """A text, the same on both sides but for this cell; None is NULL."""
    @damage(name, "notes")
    def make(a, b):
        a.set(90, column, old)
        b.set(90, column, new)
        return [place(a, 90, column)]


text("an empty text for NULL", None, "")
text("NULL for an empty text", "", None)
for sentinel in ("NULL", "null", "\\N", "NaN", "None", "<null>", "0", " "):
    text(f"the text {sentinel!r} for NULL", None, sentinel)
text("the case of a letter", "Straße", "straße")
text("a blank at the end of a text", "open", "open ")
text("a blank at the beginning of a text", "open", " open")
text("composed and decomposed letters", unicodedata.normalize("NFC", "Ürümqi"), unicodedata.normalize("NFD", "Ürümqi"))
text("letters that look alike", "Москва A", "Москва А")
text("a text cut at 255 bytes", "x" * 300, "x" * 255)
text("NUL at the end of a text", "open", "open\0")
text("a text cut at NUL", "open\0closed", "open")
text("quotes lost", 'say "yes"', "say yes")
text("quotes doubled", 'say "yes"', 'say ""yes""')
text("a line feed lost", "one\ntwo", "onetwo")
text("a blank for a line feed", "one\ntwo", "one two")
text("a line feed for CR LF", "one\r\ntwo", "one\ntwo")
text("a backslash lost", "C:\\temp", "C:temp")
text("an escape read", "C:\\temp", "C:\temp")
text("a comma's escape left standing", "a,b", "a\\,b")
text("UTF-8 read as Latin-1", "Zürich", "Zürich".encode().decode("latin-1"))
text("question marks for letters", "日本", "??")
text("a byte order mark", "open", "\ufeffopen")
text("the letters of a text in another case, as for hexadecimal", "00ff", "00FF")
text("a JSON text's value", '{"a":[1,2],"b":"x"}', '{"a":[1,2],"b":"y"}', "doc")
text("a JSON number as a text", '{"a":1}', '{"a":"1"}', "doc")
text("a JSON array in another order", '{"a":[1,2]}', '{"a":[2,1]}', "doc")
text("a JSON null for a member that is not there", '{"a":1}', '{"a":1,"b":null}', "doc")
text("the last digit of a long JSON number", '{"a":12345678901234567891}', '{"a":12345678901234567892}', "doc")
text("the last digit of a JSON number beyond 64 bits", '{"a":123456789012345678901}', '{"a":123456789012345678902}', "doc")
text("the last digit of a long JSON fraction", '{"a":0.12345678901234567891}', '{"a":0.12345678901234567892}', "doc")
text("one byte of a binary", "00ff7f80", "00fe7f80", "blob")
text("a byte lost at the end of a binary", "00ff7f00", "00ff7f", "blob")
text("NULL for an empty binary", "", None, "blob")
text("one byte of a geometry", "0101000000000000000000f03f0000000000000040",
     "0101000000000000000000f03f0000000000000041", "place")


@damage("a separator moved from one text to its neighbour", "notes")
def _(a, b):
    a.set(91, "note", "p|q"), a.set(91, "more", "r")
    b.set(91, "note", "p"), b.set(91, "more", "q|r")
    return places(a, [91], "note", "more")


@damage("NULL moved from one text to its neighbour", "notes")
def _(a, b):
    a.set(92, "note", None), a.set(92, "more", "r")
    b.set(92, "note", "r"), b.set(92, "more", None)
    return places(a, [92], "note", "more")


# --- tags ----------------------------------------------------------------------------------------------------------------

def tagged(name, old, new, data="notes", row=93):
    """The tags of one row, {name: text}, on both sides: the row is missing and another one is there."""
    @damage(name, data)
    def make(a, b):
        for table, tags in ((a, old), (b, new)):
            for tag, value in tags.items():
                table.set(row, tag, value)
        return [place(a, row), place(b, row)]


tagged("a separator moved from one tag to another", {"device": "p|q", "hall": "r"}, {"device": "p", "hall": "q|r"})
tagged("two tags in the value of one", {"device": "b", "hall": "c"}, {"device": "b,hall=c", "hall": None})
tagged("the values of two tags exchanged", {"device": "one", "hall": "two"}, {"device": "two", "hall": "one"})
tagged("the case of a tag", {"device": "Pump"}, {"device": "pump"})
tagged("a blank at the end of a tag", {"device": "pump"}, {"device": "pump "})
tagged("a tag's letters composed and decomposed", {"device": "Köln"}, {"device": "Ko\u0308ln"})
tagged("a tag lost in one row", {"hall": "north"}, {"hall": None})
tagged("the text 'NULL' for a tag that is not there", {"hall": None}, {"hall": "NULL"})
tagged("an escape left standing in a tag", {"device": "a b"}, {"device": "a\\ b"})


@damage("an empty tag, told to count", "notes", options="--empty-tag distinct")
def _(a, b):
    a.set(94, "hall", None)
    b.set(94, "hall", "")
    return [place(a, 94)]


@damage("a tag renamed", "notes")
def _(a, b):
    b.retype("hall", "tag", "Hall")
    return places(a, [0]) + places(b, [0])


@damage("a tag's name and value cut elsewhere", "notes")
def _(a, b):
    a.retype("hall", "tag", "hal")
    a.column("hal", lambda text: "l" + text)
    return places(a, [0]) + places(b, [0])


@damage("a whole-number tag with another value", "meters")
def _(a, b):
    b.set(95, "groupid", "77")
    return [place(a, 95), place(b, 95)]


@damage("the names of two sub-tables exchanged", "meters")
def _(a, b):
    b.column("tbname", lambda text: {"d2": "d7", "d7": "d2"}.get(text, text))
    return [place(a, a.find(tbname="d2")), place(a, a.find(tbname="d7"))]


@damage("the name of a redundant sub-table, told to count", "sensors", options="--table-as tag")
def _(a, b):
    b.set(96, "tbname", "sensor_9999")
    return [place(a, 96)]


# --- composite keys ------------------------------------------------------------------------------------------------------

@damage("the second parts of two keys exchanged", "keyed")
def _(a, b):
    other = a.find(97, ts=a.get(96, "ts"), tbname=a.get(96, "tbname"))
    b.swap("seq", 96, other)
    return places(a, [96, other], "value")


@damage("the second part of a key", "keyed")
def _(a, b):
    b.set(102, "seq", "17")
    return [place(a, 102), place(b, 102)]


@damage("rows with the same instant overwrote each other", "keyed")
def _(a, b):
    last = {(row[0], row[1]): row for row in b.rows}
    b.rows = list(last.values())
    return [place(a, 0)]


# --- line protocol -------------------------------------------------------------------------------------------------------

def written(name, field):
    """A damage of the target's line protocol: `change` gets the lines of every row, and the row to damage."""
    def register(change):
        @damage(name, "sensors", digest="--measurement m --float32 temperature,humidity")
        def make(a, b):
            rows = lines(b, "m")
            change(rows, 110)
            b.other = ("b.lp", "".join(line + "\n" for row in rows for line in row))
            return [place(a, 110, field)]
    return register


@written("a line lost", None)
def _(rows, at):
    rows[at] = []


@written("a line's time in milliseconds among nanoseconds", None)
def _(rows, at):
    rows[at] = [rows[at][0][:-6]]


@written("a field lost in a line", "status")
def _(rows, at):
    head, fields, time = rows[at][0].split(" ")
    rows[at] = [f"{head} {','.join(field for field in fields.split(',') if not field.startswith('status='))} {time}"]


@written("a field written again with another value", "status")
def _(rows, at):
    head, _, time = rows[at][0].split(" ")
    rows.append([f"{head} status=99i {time}"])


@written("the last bit of a double in a line", "pressure")
def _(rows, at):
    head, fields, time = rows[at][0].split(" ")
    fields = [f"{name}={flipped(text)}" if name == "pressure" else f"{name}={text}"
              for name, text in (field.split("=") for field in fields.split(","))]
    rows[at] = [f"{head} {','.join(fields)} {time}"]


@damage("the last digit of a whole number beyond 2^53, in JSON lines", "keyed", options="--tag tbname,seq,site")
def _(a, b):
    b.set(130, "value", str(int(b.get(130, "value")) ^ 1))
    b.other = ("b.ndjson", json_lines(b))
    return [place(a, 130, "value")]


@damage("the last bit of a double, in JSON lines", "sensors", options="--tag tbname,location,device_id --float32 temperature,humidity")
def _(a, b):
    b.set(131, "pressure", flipped(b.get(131, "pressure")))
    b.other = ("b.ndjson", json_lines(b))
    return [place(a, 131, "pressure")]


@damage("another measurement in one line", "sensors")
def _(a, b):
    text = "".join(line + "\n" for row in lines(a, "m") for line in row)
    a.other, b.other = ("a.lp", text), ("b.lp", text.replace("m,", "n,", 1))
    return [place(a, 0)]
