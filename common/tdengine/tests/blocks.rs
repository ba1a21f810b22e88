//! Blocks built here by the layout, and bytes that are no blocks at all.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Decimal128Type, Float64Type, Int32Type};
use arrow_array::{Array as _, ArrayRef};
use rows::time::Unit;
use tdengine::types::{Column, Type};
use tdengine::{block, block2, json};
use testkit::proptest;
use testkit::proptest::prelude::*;

/// One column to encode: type number, the five header bytes after it, and its cells.
enum Cells {
    Fixed { kind: u8, width: usize, cells: Vec<Option<Vec<u8>>> },
    Variable { kind: u8, wide: bool, cells: Vec<Option<Vec<u8>>> },
}

fn encode(rows: usize, columns: &[Cells], swapped: bool, flag_byte: bool) -> Vec<u8> {
    let (mut kinds, mut lengths, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
    for column in columns {
        let (kind, length, body) = match column {
            Cells::Fixed { kind, width, cells } => {
                let mut bitmap = vec![0u8; rows.div_ceil(8)];
                let mut data = Vec::new();
                for (row, cell) in cells.iter().enumerate() {
                    match cell {
                        Some(bytes) => data.extend_from_slice(bytes),
                        None => {
                            bitmap[row / 8] |= 0x80 >> (row % 8);
                            data.extend(std::iter::repeat_n(0xAA, *width)); // garbage is allowed under a NULL
                        }
                    }
                }
                let length = data.len();
                bitmap.extend_from_slice(&data);
                (*kind, length, bitmap)
            }
            Cells::Variable { kind, wide, cells } => {
                let (mut offsets, mut data) = (Vec::new(), Vec::new());
                for cell in cells {
                    match cell {
                        None => offsets.extend_from_slice(&(-1i32).to_le_bytes()),
                        Some(bytes) => {
                            offsets.extend_from_slice(&(data.len() as i32).to_le_bytes());
                            match wide {
                                true => data.extend_from_slice(&(bytes.len() as u32).to_le_bytes()),
                                false => data.extend_from_slice(&(bytes.len() as u16).to_le_bytes()),
                            }
                            data.extend_from_slice(bytes);
                        }
                    }
                }
                let length = data.len();
                offsets.extend_from_slice(&data);
                (*kind, length, offsets)
            }
        };
        kinds.extend_from_slice(&[kind, 2, 20, 0, 16]);
        let length = length as i32;
        lengths.extend_from_slice(&if swapped { length.to_be_bytes() } else { length.to_le_bytes() });
        bodies.extend_from_slice(&body);
    }
    let total = 28 + kinds.len() + lengths.len() + bodies.len() + usize::from(flag_byte);
    let mut out = Vec::new();
    for word in [1, total as i32, rows as i32, columns.len() as i32, i32::MIN] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&[0; 8]);
    out.extend([kinds, lengths, bodies].concat());
    out.extend(std::iter::repeat_n(0, usize::from(flag_byte)));
    out
}

fn nchar(text: &str) -> Vec<u8> {
    text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect()
}

#[test]
fn types_that_the_recordings_do_not_have() {
    let minus = (-12_345i128).to_le_bytes().to_vec();
    let blob = vec![0xEE; 70_000];
    let columns = [
        Cells::Fixed { kind: 17, width: 16, cells: vec![Some(minus), None] },
        Cells::Fixed { kind: 21, width: 8, cells: vec![None, Some(7i64.to_le_bytes().to_vec())] },
        Cells::Variable { kind: 18, wide: true, cells: vec![Some(blob.clone()), Some(Vec::new())] },
        Cells::Fixed {
            kind: 7,
            width: 8,
            cells: vec![Some(f64::NAN.to_le_bytes().to_vec()), Some(f64::NEG_INFINITY.to_le_bytes().to_vec())],
        },
        Cells::Fixed { kind: 0, width: 1, cells: vec![None, None] },
    ];
    let decimal = |name: &str, kind| Column { precision: 20, scale: 2, ..Column::new(name, kind) };
    let types = [
        decimal("d", Type::Decimal),
        decimal("e", Type::Decimal64),
        Column::new("b", Type::Blob),
        Column::new("f", Type::Double),
        Column::new("n", Type::Null),
    ];
    let rows = block::decode(&encode(2, &columns, false, true), &types, Unit::Ms).unwrap();
    let wide = rows.columns[0].as_primitive::<Decimal128Type>();
    assert_eq!((wide.value_as_string(0), wide.is_null(1)), ("-123.45".to_owned(), true));
    assert_eq!(rows.columns[1].as_primitive::<Decimal128Type>().value_as_string(1), "0.07");
    assert_eq!(rows.columns[2].as_binary::<i32>().value(0), blob);
    let floats = rows.columns[3].as_primitive::<Float64Type>();
    assert!(floats.value(0).is_nan() && floats.value(1) == f64::NEG_INFINITY);
    assert_eq!(rows.columns[4].null_count(), 2);
}

#[test]
fn an_unknown_type_is_named_and_nothing_is_skipped() {
    let columns = [Cells::Fixed { kind: 99, width: 4, cells: vec![Some(vec![0; 4])] }];
    let error =
        block::decode(&encode(1, &columns, false, false), &[Column::new("x", Type::Int)], Unit::Ms).unwrap_err();
    assert!(error.to_string().contains("99") && error.to_string().contains("column x"), "{error}");
    assert_eq!(error.kind(), fault::Kind::Refused);
}

#[test]
fn repeated_and_descending_offsets_are_read() {
    let columns =
        [Cells::Variable { kind: 8, wide: false, cells: vec![Some(b"ab".to_vec()), Some(b"c".to_vec()), None] }];
    let mut bytes = encode(3, &columns, false, false);
    let offsets = 28 + 5 + 4;
    for (row, offset) in [4i32, 0, 4].iter().enumerate() {
        bytes[offsets + 4 * row..offsets + 4 * row + 4].copy_from_slice(&offset.to_le_bytes());
    }
    for dictionary in [false, true] {
        let column = Column { dictionary, ..Column::new("s", Type::Varchar) };
        let rows = block::decode(&bytes, &[column], Unit::Ms).unwrap();
        let texts: Vec<Option<String>> =
            (0..3).map(|row| tdengine::value::text(rows.columns[0].as_ref(), row)).collect();
        assert_eq!(texts, [Some("c".into()), Some("ab".into()), Some("c".into())]);
    }
}

#[test]
fn text_that_is_not_utf8_is_refused_or_read_as_bytes() {
    let bytes =
        encode(1, &[Cells::Variable { kind: 8, wide: false, cells: vec![Some(vec![0xff, 0xfe])] }], false, false);
    let column = Column::new("s", Type::Varchar);
    let error = block::decode(&bytes, std::slice::from_ref(&column), Unit::Ms).unwrap_err();
    assert!(error.to_string().contains("--as-binary s"), "{error}");
    let rows = block::decode(&bytes, &[Column { as_bytes: true, ..column }], Unit::Ms).unwrap();
    assert_eq!(rows.columns[0].as_binary::<i32>().value(0), [0xff, 0xfe]);
}

/// All columns that a random block is read as.
fn any_columns() -> Vec<Column> {
    let kinds =
        [Type::Timestamp, Type::Bool, Type::Int, Type::Varchar, Type::NChar, Type::Blob, Type::Decimal, Type::Json];
    kinds.iter().map(|kind| Column { precision: 20, scale: 2, ..Column::new("c", *kind) }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn built_blocks_come_back(
        numbers in proptest::collection::vec(proptest::option::of(any::<i32>()), 1..40),
        texts in proptest::collection::vec(proptest::option::of(".{0,12}"), 40),
        swapped in any::<bool>(), flag in any::<bool>(), dictionary in any::<bool>(),
    ) {
        let rows = numbers.len();
        let texts = &texts[..rows];
        let fixed = |f: &dyn Fn(i32) -> Vec<u8>| numbers.iter().map(|n| n.map(f)).collect::<Vec<_>>();
        let columns = [
            Cells::Fixed { kind: 4, width: 4, cells: fixed(&|n| n.to_le_bytes().to_vec()) },
            Cells::Fixed { kind: 1, width: 1, cells: fixed(&|n| vec![u8::from(n % 2 == 0)]) },
            Cells::Variable { kind: 8, wide: false, cells: texts.iter().map(|t| t.as_ref().map(|t| t.as_bytes().to_vec())).collect() },
            Cells::Variable { kind: 10, wide: false, cells: texts.iter().map(|t| t.as_ref().map(|t| nchar(t))).collect() },
        ];
        let types = [
            Column::new("i", Type::Int), Column::new("b", Type::Bool),
            Column { dictionary, ..Column::new("v", Type::Varchar) }, Column { dictionary, ..Column::new("n", Type::NChar) },
        ];
        let decoded = block::decode(&encode(rows, &columns, swapped, flag), &types, Unit::Us).unwrap();
        prop_assert_eq!(decoded.len, rows);
        for row in 0..rows {
            let number = decoded.columns[0].as_primitive::<Int32Type>();
            prop_assert_eq!((!number.is_null(row)).then(|| number.value(row)), numbers[row]);
            let flag = decoded.columns[1].as_boolean();
            prop_assert_eq!((!flag.is_null(row)).then(|| flag.value(row)), numbers[row].map(|n| n % 2 == 0));
            for column in &decoded.columns[2..] {
                prop_assert_eq!(tdengine::value::text(column.as_ref(), row), texts[row].clone());
            }
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), rows in 0usize..50) {
        let _ = block::shape(&bytes);
        let _ = block::decode(&bytes, &any_columns(), Unit::Ns);
        let _ = block2::decode(&bytes, rows, &[8, 1, 4, 10, 10, 10, 16, 10], &any_columns(), Unit::Ns);
        let _ = tdengine::reply::raw_block(&net::Bytes::from(bytes.clone()));
        let _ = tdengine::reply::fetched_block(&net::Bytes::from(bytes.clone()), 1, rows);
        if let Ok(mut body) = json::Body::open(bytes.as_slice()) {
            while let Ok(Some(_)) = body.next_row() {}
        }
    }

    #[test]
    fn damaged_blocks_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), dictionary in any::<bool>()) {
        let text = |s: &str| Some(s.as_bytes().to_vec());
        let columns = [
            Cells::Fixed { kind: 9, width: 8, cells: vec![Some(vec![1; 8]); 9] },
            Cells::Variable { kind: 8, wide: false, cells: vec![text("ab"), None, text("c"), text(""), text("ab"), None, text("d"), text("e"), text("f")] },
            Cells::Variable { kind: 10, wide: false, cells: vec![Some(nchar("x😀")); 9] },
        ];
        let mut bytes = encode(9, &columns, false, true);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let types = [Column::new("t", Type::Timestamp), Column { dictionary, ..Column::new("v", Type::Varchar) }, Column { dictionary, ..Column::new("n", Type::NChar) }];
        if let Ok(rows) = block::decode(&bytes, &types, Unit::Ms) {
            let same: Vec<usize> = rows.columns.iter().map(|column: &ArrayRef| column.len()).collect();
            prop_assert!(same.iter().all(|n| *n == rows.len));
        }
    }

    #[test]
    fn json_rows_come_back(texts in proptest::collection::vec(proptest::option::of(any::<String>()), 0..20)) {
        let rows: Vec<serde_json::Value> = texts.iter().map(|t| serde_json::json!([t, 1])).collect();
        let reply = serde_json::json!({"code": 0, "column_meta": [["s", "VARCHAR", 9], ["n", "INT", 4]], "data": rows, "rows": texts.len()});
        let reply = reply.to_string();
        let mut stream = tdengine::rest::Stream::open(json::Body::open(reply.as_bytes()).unwrap(), None).unwrap();
        let mut seen = Vec::new();
        while let Some(rows) = stream.next_rows().unwrap() {
            seen.extend((0..rows.len).map(|row| tdengine::value::text(rows.columns[0].as_ref(), row)));
        }
        prop_assert_eq!(seen, texts);
    }
}
