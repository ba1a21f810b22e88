//! The frame of a `stmt2` bind (dossier tdengine 2.5): names, tags and columns of several tables.

use super::super::byte_reader::ByteReader;
use super::super::types::Type;
use super::is_variable;

/// One bound column or tag: its type's number, and the bytes of each value.
#[derive(Debug, PartialEq, Eq)]
pub struct BoundColumn<'a> {
    pub number: i32,
    pub values: Vec<Option<&'a [u8]>>,
}

/// The parts of a frame, by table; a part that is not there is empty.
#[derive(Debug, Default)]
pub struct Frame<'a> {
    pub tables: usize,
    pub names: Vec<String>,
    pub tags: Vec<Vec<BoundColumn<'a>>>,
    pub columns: Vec<Vec<BoundColumn<'a>>>,
}

/// Reads the body of a frame. The errors are the adapter's words.
pub fn decode_frame(body: &[u8]) -> Result<Frame<'_>, String> {
    let mut header = ByteReader::new(body);
    let mut words = [0_usize; 7];
    for word in &mut words {
        *word = header.u32().ok_or("data length is less than 28")? as usize;
    }
    let [total, tables, tag_count, column_count, names_at, tags_at, columns_at] = words;
    if total != body.len() {
        return Err(format!("total length not match, expect {}, but get {total}", body.len()));
    }
    // Every table has at least a name, tags or columns.
    if tables > body.len() {
        return Err("table name lengths out of range".into());
    }
    let names = if names_at > 0 { names(body, names_at, tables)? } else { Vec::new() };
    let part = |at: usize, count: usize, what: &str| match (at, count) {
        (0, _) => Ok(Vec::new()),
        (_, 0) => Err(format!("{what} count is 0, but {what}s offset is not 0")),
        _ => entries(body, at, tables, count).ok_or_else(|| format!("{what}s out of range, total length: {total}")),
    };
    Ok(Frame { tables, names, tags: part(tags_at, tag_count, "tag")?, columns: part(columns_at, column_count, "col")? })
}

fn names(body: &[u8], at: usize, tables: usize) -> Result<Vec<String>, String> {
    let range = || format!("table names out of range, total length: {}", body.len());
    let mut reader = ByteReader::new(body.get(at..).ok_or_else(range)?);
    let lengths: Option<Vec<u16>> = (0..tables).map(|_| reader.u16()).collect();
    let mut names = Vec::with_capacity(tables);
    for (table, length) in lengths.ok_or_else(range)?.into_iter().enumerate() {
        if length == 0 {
            return Err(format!("table name length is 0, tableIndex: {table}"));
        }
        let name = reader.take(usize::from(length)).ok_or_else(range)?;
        let name = name.split(|b| *b == 0).next().unwrap_or_default();
        names.push(String::from_utf8_lossy(name).into_owned());
    }
    Ok(names)
}

/// For each table the length of its part, then the parts.
fn entries(body: &[u8], at: usize, tables: usize, count: usize) -> Option<Vec<Vec<BoundColumn<'_>>>> {
    let mut reader = ByteReader::new(body.get(at..)?);
    let lengths: Vec<usize> = (0..tables).map(|_| reader.size()).collect::<Option<_>>()?;
    lengths
        .into_iter()
        .map(|length| {
            let mut table = ByteReader::new(reader.take(length)?);
            // A column takes 17 bytes at least.
            (count <= length / 17).then_some(())?;
            (0..count).map(|_| column(&mut table)).collect()
        })
        .collect()
}

/// `u32 length | u32 type | u32 n | n x u8 is NULL | u8 has lengths | [n x i32 length] | u32 size | values`.
fn column<'a>(reader: &mut ByteReader<'a>) -> Option<BoundColumn<'a>> {
    let length = reader.size()?;
    let mut entry = ByteReader::new(reader.take(length.checked_sub(4)?)?);
    let (number, rows) = (entry.i32()?, entry.size()?);
    let nulls = entry.take(rows)?;
    let lengths = if entry.u8()? != 0 { Some(entry.take(rows.checked_mul(4)?)?) } else { None };
    let buffer = entry.part()?;
    let mut values = ByteReader::new(buffer.rest());
    let ty = u8::try_from(number).ok().and_then(|number| Type::from_wire(number, [0; 4]));
    let width = ty.filter(|ty| !is_variable(ty.kind)).and_then(Type::width);
    let mut lengths = lengths.map(ByteReader::new);
    let values = nulls
        .iter()
        .map(|null| {
            let length = match &mut lengths {
                Some(lengths) => Some(lengths.size()?),
                None => None,
            };
            match (*null != 0, width, length) {
                // A NULL of a fixed type has its place, unless all are NULL; a variable one has none.
                (true, Some(width), _) => {
                    let _ = values.take(width);
                    Some(None)
                }
                (true, None, _) => Some(None),
                (false, Some(width), _) => values.take(width).map(Some),
                (false, None, Some(length)) => values.take(length).map(Some),
                (false, None, None) => None,
            }
        })
        .collect::<Option<Vec<_>>>()?;
    Some(BoundColumn { number, values })
}

#[cfg(test)]
mod tests {
    use testkit::proptest::prelude::*;

    use super::*;

    /// Two tables; an INT column with a NULL, and a VARCHAR column.
    fn frame() -> Vec<u8> {
        let entry = |number: u32, nulls: &[u8], lengths: Option<&[u32]>, buffer: &[u8]| {
            let mut out = number.to_le_bytes().to_vec();
            out.extend_from_slice(&(nulls.len() as u32).to_le_bytes());
            out.extend_from_slice(nulls);
            out.push(u8::from(lengths.is_some()));
            lengths.into_iter().flatten().for_each(|l| out.extend_from_slice(&l.to_le_bytes()));
            out.extend_from_slice(&(buffer.len() as u32).to_le_bytes());
            out.extend_from_slice(buffer);
            [&(out.len() as u32 + 4).to_le_bytes(), &out[..]].concat()
        };
        let table =
            [entry(4, &[0, 1], None, &[7, 0, 0, 0, 0, 0, 0, 0]), entry(8, &[1, 0], Some(&[0, 2]), b"xy")].concat();
        let mut columns = Vec::new();
        columns.extend_from_slice(&(table.len() as u32).to_le_bytes());
        columns.extend_from_slice(&(table.len() as u32).to_le_bytes());
        columns.extend_from_slice(&table);
        columns.extend_from_slice(&table);
        let names = b"\x02\0\x03\0a\0bc\0";
        let total = 28 + names.len() + columns.len();
        let words = [total, 2, 0, 2, 28, 0, 28 + names.len()];
        let mut out: Vec<u8> = words.iter().flat_map(|w| (*w as u32).to_le_bytes()).collect();
        out.extend_from_slice(names);
        out.extend_from_slice(&columns);
        out
    }

    #[test]
    fn tables_and_their_columns_are_found() {
        let bytes = frame();
        let frame = decode_frame(&bytes).unwrap();
        assert_eq!((frame.tables, frame.names), (2, vec!["a".to_string(), "bc".into()]));
        assert!(frame.tags.is_empty());
        for table in frame.columns {
            assert_eq!(table[0], BoundColumn { number: 4, values: vec![Some(&[7, 0, 0, 0]), None] });
            assert_eq!(table[1], BoundColumn { number: 8, values: vec![None, Some(b"xy")] });
        }
        assert!(decode_frame(&bytes[..20]).is_err_and(|why| why.contains("less than 28")));
    }

    proptest! {
        #[test]
        fn damage_is_refused_and_never_worse(at in 0_usize..150, byte in any::<u8>()) {
            let mut bytes = frame();
            if let Some(b) = bytes.get_mut(at) {
                *b = byte;
            }
            let _ = decode_frame(&bytes);
        }
    }
}
