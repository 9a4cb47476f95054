//! The Arrow side of a part: schema message, record batch headers, footer (Arrow columnar
//! format, "Serialization and Interprocess Communication", metadata version V5).
//!
//! All of it is computed before the first row and copied into place, so that no thread that
//! makes keys ever builds a flatbuffer.

use arrow_ipc::convert::IpcSchemaEncoder;
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions};
use arrow_ipc::{
    Block, Buffer, FieldNode, FooterBuilder, Message, MessageBuilder, MessageHeader,
    MetadataVersion, RecordBatchBuilder, Type,
};
use arrow_schema::{DataType, Field, Metadata, Schema};
use flatbuffers::FlatBufferBuilder;

use super::description::{MetadataError, PartDescription};
use super::layout::{CIPHERTEXT_BLOB, INDEX, Layout, PUBLIC_KEY, SlotLayout};
use crate::limits::PAGE_BYTES;

/// First bytes of every Arrow file, padded to eight.
pub(super) const FILE_START: [u8; 8] = *b"ARROW1\0\0";
/// Last bytes of every Arrow file.
pub(super) const FILE_END: [u8; 6] = *b"ARROW1";
/// The word before every message; as first word of a slot it commits the slot.
pub(super) const CONTINUATION: u32 = u32::MAX;
/// End of the stream inside the file.
pub(super) const END_OF_STREAM: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
/// Before the footer's own checksum, which lies behind its flatbuffer.
pub(super) const FOOTER_SEAL: [u8; 4] = *b"KMFT";
/// Length of the footer's seal: word and CRC-32C.
pub(super) const FOOTER_SEAL_BYTES: usize = 8;

/// The schema of a part: `Index`, the manifest's columns, public key, blob.
pub(super) fn schema(description: &PartDescription, slot_bytes: u64) -> Schema {
    let mut fields = vec![Field::new(INDEX, DataType::UInt64, false)];
    for column in &description.columns {
        fields.push(Field::new(&column.name, DataType::Utf8, false));
    }
    fields.push(Field::new(PUBLIC_KEY, DataType::Binary, false));
    fields.push(Field::new(CIPHERTEXT_BLOB, DataType::Binary, false));
    let metadata: Metadata = description
        .to_metadata(slot_bytes)
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    Schema::new_with_metadata(fields, metadata)
}

/// Everything before slot 0: magic and schema message, padded to a page inside the metadata.
pub(super) fn prefix(schema: &Schema) -> Vec<u8> {
    let message = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(
        schema,
        &mut DictionaryTracker::new(false),
        &IpcWriteOptions::default(),
    );
    let mut prefix = FILE_START.to_vec();
    let bytes = (prefix.len() + 8 + message.ipc_message.len()).next_multiple_of(PAGE_BYTES);
    encapsulate(&message.ipc_message, bytes - FILE_START.len(), &mut prefix);
    prefix
}

/// Marker, length and `flatbuffer`, padded with zeros to `bytes`.
fn encapsulate(flatbuffer: &[u8], bytes: usize, out: &mut Vec<u8>) {
    let end = out.len() + bytes;
    assert!(8 + flatbuffer.len() <= bytes, "the room for a message was computed too small");
    out.extend_from_slice(&CONTINUATION.to_le_bytes());
    out.extend_from_slice(&word(bytes - 8).to_le_bytes());
    out.extend_from_slice(flatbuffer);
    out.resize(end, 0);
}

/// A length as the format stores it; all lengths here are bounded by `limits`.
fn word(bytes: usize) -> i32 {
    i32::try_from(bytes).expect("bounded by the layout")
}

/// A count as the format stores it.
fn long(n: usize) -> i64 {
    i64::try_from(n).expect("bounded by the layout")
}

/// The header of a slot of `rows` rows, marker included.
pub(super) fn slot_header(slot: &SlotLayout, rows: usize) -> Vec<u8> {
    let mut fbb = FlatBufferBuilder::new();
    let (nodes, buffers) = nodes_and_buffers(slot, rows);
    let nodes = fbb.create_vector(&nodes);
    let buffers = fbb.create_vector(&buffers);
    let mut batch = RecordBatchBuilder::new(&mut fbb);
    batch.add_length(long(rows));
    batch.add_nodes(nodes);
    batch.add_buffers(buffers);
    let batch = batch.finish().as_union_value();
    let mut message = MessageBuilder::new(&mut fbb);
    message.add_version(MetadataVersion::V5);
    message.add_header_type(MessageHeader::RecordBatch);
    message.add_bodyLength(long(slot.body_bytes()));
    message.add_header(batch);
    let message = message.finish();
    fbb.finish(message, None);
    let mut header = Vec::with_capacity(slot.header_bytes);
    encapsulate(fbb.finished_data(), slot.header_bytes, &mut header);
    header
}

/// One node a column; no column has a validity buffer, since none is nullable.
fn nodes_and_buffers(slot: &SlotLayout, rows: usize) -> (Vec<FieldNode>, Vec<Buffer>) {
    let buffer =
        |start: usize, bytes: usize| Buffer::new(long(start - slot.header_bytes), long(bytes));
    let nodes = vec![FieldNode::new(long(rows), 0); 1 + slot.binaries.len()];
    let mut buffers = vec![buffer(slot.index.start, 0), buffer(slot.index.start, 8 * rows)];
    for binary in &slot.binaries {
        let values_bytes = binary.width.map_or(binary.values.bytes, |width| width * rows);
        buffers.push(buffer(binary.offsets.start, 0));
        buffers.push(buffer(binary.offsets.start, 4 * (rows + 1)));
        buffers.push(buffer(binary.values.start, values_bytes));
    }
    (nodes, buffers)
}

/// Whether `header`, a slot's header with marker, says what [`slot_header`] says.
pub(super) fn is_slot_header(header: &[u8], slot: &SlotLayout, rows: usize) -> bool {
    let Some((start, flatbuffer)) = header.split_at_checked(8) else { return false };
    if start[..4] != CONTINUATION.to_le_bytes()
        || start[4..] != word(header.len() - 8).to_le_bytes()
    {
        return false;
    }
    let Ok(message) = arrow_ipc::root_as_message(flatbuffer) else { return false };
    let Some(batch) = message.header_as_record_batch() else { return false };
    let (nodes, buffers) = nodes_and_buffers(slot, rows);
    message.version() == MetadataVersion::V5
        && message.bodyLength() == long(slot.body_bytes())
        && batch.length() == long(rows)
        && batch.compression().is_none()
        && batch.nodes().is_some_and(|found| found.iter().eq(&nodes))
        && batch.buffers().is_some_and(|found| found.iter().eq(&buffers))
}

/// Everything behind the last slot: end of stream, footer with its seal, length, magic.
///
/// The seal is to the frame of the file (`prefix_crc`, end of stream, footer) what the trailer
/// is to a slot. Like slack in a message it lies inside the counted length, so that there is no
/// gap between end of stream and footer.
pub(super) fn tail(schema: &Schema, layout: &Layout, prefix_crc: u32) -> Vec<u8> {
    let mut fbb = FlatBufferBuilder::new();
    let dictionaries = fbb.create_vector::<Block>(&[]);
    let blocks: Vec<Block> = (0..layout.slots()).map(|slot| block(layout, slot)).collect();
    let blocks = fbb.create_vector(&blocks);
    let schema = IpcSchemaEncoder::new().schema_to_fb_offset(&mut fbb, schema);
    let mut footer = FooterBuilder::new(&mut fbb);
    footer.add_version(MetadataVersion::V5);
    footer.add_schema(schema);
    footer.add_dictionaries(dictionaries);
    footer.add_recordBatches(blocks);
    let footer = footer.finish();
    fbb.finish(footer, None);
    let mut tail = END_OF_STREAM.to_vec();
    tail.extend_from_slice(fbb.finished_data());
    tail.resize(tail.len().next_multiple_of(8), 0);
    tail.extend_from_slice(&FOOTER_SEAL);
    let crc = crc32c::crc32c_append(prefix_crc, &tail);
    tail.extend_from_slice(&crc.to_le_bytes());
    let footer_bytes = word(tail.len() - END_OF_STREAM.len());
    tail.extend_from_slice(&footer_bytes.to_le_bytes());
    tail.extend_from_slice(&FILE_END);
    tail
}

fn block(layout: &Layout, slot: u64) -> Block {
    let start = long(layout.slot_range(slot).start);
    Block::new(start, word(layout.slot.header_bytes), long(layout.slot.body_bytes()))
}

/// Whether `footer`, without its seal, lists exactly the slots of `layout` under `description`.
pub(super) fn is_footer(footer: &[u8], layout: &Layout, description: &PartDescription) -> bool {
    let Ok(footer) = arrow_ipc::root_as_footer(footer) else { return false };
    let Some(schema) = footer.schema() else { return false };
    let blocks = (0..layout.slots()).map(|slot| block(layout, slot));
    footer.version() == MetadataVersion::V5
        && read_schema(schema).is_ok_and(|found| found.description == *description)
        && footer.dictionaries().is_none_or(|blocks| blocks.is_empty())
        && footer.recordBatches().is_some_and(|found| found.iter().copied().eq(blocks))
}

/// What a schema message says.
#[derive(Debug)]
pub(super) struct SchemaFound {
    pub(super) description: PartDescription,
    pub(super) slot_bytes: u64,
    pub(super) generator: String,
}

/// Why a schema is not one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SchemaError {
    /// No valid Arrow schema message.
    Message,
    /// A good schema, but without our columns or metadata: another program's file.
    Foreign,
    /// Ours, with metadata that cannot be right.
    Metadata(MetadataError),
}

/// Reads the flatbuffer of a schema message.
pub(super) fn read_schema_message(flatbuffer: &[u8]) -> Result<SchemaFound, SchemaError> {
    let message: Message<'_> =
        arrow_ipc::root_as_message(flatbuffer).map_err(|_| SchemaError::Message)?;
    if message.version() != MetadataVersion::V5 {
        return Err(SchemaError::Message);
    }
    read_schema(message.header_as_schema().ok_or(SchemaError::Message)?)
}

fn read_schema(schema: arrow_ipc::Schema<'_>) -> Result<SchemaFound, SchemaError> {
    let fields = schema.fields().ok_or(SchemaError::Foreign)?;
    let fields: Vec<_> = fields.iter().map(read_field).collect();
    let [
        (INDEX, Type::Int),
        columns @ ..,
        (PUBLIC_KEY, Type::Binary),
        (CIPHERTEXT_BLOB, Type::Binary),
    ] = fields.as_slice()
    else {
        return Err(SchemaError::Foreign);
    };
    if columns.iter().any(|column| column.1 != Type::Utf8) {
        return Err(SchemaError::Foreign);
    }
    let names: Vec<&str> = columns.iter().map(|column| column.0).collect();
    let metadata = schema.custom_metadata().ok_or(SchemaError::Foreign)?;
    let get = |key: &str| {
        metadata.iter().find(|pair| pair.key() == Some(key)).and_then(|pair| pair.value())
    };
    let generator = get("Generator").ok_or(SchemaError::Foreign)?;
    let description = PartDescription::from_metadata(get, &names).map_err(SchemaError::Metadata)?;
    let slot_bytes = get("SlotBytes")
        .and_then(|text| text.parse().ok())
        .ok_or(SchemaError::Metadata(MetadataError { key: "SlotBytes" }))?;
    Ok(SchemaFound { description, slot_bytes, generator: generator.to_owned() })
}

/// Name and type of a field as we write them; `Type::NONE` for any other.
fn read_field(field: arrow_ipc::Field<'_>) -> (&str, Type) {
    let is_plain = !field.nullable()
        && field.dictionary().is_none()
        && field.children().is_none_or(|children| children.is_empty());
    let is_u64 = |int: arrow_ipc::Int<'_>| int.bitWidth() == 64 && !int.is_signed();
    let is_ours = match field.type_type() {
        Type::Int => field.type_as_int().is_some_and(is_u64),
        Type::Utf8 | Type::Binary => true,
        _ => false,
    };
    let kind = if is_plain && is_ours { field.type_type() } else { Type::NONE };
    (field.name().unwrap_or_default(), kind)
}
