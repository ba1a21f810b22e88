//! Which texts of a Parquet file are worth reading as dictionaries: those that the file itself holds so from end to end.
//! Then nothing is unpacked, and whoever writes or hashes them looks at each text once per row group.

use crate::types::Type;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::basic::Encoding;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use std::sync::Arc;

/// The schema with those columns as dictionaries, `None` if there are none. `largest`: encoded bytes of a column in one
/// row group, at most, so that a dictionary is surely small beside a batch.
pub(crate) fn as_dictionaries(schema: &Schema, file: &ParquetMetaData, largest: usize) -> Option<SchemaRef> {
    let flat = file.file_metadata().schema_descr().num_columns() == schema.fields().len();
    if !flat || file.num_row_groups() == 0 {
        return None;
    }
    let mut any = false;
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(at, field)| {
            let plain = matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
            let small = |column: &ColumnChunkMetaData| {
                usize::try_from(column.uncompressed_size()).is_ok_and(|bytes| bytes <= largest)
            };
            let held = file
                .row_groups()
                .iter()
                .all(|group| group.columns().get(at).is_some_and(|column| all_by_dictionary(column) && small(column)));
            if !plain || !held || !matches!(Type::of(field), Ok(Type::String)) {
                return field.as_ref().clone();
            }
            any = true;
            let data = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            field.as_ref().clone().with_data_type(data)
        })
        .collect();
    any.then(|| Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())))
}

fn all_by_dictionary(column: &ColumnChunkMetaData) -> bool {
    column.dictionary_page_offset().is_some()
        && column
            .page_encoding_stats_mask()
            .is_some_and(|pages| pages.is_only(Encoding::RLE_DICTIONARY) || pages.is_only(Encoding::PLAIN_DICTIONARY))
}
