//! Event files for TensorBoard: scalars, histograms, images, texts and a graph.
//!
//! The messages are a small part of TensorFlow's `event.proto`, `summary.proto` and `graph.proto`, so they are written
//! by hand ([`nasprof_onnx::protobuf`]), without a compiler or generated code.

mod graph_def;
mod histogram;
mod record;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use nasprof_graph::Graph;
use nasprof_onnx::protobuf::Message;

use crate::RenderError;

/// Names tried for a new event file before giving up.
const MAX_NAMES: u32 = 1000;
/// TensorFlow's number for a tensor of texts.
const DT_STRING: i64 = 7;
/// An image of red, green, blue and opacity.
const RGBA: i64 = 4;

/// An event file that grows. Steps are whatever the caller counts (epochs in a search); a tag such as `loss/train` puts
/// a chart into the group `loss`. What was written is on disk after [`Self::flush`] or when the writer is dropped.
#[derive(Debug)]
pub struct EventWriter {
    file: BufWriter<File>,
    path: PathBuf,
}

impl EventWriter {
    /// A new event file in `folder`, which is made if it is not there. A resumed run makes another one: TensorBoard
    /// shows all files of a folder as one run.
    ///
    /// # Errors
    /// If the folder or the file cannot be made.
    pub fn create(folder: &Path) -> Result<Self, RenderError> {
        fs::create_dir_all(folder).map_err(|e| RenderError::file(folder, e))?;
        let (seconds, process) = (now() as u64, std::process::id());
        for number in 0..MAX_NAMES {
            let path = folder.join(format!("events.out.tfevents.{seconds}.nasprof.{process}.{number}"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    let mut writer = Self { file: BufWriter::new(file), path };
                    writer.event(&Message::new().double(1, now()).bytes(3, "brain.Event:2"))?;
                    return Ok(writer);
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(RenderError::file(&path, e)),
            }
        }
        let exists = io::Error::new(io::ErrorKind::AlreadyExists, "every name for an event file is taken");
        Err(RenderError::file(folder, exists))
    }

    /// The event file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// One point of a curve. TensorBoard keeps 32 bits of it and shows a value that is not finite as a gap.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn scalar(&mut self, tag: &str, step: i64, value: f64) -> Result<(), RenderError> {
        self.summary(step, &Message::new().bytes(1, tag).float(2, value as f32))
    }

    /// The distribution of `values`. Those that are not finite have no place in it: their number is a scalar of its
    /// own, `TAG/not_finite`, so that they are seen.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn histogram(&mut self, tag: &str, step: i64, values: &[f64]) -> Result<(), RenderError> {
        let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        if finite.len() < values.len() {
            self.scalar(&format!("{tag}/not_finite"), step, (values.len() - finite.len()) as f64)?;
        }
        if finite.is_empty() {
            return Ok(());
        }
        self.summary(step, &Message::new().bytes(1, tag).message(5, &histogram::histogram(&finite)))
    }

    /// A picture.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn image(&mut self, tag: &str, step: i64, png: &crate::Png) -> Result<(), RenderError> {
        let (height, width) = (i64::from(png.height), i64::from(png.width));
        let image = Message::new().int(1, height).int(2, width).int(3, RGBA).bytes(4, &png.bytes);
        self.summary(step, &Message::new().bytes(1, tag).message(4, &image))
    }

    /// A text in Markdown.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn text(&mut self, tag: &str, step: i64, markdown: &str) -> Result<(), RenderError> {
        let plugin = Message::new().message(1, &Message::new().bytes(1, "text"));
        let shape = Message::new().message(2, &Message::new().int(1, 1));
        let tensor = Message::new().int(1, DT_STRING).message(2, &shape).bytes(8, markdown);
        self.summary(step, &Message::new().bytes(1, tag).message(8, &tensor).message(9, &plugin))
    }

    /// The run's graph: one a run; TensorBoard shows the last.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn graph(&mut self, graph: &Graph) -> Result<(), RenderError> {
        let definition = graph_def::graph_def(graph);
        self.event(&Message::new().double(1, now()).message(4, &definition))
    }

    /// Hands all that was written to the system, where TensorBoard sees it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn flush(&mut self) -> Result<(), RenderError> {
        self.file.flush().map_err(|e| RenderError::file(&self.path, e))
    }

    fn summary(&mut self, step: i64, value: &Message) -> Result<(), RenderError> {
        let summary = Message::new().message(1, value);
        self.event(&Message::new().double(1, now()).int(2, step).message(5, &summary))
    }

    fn event(&mut self, event: &Message) -> Result<(), RenderError> {
        let record = record::frame(event.as_bytes());
        self.file.write_all(&record).map_err(|e| RenderError::file(&self.path, e))
    }
}

/// Seconds since 1970; TensorBoard's axis of wall time.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}
