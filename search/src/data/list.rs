//! Lists of image files with their labels.
//!
//! A `.csv` file has a header with the columns `x` and `y`, each alone or followed by a colon and a name
//! (`x:image,y:label`), as in NNabla-NAS. Any other file has `path label` on each line. Labels are numbers from 0.

use std::fs;
use std::path::{Path, PathBuf};

use super::{DataError, DataSet};

const HINT: &str = "set `data.train_list` and `data.test_list` to lists of images, and `data.path` to the folder that \
    the paths in them are relative to (default: the list's own folder)";

const MAX_BYTES: u64 = 1 << 30;
/// Largest label; without this limit a typing error would allocate names for too many classes.
const MAX_LABEL: u32 = 1 << 20;

/// Training and test images of two lists.
pub(super) fn open(
    train: &Path,
    test: &Path,
    folder: Option<&Path>,
    channels: usize,
) -> Result<(DataSet, DataSet), DataError> {
    let lists = [read(train, folder)?, read(test, folder)?];
    let largest = lists.iter().flat_map(|list| &list.labels).max().copied().unwrap_or(0);
    let classes: Vec<String> = (0..=largest).map(|label| label.to_string()).collect();
    let [train, test] = lists.map(|list| DataSet::from_files(classes.clone(), list.labels, channels, list.paths));
    Ok((train?, test?))
}

#[derive(Default)]
struct Listed {
    paths: Vec<PathBuf>,
    labels: Vec<u32>,
}

fn read(path: &Path, folder: Option<&Path>) -> Result<Listed, DataError> {
    let fail = |e| DataError::io(path, e, HINT);
    if fs::metadata(path).map_err(fail)?.len() > MAX_BYTES {
        return Err(DataError::format(path, "is larger than 1 GiB"));
    }
    let text = String::from_utf8(fs::read(path).map_err(fail)?);
    let text = text.map_err(|_| DataError::format(path, "is not UTF-8 text"))?;
    let is_csv = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    let rows = if is_csv { csv_rows(&text) } else { plain_rows(&text) };
    let rows = rows.map_err(|problem| DataError::format(path, problem))?;
    let folder = folder.or(path.parent()).unwrap_or(Path::new(""));
    let mut listed = Listed::default();
    for (line, image, label) in rows {
        let number = label.trim().parse::<u32>().ok().filter(|&n| n < MAX_LABEL);
        let number = number.ok_or_else(|| {
            DataError::format(
                path,
                format!("line {line}: the label `{label}` is not a number from 0 to {}", MAX_LABEL - 1),
            )
        })?;
        let image = folder.join(image);
        if !image.is_file() {
            return Err(DataError::format(path, format!("line {line}: {} does not exist", image.display())));
        }
        listed.paths.push(image);
        listed.labels.push(number);
    }
    if listed.paths.is_empty() {
        return Err(DataError::format(path, "contains no images"));
    }
    Ok(listed)
}

/// Line number, path and label.
type Row = (u64, String, String);

fn csv_rows(text: &str) -> Result<Vec<Row>, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| e.to_string())?.clone();
    let column = |name: &str| {
        let found = header.iter().position(|h| h == name || h.strip_prefix(name).is_some_and(|r| r.starts_with(':')));
        found.ok_or_else(|| format!("has no column `{name}` or `{name}:<name>`"))
    };
    let (x, y) = (column("x")?, column("y")?);
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| e.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        rows.push((line, record[x].to_owned(), record[y].to_owned()));
    }
    Ok(rows)
}

fn plain_rows(text: &str) -> Result<Vec<Row>, String> {
    let lines = text.lines().enumerate().map(|(i, line)| (i as u64 + 1, line.trim()));
    lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(number, line)| {
            // A path may have spaces, a label has none.
            let (image, label) = line
                .rsplit_once(char::is_whitespace)
                .ok_or_else(|| format!("line {number}: not a path and a label"))?;
            Ok((number, image.trim_end().to_owned(), label.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_both_forms() {
        let expected = Ok(vec![(2, "a b.png".to_owned(), "0".to_owned()), (3, "c.png".to_owned(), "12".to_owned())]);
        assert_eq!(csv_rows("y:label,x:image\n0,a b.png\n12, c.png\n"), expected);
        assert_eq!(plain_rows("\na b.png 0\nc.png\t12"), expected);
        assert!(csv_rows("image,label\na.png,0").unwrap_err().contains("column `x`"));
        assert!(csv_rows("xyz,y\na.png,0").unwrap_err().contains("column `x`"));
        assert!(csv_rows("x,y\na.png").is_err());
        assert!(plain_rows("a.png").unwrap_err().contains("line 1"));
    }
}
