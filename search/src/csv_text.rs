//! CSV text in memory.

/// The bytes of a CSV file. All rows must be as long as the header.
pub fn csv_bytes(rows: impl FnOnce(&mut csv::Writer<Vec<u8>>) -> Result<(), csv::Error>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing into memory fails only if rows differ in length.
    let written = rows(&mut writer);
    debug_assert!(written.is_ok(), "{written:?}");
    writer.into_inner().unwrap_or_default()
}
