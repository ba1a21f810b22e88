//! The InfluxDB simulator's parser and store under random input.
use std::borrow::Cow;
use std::collections::BTreeMap;
use testkit::proptest::prelude::*;
use ts_sim::influx::points::{self, Rules, Value};
use ts_sim::influx::rows::Rows;

const RULES: Rules = Rules { unsigned: true, reserved_tags: true, unit: 1, now: 7 };

/// Bytes that mean something in line protocol, and a few that do not.
fn odd_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(
        prop::sample::select(b"ab,,  ==\"\"\\\\\n\n\t\r#019-+.eEiutTfFnN\x00\xff\xc3".to_vec()),
        0..120,
    )
}

fn values() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(|f| Value::Float(if f.is_nan() { 0.5 } else { f })),
        any::<bool>().prop_map(Value::Bool),
        any::<u64>().prop_map(Value::Uint),
        "[a-z]{0,6}".prop_map(|s| Value::Str(Cow::Owned(s.into_bytes()))),
    ]
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(body in odd_bytes()) {
        let batch = points::parse(&body, RULES);
        // every line is a point, a complaint, or one of those that would crash the server
        let lines = body.split(|b| *b == b'\n').filter(|l| !l.is_empty()).count();
        prop_assert!(batch.points.len() + batch.failed.len() <= lines);
        for point in &batch.points {
            prop_assert!(point.fields.end <= batch.fields.len());
            let (name, tags) = points::split_key(&point.key);
            prop_assert!(!name.is_empty());
            prop_assert!(tags.iter().all(|(k, v)| !k.is_empty() && !v.is_empty()), "{:?}", tags);
        }
        prop_assert!(points::complete_lines(&body) <= body.len());
    }

    #[test]
    fn whole_lines_can_be_loaded_apart(body in odd_bytes()) {
        let cut = points::complete_lines(&body);
        let (head, tail) = body.split_at(cut);
        let (whole, first, second) = (points::parse(&body, RULES), points::parse(head, RULES), points::parse(tail, RULES));
        prop_assert_eq!(whole.points.len(), first.points.len() + second.points.len());
        prop_assert_eq!(whole.failed, [first.failed, second.failed].concat());
    }

    #[test]
    fn the_last_write_of_every_field_wins(
        writes in prop::collection::vec((0i64..20, prop::collection::btree_map(0u32..4, values(), 1..4)), 0..80),
        settle_at in 0usize..80,
    ) {
        let mut rows = Rows::default();
        let mut expected: BTreeMap<i64, BTreeMap<u32, Value>> = BTreeMap::new();
        for (n, (time, fields)) in writes.iter().enumerate() {
            rows.push(*time, fields.iter().map(|(id, value)| (*id, value)));
            expected.entry(*time).or_default().extend(fields.iter().map(|(id, value)| (*id, value.clone())));
            if n == settle_at {
                rows.settle();
            }
        }
        rows.settle();
        prop_assert_eq!(rows.times(), expected.keys().copied().collect::<Vec<_>>());
        for (row, fields) in expected.values().enumerate() {
            for id in 0..4 {
                prop_assert_eq!(rows.get(row, id), fields.get(&id).cloned(), "row {} field {}", row, id);
            }
        }
        rows.delete(5, 10);
        expected.retain(|time, _| !(5..10).contains(time));
        prop_assert_eq!(rows.times(), expected.keys().copied().collect::<Vec<_>>());
        for (row, fields) in expected.values().enumerate() {
            for id in 0..4 {
                prop_assert_eq!(rows.get(row, id), fields.get(&id).cloned());
            }
        }
    }
}
