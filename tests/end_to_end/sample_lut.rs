//! A LUT for tests of what is shown.

use std::sync::OnceLock;

use crate::harness::Folder;

/// Measured once for all tests.
static LUT: OnceLock<Vec<u8>> = OnceLock::new();

/// A folder with `lut.parquet`, a LUT of the space mobilenet-cifar10 from a synthetic device that wanders.
pub(crate) fn folder_with_lut() -> Folder {
    let folder = Folder::new();
    let lut = LUT.get_or_init(|| {
        // Rows that wander do not converge, which is exit code 3.
        let ran =
            folder.run("measure --device synthetic:wander --space mobilenet-cifar10 --max-rounds 12 -o lut.parquet");
        assert!(matches!(ran.code, Some(0 | 3)), "{}", ran.stderr);
        folder.read("lut.parquet")
    });
    std::fs::write(folder.path("lut.parquet"), lut).unwrap();
    folder
}
